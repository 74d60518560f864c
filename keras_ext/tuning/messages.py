"""What the chief and the workers of a sweep tell each other beside KerasTuner's own calls.

KerasTuner's protocol rounds metrics to single precision, loses the reason why a trial failed, and
knows of no worker whether it lives. So there are two calls more on the same port: "join", and
"tell" with an event. Both take and give JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import grpc
from keras_tuner.src.engine import conditions

from keras_ext.fields import decode, encode
from keras_ext.records import TrainConfig
from keras_ext.sweep_records import Execution
from keras_ext.tuning.tuner import Running

SERVICE = "keras_ext.Sweep"
TOKEN = "keras-ext-token"
"""Key of the metadata by which the chief knows a worker."""
BEAT_SECONDS = 2.0
"""How often a worker says that it lives."""
SILENCE_SECONDS = 15.0
"""After so long without an answer a worker takes the chief for dead."""
LOST_SECONDS = 25.0
"""After so long without a word the chief takes a worker for dead; by then it has ended itself."""
GRACE_SECONDS = 5.0
"""What a worker has to end itself, before it is ended."""

CHANNEL = (
    ("grpc.max_receive_message_length", 2**26),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
)
# Two chiefs on one port would otherwise share its calls.
SERVER = (*CHANNEL, ("grpc.so_reuseport", 0))

# KerasTuner has left a print, once for debugging, where a condition becomes a message.
conditions.print = lambda *_: None


def plain(value: Any) -> Any:
    """As the other side reads it: records and tuples are objects and lists of JSON."""
    return json.loads(json.dumps(encode(value)))


def pack(value: Any) -> bytes:
    """JSON, with NaN and infinity."""
    return json.dumps(value).encode()


def unpack(content: bytes) -> Any:
    """The way back."""
    return json.loads(content)


def handler(calls: Mapping[str, Callable[[Any, Any], Any]]) -> grpc.GenericRpcHandler:
    """The server's side.

    Args:
        calls: by name, functions of what was sent and gRPC's context.
    """
    methods = {
        name: grpc.unary_unary_rpc_method_handler(call, unpack, pack)
        for name, call in calls.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


def caller(channel: grpc.Channel, name: str) -> Any:
    """The client's side of one call."""
    return channel.unary_unary(f"/{SERVICE}/{name}", pack, unpack)


def report_of(running: Running, seconds: float, metrics: Any, message: str | None) -> Any:
    """What a worker knows of a trial at its end."""
    return {
        "seconds": seconds,
        "config": running.config.to_dict(),
        "executions": [asdict(item) for item in running.executions],
        "epochs": running.epochs,
        "unfinished": list(running.unfinished),
        "metrics": metrics,
        "message": message,
    }


def take_report(running: Running, report: Any, now: float) -> None:
    """Add a worker's report to what the chief knows of the trial.

    Raises:
        ConfigError: for a report that is none.
    """
    running.began = now - float(report["seconds"])
    running.config = TrainConfig.from_dict(report["config"])
    running.executions = tuple(decode(Execution, item, "") for item in report["executions"])
    running.epochs = report["epochs"]
    running.unfinished = tuple(report["unfinished"])
