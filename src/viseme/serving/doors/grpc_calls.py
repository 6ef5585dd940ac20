"""What all gRPC handlers share: each call is a visit, and ends with the right status.

A module of handlers gives a factory, `(Calls) -> grpc.GenericRpcHandler`, which `GrpcDoor` takes::

    def v1_handlers(calls: Calls) -> grpc.GenericRpcHandler:
        cast = calls.house.cast

        def list_avatars(arrival: Arrival, request: v1.ListAvatarsRequest) -> ...:
            return v1.ListAvatarsResponse(...)

        def live(arrival: Arrival, requests: Iterator[v1.LiveRequest]) -> Iterator[...]:
            with arrival.visit.admit(streams=1, frames=8):
                ...

        return calls.service(
            calls.unary(services.LIST_AVATARS, typed(services.LIST_AVATARS, list_avatars)),
            calls.streaming(services.LIVE, live),
        )

A handler raises a `VisemeError`, and the call has its status, its sentence and, in the trailers,
`x-request-id` and `retry-after`. What nobody foresaw is the desk's to log; the client reads that.

To gRPC every handler here is one of streams, which on the wire is no difference. It is entered
when the headers have come, so who may not come in, or does not fit, is refused before a byte of
his message is read; and it is left when the answer has been taken by the line, so what a client
does not read stays counted. A client that neither sends nor reads is dropped by the watchdog.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from viseme.errors import DeadlineError, OverloadedError, VisemeError, WireError
from viseme.serving.desk import CANCELLED, Visit
from viseme.serving.house import House
from viseme.serving.limits import Guest
from viseme.serving.watchdog import Watchdog
from viseme.wire.services import Call

__all__ = ["Arrival", "Calls", "HandlerFactory", "Method", "parsed", "typed"]

SLOWEST_BYTES_PER_S: Final = 2**19
"""What a line carries at least, 4 Mbit/s: who takes longer for a message has stalled."""

_MAX_DETAILS_CHARACTERS: Final = 1000
"""Of a status: all headers together may take 8 KiB."""
_NO_DEADLINE_S: Final = 1e9
"""gRPC tells of a call without a deadline that it has some centuries left."""

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Method:
    """A call and what answers it, for `Calls.service`."""

    service: str
    name: str
    handler: grpc.RpcMethodHandler[bytes, bytes]


class Arrival:
    """A call that has come, as its handler sees it.

    Args:
        visit: the call at the desk.
        context: the call in gRPC.
    """

    def __init__(self, visit: Visit, context: grpc.ServicerContext) -> None:
        self.visit = visit
        """Where it is admitted, and what is to be logged of it is written down."""
        remaining_s = context.time_remaining()
        self.deadline_s: float | None = (
            time.monotonic() + remaining_s if remaining_s < _NO_DEADLINE_S else None
        )
        """The `time.monotonic()` until which the client waits; None if it waits for ever."""
        self._context = context

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the answer any more: hung up, late, or dropped."""
        return not self._context.is_active()

    def on_end(self, action: Callable[[], None]) -> None:
        """Have something called when the call is over, however it ends; at once if it is.

        Args:
            action: what to call; on a thread of gRPC that all calls share, so it must be quick.
        """
        if not self._context.add_callback(action):
            action()

    def wait_for(self, future: Future[Result]) -> Result:
        """Wait for a future, and cancel it as soon as the client has gone.

        Raises:
            CancelledError: the client has gone; let it pass.
            VisemeError: what the future fails with.
        """
        self.on_end(functools.partial(_cancel, future))
        try:
            return future.result()
        finally:
            # A future holds its error, that this frame, and this the future: with it everything
            # that the call has in memory would wait for the garbage collector.
            del future

    def hang_up(self) -> None:
        """End the call without an answer, from any thread; its handler finds the client gone.

        The client gets CANCELLED and no sentence: a status of our own is sent by the handler's
        thread, which is the one that waits for the client, and gRPC would put it behind the
        message that the client does not take.
        """
        self.visit.fields["stalled"] = True
        self._context.cancel()


