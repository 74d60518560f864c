"""Which workers a chief has, how it knows them, and when it last heard of each."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import grpc

from keras_ext.tuning import messages


@dataclass
class _Member:
    token: str
    heard: float | None = None


class Roster:
    """The workers by name, each with a token that it shows at every call.

    >>> roster = Roster()
    >>> len(roster.admit("worker-0")), roster.names, roster.silent(0.0)
    (32, ['worker-0'], [])
    """

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}

    @property
    def names(self) -> list[str]:
        """Of those who were admitted and not dropped."""
        return list(self._members)

    def admit(self, name: str) -> str:
        """Take a worker in; its token."""
        self._members[name] = _Member(secrets.token_hex(16))
        return self._members[name].token

    def drop(self, name: str) -> None:
        """Forget a worker, and its token."""
        self._members.pop(name, None)

    def hear(self, name: str) -> None:
        """Note that a worker lives."""
        self._members[name].heard = time.monotonic()

    def silent(self, seconds: float) -> list[str]:
        """Those not heard of for so long; who was never heard of is still on its way."""
        now = time.monotonic()
        return [
            name
            for name, member in self._members.items()
            if member.heard is not None and now - member.heard > seconds
        ]

    def member(self, context: Any) -> str:
        """The name of the worker that makes a call, which gRPC refuses for others."""
        token = str(dict(context.invocation_metadata()).get(messages.TOKEN, ""))
        for name, member in list(self._members.items()):
            if secrets.compare_digest(member.token, token):
                member.heard = time.monotonic()
                return name
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "this worker was given up, or never joined")
        raise AssertionError  # abort raises.
