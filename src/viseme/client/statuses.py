"""What gRPC says of a call that failed, as errors of viseme: the one place where that is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

import grpc

from viseme.errors import (
    AuthError,
    AvatarError,
    DeadlineError,
    InputError,
    MissingExtraError,
    ModelError,
    OverloadedError,
    UnavailableError,
    VisemeError,
)

__all__ = ["RETRY_AFTER", "translated"]

RETRY_AFTER: Final = "retry-after"
"""The trailer that has the seconds after which a refused client is to try again."""
_RETRY_AFTER_S: Final = 1.0
"""Assumed where a server does not say: gRPC itself refuses without a word."""
_SENTENCES: Final[dict[grpc.StatusCode, str]] = {
    grpc.StatusCode.UNAVAILABLE: "No server can be reached at {address} ({details}); check the "
    "address, whether TLS is wanted there, and that the server runs.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "{address} did not answer in time; give it longer with "
    "timeout_s, or ask for less at a time.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "{address} is busy ({details}); try again a little later.",
    grpc.StatusCode.UNAUTHENTICATED: "{address} does not know the token ({details}); send another.",
    grpc.StatusCode.PERMISSION_DENIED: "{address} does not let this token do that ({details}); "
    "send another.",
    grpc.StatusCode.UNIMPLEMENTED: "{address} does not know this call ({details}); is it a server "
    "of this contract?",
    grpc.StatusCode.CANCELLED: "The call was ended ({details}), by this side or by a server that "
    "has waited too long for it to read or to send.",
}
_PLAIN: Final = "The call to {address} failed ({name}: {details}); look at the server's log."
_TOO_LARGE: Final = "larger than max"

_KINDS: Final[dict[grpc.StatusCode, Callable[[str], VisemeError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InputError,
    grpc.StatusCode.OUT_OF_RANGE: InputError,
    grpc.StatusCode.NOT_FOUND: AvatarError,
    grpc.StatusCode.UNAUTHENTICATED: AuthError,
    grpc.StatusCode.PERMISSION_DENIED: AuthError,
    grpc.StatusCode.FAILED_PRECONDITION: ModelError,
    grpc.StatusCode.UNIMPLEMENTED: MissingExtraError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.CANCELLED: UnavailableError,
}


def translated(error: grpc.RpcError, address: str) -> VisemeError:
    """Make an error of viseme of a failed call's.

    The server's own sentences, which end as sentences do, are passed on as they are; what gRPC
    says by itself is put into one.

    Args:
        error: as either flavour of gRPC raises it.
        address: whom the call went to.
    """
    code = error.code()
    # Of all that gRPC has tried, the last attempt is the one that says something.
    details = (error.details() or "no reason given").rpartition("last error: ")[2].strip()
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in details:
        return InputError(
            f"A message to or from {address} is too large ({details}); send fewer frames at a "
            "time, or raise message_bytes on the side that refuses it."
        )
    sentence = details if details.endswith(".") else _sentence(code, details, address)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return OverloadedError(sentence, retry_after_s=_retry_after_s(error.trailing_metadata()))
    return _KINDS.get(code, VisemeError)(sentence)


def _sentence(code: grpc.StatusCode, details: str, address: str) -> str:
    sentence = _SENTENCES.get(code)
    if sentence is None:
        # The contract's own words, "Invalid batch size: 26 (must be 1-25)", are no sentence, and
        # whoever sent the request needs nothing else.
        sentence = "{details}" if code in _KINDS else _PLAIN
    return sentence.format(address=address, details=details, name=code.name)


def _retry_after_s(trailers: Iterable[Any] | None) -> float:
    for key, value in trailers or ():
        if key == RETRY_AFTER:
            try:
                seconds = float(value)
            except ValueError:
                continue
            if math.isfinite(seconds) and seconds >= 0:
                return seconds
    return _RETRY_AFTER_S