UnaryBehaviour = Callable[[Arrival, Guest, bytes], bytes]
StreamBehaviour = Callable[[Arrival, Iterator[Request]], Iterator[Response]]
_Body = Callable[[Arrival, Iterator[bytes]], Generator[bytes, None, None]]


class Calls:
    """Makes handlers of a house's calls.

    Args:
        house: what is behind the door.
        watchdog: ends calls whose clients stall; running.
    """

    def __init__(self, house: House, watchdog: Watchdog) -> None:
        self.house = house
        self._watchdog = watchdog

    def service(self, *methods: Method) -> grpc.GenericRpcHandler:
        """Put the methods of one service together."""
        handlers = {method.name: method.handler for method in methods}
        return grpc.method_handlers_generic_handler(methods[0].service, handlers)

    def unary(self, call: Call[Request, Response], answer: UnaryBehaviour) -> Method:
        """Make a handler of bytes for one message that has one answer.

        It is admitted as a request before its message is read, and the message's bytes before it
        is parsed.

        Args:
            call: what it answers.
            answer: gets the guest to claim frames for, and the message; gives the answer.
        """

        def body(arrival: Arrival, messages: Iterator[bytes]) -> Generator[bytes, None, None]:
            with arrival.visit.admit() as guest:
                yield answer(arrival, guest, self._only(arrival, guest, messages))

        return self._method(call, body)

    def public(self, call: Call[Request, Response], answer: Callable[[bytes], bytes]) -> Method:
        """Make a handler of bytes that everyone may call at any time: it must cost nothing."""

        def body(arrival: Arrival, messages: Iterator[bytes]) -> Generator[bytes, None, None]:
            # Nothing is known of who calls, and what there is to say is short.
            patience_s = self.house.config.limits.stall_s
            yield answer(self._first(arrival, messages, patience_s))

        return self._method(call, body, public=True)

    def streaming(
        self,
        call: Call[Request, Response],
        answer: StreamBehaviour[Request, Response],
        *,
        patience_s: float | None = None,
        public: bool = False,
    ) -> Method:
        """Make a handler of messages that come, or are answered, in any number.

        It admits itself, for it knows what it is about to do.

        Args:
            call: what it answers.
            answer: gets the messages as they come and gives answers as they are due. The
                iterator raises `WireError` where a message is damaged, and `CancelledError` of
                `concurrent.futures` where the client has gone, which is to be let pass. Its
                generator is closed when the client has gone while an answer was under way.
            patience_s: how long the client may be silent between two messages; as long as the
                largest one takes over a slow line, if None.
            public: whether it needs no token.
        """

        def body(arrival: Arrival, messages: Iterator[bytes]) -> Generator[bytes, None, None]:
            requests = (
                parsed(call, data) for data in self._patiently(arrival, messages, patience_s)
            )
            for response in answer(arrival, requests):
                yield response.SerializeToString()

        return self._method(call, body, public=public)

    def _method(
        self, call: Call[Request, Response], body: _Body, *, public: bool = False
    ) -> Method:
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(
            functools.partial(self._receive, f"{call.service}/{call.name}", body, public)
        )
        return Method(call.service, call.name, handler)

    def _receive(
        self,
        name: str,
        body: _Body,
        public: bool,
        messages: Iterator[bytes],
        context: grpc.ServicerContext,
    ) -> Iterator[bytes]:
        """Answer one call, on a thread of the door's pool that it has to itself."""
        metadata = _texts(context)
        visit: Visit | None = None
        try:
            with self.house.desk.visit(
                "grpc",
                name,
                authorization=metadata.get("authorization"),
                wanted_id=metadata.get("x-request-id"),
                traceparent=metadata.get("traceparent"),
                public=public,
            ) as visit:
                yield from self._answer(Arrival(visit, context), body, messages, context)
        except VisemeError as error:
            _end_with(error, visit, context)

    def _answer(
        self,
        arrival: Arrival,
        body: _Body,
        messages: Iterator[bytes],
        context: grpc.ServicerContext,
    ) -> Iterator[bytes]:
        named = False
        try:
            with closing(body(arrival, messages)) as responses:
                for response in responses:
                    if not named:
                        # Not before, so that a refusal is one frame that clients may retry after.
                        _while_there(context.send_initial_metadata, _request_id(arrival.visit))
                        named = True
                    with self._watchdog.within(self._time_s(len(response)), arrival.hang_up):
                        yield response
        except CancelledError:
            if not arrival.gone:
                raise  # then it is an error like any other
            late = arrival.deadline_s is not None and time.monotonic() >= arrival.deadline_s
            arrival.visit.code = DeadlineError.grpc_status if late else CANCELLED

    def _only(self, arrival: Arrival, guest: Guest, messages: Iterator[bytes]) -> bytes:
        data = self._first(arrival, messages, None)
        arrival.visit.fields["bytes"] = len(data)
        guest.claim(request_bytes=len(data))
        return data

    def _first(
        self, arrival: Arrival, messages: Iterator[bytes], patience_s: float | None
    ) -> bytes:
        data = next(self._patiently(arrival, messages, patience_s), None)
        if data is None:
            raise WireError("The call came without a message; send one.")
        return data

    def _patiently(
        self, arrival: Arrival, messages: Iterator[bytes], patience_s: float | None
    ) -> Iterator[bytes]:
        """Give the messages, and hang up when the next one does not come."""
        if patience_s is None:
            patience_s = self._time_s(self.house.config.limits.message_bytes)
        while True:
            with self._watchdog.within(patience_s, arrival.hang_up):
                data = _while_there(next, messages, None)
            if data is None:
                return
            yield data

    def _time_s(self, message_bytes: int) -> float:
        """Tell how long a message may be under way."""
        return self.house.config.limits.stall_s + message_bytes / SLOWEST_BYTES_PER_S


