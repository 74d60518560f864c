"""A worker's connection with the chief of its sweep."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import grpc
from keras_tuner.src import protos

from keras_ext.errors import SweepError
from keras_ext.tuning import messages
from keras_ext.tuning.watcher import Watcher

START_SECONDS = 600.0
"""How long a worker waits for a chief that isn't there yet."""
CALL_SECONDS = 600.0
"""How long one call may take: an oracle may think for long, while the chief's beat goes on."""


class Link(Watcher):
    """Speaks with the chief: joins, tells what happens, and says every two seconds that it lives.

    When the chief says stop, or doesn't answer any more, the main thread gets a KeyboardInterrupt,
    and a process that does not heed it within five seconds is ended.

    Args:
        name: of the worker.
        address: of the chief.
        token: that the chief gave to this worker; None to join first.

    Attributes:
        stub: for KerasTuner's ``OracleClient``.
        ended: why the chief can't be reached any more, in words; None while it can.
    """

    def __init__(self, name: str, address: str, token: str | None = None) -> None:
        self.name = name
        self.address = address
        self.ended: str | None = None
        self._signed = _Signed(token or "")
        channel = grpc.insecure_channel(address, options=messages.CHANNEL)
        self._channel = grpc.intercept_channel(channel, self._signed)
        self._close = channel.close
        self.stub = protos.get_service_grpc().OracleStub(self._channel)
        self._tell = messages.caller(self._channel, "tell")
        self._left = threading.Event()
        self._before: Any = None

    def join(self, settings: Mapping[str, Any]) -> None:
        """Become a worker of the chief's sweep.

        Args:
            settings: of the sweep, which must be those of the chief.

        Raises:
            SweepError: when the chief can't be reached or refuses, with its reason.
        """
        call = messages.caller(self._channel, "join")
        request = {"name": self.name, "settings": messages.plain(settings)}
        until = time.monotonic() + messages.LOST_SECONDS + 2 * messages.BEAT_SECONDS
        while True:
            try:
                answer = call(request, timeout=START_SECONDS)
            except grpc.RpcError as error:
                raise SweepError(why(self.address, error)) from error
            # The chief has yet to notice that a worker of this name is gone.
            if not answer.get("taken") or time.monotonic() > until:
                break
            time.sleep(messages.BEAT_SECONDS)
        if "token" not in answer:
            raise SweepError(f"the chief at {self.address} refuses: {answer['problem']}")
        self._signed.token = answer["token"]

    def start(self) -> None:
        """Say that this process lives, from now on."""
        if threading.current_thread() is threading.main_thread():
            # Started in the background of a script, a process is born deaf to SIGINT.
            self._before = signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=self._beat, name="beat", daemon=True).start()

    def leave(self) -> None:
        """Tell the chief that this worker ends."""
        self._left.set()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self.ended is None:
            self._inform({"kind": "leaves"}, messages.BEAT_SECONDS)
        self._close()

    def begins(self, trial_id: str, values: dict[str, Any], reason: str, epochs: int) -> None:
        """Pass it on; values and reason are the chief's own."""
        self._inform({"kind": "begins", "trial_id": trial_id, "epochs": epochs})

    def epoch(self, trial_id: str, number: int, logs: dict[str, float]) -> None:
        """Pass it on."""
        self._inform({"kind": "epoch", "trial_id": trial_id, "number": number, "logs": logs})

    def report(self, trial_id: str, report: Mapping[str, Any]) -> None:
        """Hand over what came of a trial, before KerasTuner ends it.

        Raises:
            grpc.RpcError: when the chief doesn't take it.
        """
        self._tell({"kind": "report", "trial_id": trial_id, **report})

    def _inform(self, event: Mapping[str, Any], seconds: float | None = None) -> None:
        """News that may be lost."""
        try:
            self._tell(event, timeout=seconds or messages.SILENCE_SECONDS)
        except grpc.RpcError:
            return

    def _beat(self) -> None:
        while not self._left.wait(messages.BEAT_SECONDS):
            try:
                answer = self._tell({"kind": "beat"}, timeout=messages.SILENCE_SECONDS)
            except (grpc.RpcError, ValueError) as error:
                self.ended = why(self.address, error)
                break
            if answer["stop"]:
                break
        if self._left.is_set():
            return
        # A real signal: it ends what the main thread waits for.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if not self._left.wait(messages.GRACE_SECONDS):
            print(f"error: {self.ended or 'the chief says stop'}", file=sys.stderr, flush=True)
            os._exit(1)


def why(address: str, error: Exception) -> str:
    """What an error of a call says of the chief, in words."""
    details = getattr(error, "details", None)
    reason = details() if callable(details) else error
    code = error.code() if isinstance(error, grpc.Call) else None
    gone = code in (None, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return f"the chief at {address} {'is gone' if gone else 'refuses'}: {reason}"


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool
    compression: Any


class _Signed(grpc.UnaryUnaryClientInterceptor):
    """Adds the worker's token to each call, and gives it the time that calls have here."""

    def __init__(self, token: str) -> None:
        self.token = token

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """As gRPC asks for it."""
        signed = _Details(
            details.method,
            min(details.timeout or CALL_SECONDS, CALL_SECONDS),
            [*(details.metadata or ()), (messages.TOKEN, self.token)],
            details.credentials,
            True,
            details.compression,
        )
        return continuation(signed, request)
