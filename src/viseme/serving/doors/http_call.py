"""One request at the HTTP door: a visit, its body as it comes, its answer as it is made.

Handlers are functions of a `Call`. What costs time runs on a thread of the door's pool, in
`Call.on_thread`, where `Call.read` and `Call.write` wait for the line as a file would; the event
loop only passes on. A handler raises a `VisemeError`, and the client gets its status and sentence.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from viseme.errors import AuthError, OverloadedError, UnavailableError, VisemeError
from viseme.serving.desk import Visit
from viseme.serving.doors.http_connection import HANG_UP
from viseme.serving.doors.http_errors import (
    MethodError,
    TooLargeError,
    TooSlowError,
    WrongTypeError,
)
from viseme.serving.doors.http_json import encode_json
from viseme.serving.limits import Guest

__all__ = ["Call", "ClientGoneError", "Handler", "Pace", "check_type"]

JSON: Final = "application/json"
_TYPE_SHOWN_MAX: Final = 60
_RESTART_S: Final = 5
"""After how long one who was refused by a server that stops may find another."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class ClientGoneError(Exception):
    """Nobody is left to answer."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly a body may come."""

    stall_s: float
    """How long nothing may come, and how long it takes until the speed is looked at."""
    slowest_bytes_per_s: float
    most_s: float = math.inf
    """How long all of it may take."""


