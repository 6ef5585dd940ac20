"""What gRPC says, in our words: each error comes out of the line as the server put it in."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest

from viseme import errors
from viseme.client.statuses import translated
from viseme.errors import OverloadedError, VisemeError

ADDRESS = "127.0.0.1:50051"


def failed(
    code: grpc.StatusCode, details: str | None, trailers: grpc.aio.Metadata | None = None
) -> VisemeError:
    return translated(grpc.aio.AioRpcError(code, None, trailers, details=details), ADDRESS)


def kinds() -> list[type[VisemeError]]:
    named = (getattr(errors, name) for name in errors.__all__)
    return [kind for kind in named if issubclass(kind, VisemeError)]


@pytest.mark.parametrize("kind", kinds())
def test_every_error_of_the_server_is_one_of_the_client(kind: type[VisemeError]) -> None:
    error = failed(grpc.StatusCode[kind.grpc_status], "Something is wrong; mend it.")
    assert type(error).grpc_status == kind.grpc_status
    assert str(error) == "Something is wrong; mend it."


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
def test_every_status_is_one_of_our_errors_with_a_sentence(code: grpc.StatusCode) -> None:
    error = failed(code, None)
    assert isinstance(error, VisemeError)
    assert "no reason given" in str(error) or code is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("code", "details", "sentence"),
    [
        (
            "UNAVAILABLE",
            "failed to connect to all addresses; last error: Connection refused",
            f"No server can be reached at {ADDRESS} (Connection refused); check the address, "
            "whether TLS is wanted there, and that the server runs.",
        ),
        (
            "DEADLINE_EXCEEDED",
            "Deadline Exceeded",
            f"{ADDRESS} did not answer in time; give it longer with timeout_s, or ask for less at "
            "a time.",
        ),
        (
            "RESOURCE_EXHAUSTED",
            "Concurrent RPC limit exceeded!",
            f"{ADDRESS} is busy (Concurrent RPC limit exceeded!); try again a little later.",
        ),
        (
            "CANCELLED",
            "CANCELLED",
            "The call was ended (CANCELLED), by this side or by a server that has waited too long "
            "for it to read or to send.",
        ),
        (
            "UNIMPLEMENTED",
            "Method not found!",
            f"{ADDRESS} does not know this call (Method not found!); is it a server of this "
            "contract?",
        ),
        (
            "INVALID_ARGUMENT",
            "Invalid batch size: 26 (must be 1-25)",
            "Invalid batch size: 26 (must be 1-25)",
        ),
        (
            "UNKNOWN",
            "Exception calling application: boom",
            f"The call to {ADDRESS} failed (UNKNOWN: Exception calling application: boom); look "
            "at the server's log.",
        ),
    ],
)
def test_what_grpc_says_by_itself_becomes_a_sentence(
    code: str, details: str, sentence: str
) -> None:
    assert str(failed(grpc.StatusCode[code], details)) == sentence


def test_a_message_that_is_too_large_is_no_reason_to_come_back() -> None:
    error = failed(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "CLIENT: Sent message larger than max (9 vs. 8)"
    )
    assert type(error) is errors.InputError
    assert str(error) == (
        f"A message to or from {ADDRESS} is too large (CLIENT: Sent message larger than max "
        "(9 vs. 8)); send fewer frames at a time, or raise message_bytes on the side that "
        "refuses it."
    )


@pytest.mark.parametrize(
    ("trailer", "seconds"), [("7.5", 7.5), ("0", 0), ("soon", 1), ("-1", 1), ("nan", 1)]
)
def test_when_to_try_again(trailer: str, seconds: float) -> None:
    trailers = grpc.aio.Metadata(("x-request-id", "a"), ("retry-after", trailer))
    error = failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "The server is busy.", trailers)
    assert isinstance(error, OverloadedError)
    assert error.retry_after_s == seconds