HandlerFactory = Callable[[Calls], grpc.GenericRpcHandler]
"""What `GrpcDoor` takes for each service."""


def typed(
    call: Call[Request, Response], answer: Callable[[Arrival, Request], Response]
) -> UnaryBehaviour:
    """Make a handler of messages one of bytes, for `Calls.unary`."""

    def behaviour(arrival: Arrival, _: Guest, data: bytes) -> bytes:
        return answer(arrival, parsed(call, data)).SerializeToString()

    return behaviour


def parsed(call: Call[Request, Response], data: bytes) -> Request:
    """Read the message of a call.

    Raises:
        WireError: it is damaged.
    """
    try:
        return call.request.FromString(data)
    except DecodeError as error:
        raise WireError(
            f"The message is no {call.request.DESCRIPTOR.full_name}, or damaged; encode it by the "
            "server's proto."
        ) from error


def _texts(context: grpc.ServicerContext) -> Mapping[str, str]:
    """Give what came with a call that is text; where a key came twice, the first."""
    pairs = reversed(context.invocation_metadata())
    return {key: value for key, value in pairs if isinstance(value, str)}


def _while_there(call: Callable[..., Result], *arguments: Any) -> Result:
    """Call something of gRPC that fails when the client has gone.

    gRPC keeps the error that it raises then, and by its traceback everything that the call has in
    memory: a circle that only the garbage collector would break.

    Raises:
        CancelledError: the client has gone.
    """
    try:
        return call(*arguments)
    except grpc.RpcError as error:
        error.__traceback__ = None
        raise CancelledError from None


def _cancel(future: Future[Result]) -> None:
    future.cancel()


def _request_id(visit: Visit) -> tuple[tuple[str, str], ...]:
    return (("x-request-id", visit.request_id),)


def _end_with(error: VisemeError, visit: Visit | None, context: grpc.ServicerContext) -> None:
    """Give the call an error's status; who was not let in gets no number, for there is no visit."""
    trailers = _request_id(visit) if visit else ()
    if isinstance(error, OverloadedError):
        trailers += (
            ("retry-after", str(math.ceil(error.retry_after_s))),
            # The same for gRPC's own way of trying again.
            ("grpc-retry-pushback-ms", str(math.ceil(1000 * error.retry_after_s))),
        )
    context.set_trailing_metadata(trailers)
    context.set_code(grpc.StatusCode[error.grpc_status])
    text = str(error)
    context.set_details(
        text if len(text) <= _MAX_DETAILS_CHARACTERS else text[:_MAX_DETAILS_CHARACTERS] + "…"
    )