class Call:
    """A request that has come, as its handler sees it.

    Args:
        scope: as ASGI has it.
        receive: likewise.
        send: likewise.
        pool: threads for what costs time.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, pool: Executor) -> None:
        self.headers = Headers(scope=scope)
        self.query = QueryParams(scope["query_string"])
        self.path_params: Mapping[str, str] = scope.get("path_params", {})
        self.visit: Visit
        """Where it is admitted; set before the handler is called."""
        self.error_fields: dict[str, object] = {}
        """What an answer that tells of an error has besides."""
        self.request_id = ""
        self.started = False
        """Whether the answer has begun."""
        self._hang_up: Callable[[], None] = scope[HANG_UP]
        self._receive = receive
        self._send = send
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._pace: Pace | None = None
        self._guest: Guest | None = None
        self._begun_s = self._loop.time()
        self._received_bytes = 0
        self._most_bytes = 0
        self._unread = b""
        self._ended = False
        self._watch: asyncio.Task[None] | None = None
        self._gone = False
        self._waits: set[Future[Any]] = set()
        self._lock = threading.Lock()

    # The body.

    def expect_body(self, pace: Pace, most_bytes: int, guest: Guest | None = None) -> None:
        """Say how the body is to come; its length is looked at before any of it is read.

        Args:
            pace: how slowly it may come.
            most_bytes: how long it may be.
            guest: what its bytes are claimed of as they come, if they are held in memory.

        Raises:
            TooLargeError: its length is stated, and too much.
            OverloadedError, InputError: the guest may not hold so much.
        """
        self._pace, self._most_bytes, self._guest = pace, most_bytes, guest
        stated = self.headers.get("content-length", "")
        if stated.isascii() and stated.isdigit():
            self._check_size(int(stated))
            if guest is not None:
                guest.claim(request_bytes=int(stated))
                self._guest = None

    async def piece(self) -> bytes:
        """Wait for the next piece of the body; empty at its end.

        Raises:
            TooLargeError: it is longer than it may be.
            TooSlowError: it does not come, or too slowly.
            ClientGoneError: the client has hung up.
        """
        assert self._pace is not None, "say how the body is to come"
        while not self._ended:
            try:
                async with asyncio.timeout(self._pace.stall_s):
                    message = await self._receive()
            except TimeoutError:
                raise TooSlowError(
                    f"Nothing of the body came for {self._pace.stall_s:g} s; send it again, "
                    "without a pause."
                ) from None
            if message["type"] == "http.disconnect":
                self.leave()
                raise ClientGoneError
            self._ended = not message.get("more_body", False)
            if self._ended:
                self._watch = self._loop.create_task(self._watch_line())
            if data := message.get("body", b""):
                self._count(data)
                return bytes(data)
        return b""

    async def body(self) -> bytearray:
        """Read all of the body into memory; raises as `piece`."""
        whole = bytearray()
        while data := await self.piece():
            whole += data
        return whole

    def read(self, size: int, /) -> bytes:
        """Wait for some of the body, on a thread of the pool; raises as `piece`."""
        if not self._unread:
            self._unread = self._wait(self.piece())
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    # The answer.

    async def begin(
        self, status: int, media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send the head of an answer; without a length it comes in chunks, and has an end."""
        self.started = True
        named = {"content-type": media_type, "x-request-id": self.request_id, **(headers or {})}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def send(self, data: bytes, *, more: bool = True) -> None:
        """Send the next piece of an answer, when the one before is on its way.

        Raises:
            ClientGoneError: the client has hung up.
        """
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        if self._gone:
            raise ClientGoneError

    async def answer(
        self,
        body: bytes,
        *,
        status: int = 200,
        media_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a whole answer."""
        length = {} if status == 304 else {"content-length": str(len(body))}
        await self.begin(status, media_type, {**length, **(headers or {})})
        await self.send(body, more=False)

    async def answer_json(self, value: object, *, status: int = 200) -> None:
        """Send a whole answer in JSON."""
        await self.answer(encode_json(value), status=status)

    async def answer_pieces(self, pieces: Iterable[bytes], length: int) -> None:
        """Send a JSON text that is in pieces, so that no piece is too large for the line."""
        await self.begin(200, JSON, {"content-length": str(length)})
        for data in pieces:
            await self.send(data)
        await self.send(b"", more=False)

    def write(self, sending: Coroutine[Any, Any, None]) -> None:
        """Wait for `begin` or `send` on a thread of the pool; raises as they do."""
        self._wait(sending)

    async def fail(self, error: VisemeError) -> None:
        """Answer with an error, or break the answer off, so that the client notices."""
        if self.started:
            await self.hang_up()
            return
        headers = _headers_of(error)
        told = {**self.error_fields, "error": str(error), "request_id": self.request_id}
        await self.answer(encode_json(told), status=error.http_status, headers=headers)

    async def hang_up(self) -> None:
        """Break the connection off, and wait until it is."""
        self._hang_up()
        if self._watch is not None:
            await self._watch
            return
        while (await self._receive())["type"] != "http.disconnect":
            pass

    # Threads, and a client that may leave.

    async def on_thread(
        self,
        work: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Do what costs time on a thread of the pool, and be back when it is done, whatever comes.

        Where this task is cancelled, for the server ends, what the thread waits for is cancelled
        too, and the thread is waited for.
        """
        context = contextvars.copy_context()
        future = self._loop.run_in_executor(self._pool, lambda: context.run(work, *args, **kwargs))
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError as error:
                cancelled = error
                self.leave()
        if cancelled is not None:
            future.exception()  # so that nobody misses it
            raise cancelled
        return future.result()

    def wait_for(self, future: Future[Result]) -> Result:
        """Wait for a future on a thread of the pool; when the client leaves it is cancelled.

        Raises:
            ClientGoneError: the client has hung up.
        """
        with self._lock:
            self._waits.add(future)
        try:
            if self._gone:
                future.cancel()
            return future.result()
        except CancelledError:
            raise ClientGoneError from None
        finally:
            with self._lock:
                self._waits.discard(future)

    def check_present(self) -> None:
        """Raise `ClientGoneError` if the client has hung up."""
        if self._gone:
            raise ClientGoneError

    def leave(self) -> None:
        """Take it that the client has gone: whatever is waited for is cancelled."""
        self._gone = True
        with self._lock:
            waits = list(self._waits)
        for future in waits:
            future.cancel()

    async def end(self) -> None:
        """Let go of the line."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])

    def _wait(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        if self._gone:
            coroutine.close()
            raise ClientGoneError
        return self.wait_for(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    async def _watch_line(self) -> None:
        """Wait until the client hangs up or has its answer; nothing else comes after the body."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.leave()

    def _count(self, data: bytes) -> None:
        assert self._pace is not None
        self._received_bytes += len(data)
        self._check_size(self._received_bytes)
        if self._guest is not None:
            self._guest.claim(request_bytes=len(data))
        passed_s = self._loop.time() - self._begun_s
        allowed_s = self._pace.stall_s + self._received_bytes / self._pace.slowest_bytes_per_s
        if not self._ended and passed_s > min(allowed_s, self._pace.most_s):
            raise TooSlowError(
                f"In {passed_s:.0f} s {self._received_bytes} bytes of the body came, which is too "
                "slow; send it over a faster line, or less of it."
            )

    def _check_size(self, size: int) -> None:
        if size > self._most_bytes:
            raise TooLargeError(
                f"The body is larger than {self._most_bytes} bytes, the most that is taken; send "
                "less at once."
            )


Handler = Callable[[Call], Awaitable[None]]


def check_type(call: Call, *types: str) -> None:
    """Refuse a body of another type, and one that does not say: browsers send these unasked.

    Args:
        call: whose body it is.
        types: such as "application/json"; "audio/*" is any kind of sound.

    Raises:
        WrongTypeError: it is of none of them.
    """
    stated = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    major = stated.partition("/")[0]
    if stated not in types and f"{major}/*" not in types:
        found = f"is {stated[:_TYPE_SHOWN_MAX]!r}" if stated else "does not say what it is"
        raise WrongTypeError(
            f"The body {found}; send Content-Type {' or '.join(types)}, and a body that is that."
        )


def _headers_of(error: VisemeError) -> dict[str, str]:
    match error:
        case OverloadedError():
            return {"retry-after": str(math.ceil(error.retry_after_s))}
        case UnavailableError():
            return {"retry-after": str(_RESTART_S)}
        case AuthError():
            return {"www-authenticate": "Bearer"}
        case MethodError():
            return {"allow": error.allow}
        case _:
            return {}
