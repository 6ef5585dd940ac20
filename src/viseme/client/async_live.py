"""A live stream for asyncio: one task pushes, another reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Final, Self, cast

import grpc
import grpc.aio

from viseme.client import speeches
from viseme.client.async_ending import AsyncEnding
from viseme.client.options import ClientOptions
from viseme.client.sounds import cut
from viseme.client.speeches import LiveEvent, LiveOptions, LivePicture, LiveReady
from viseme.client.statuses import translated
from viseme.errors import DeadlineError, UnavailableError, VisemeError
from viseme.wire.messages import v1

__all__ = ["AsyncLive"]


class AsyncLive:
    """A live stream; entering it begins the call, leaving it ends the call.

    Push in one task and read in another: a server whose pictures are not read takes no more
    sound. `ready` is there once it is entered.
    """

    def __init__(
        self, begin: Callable[[], Any], options: LiveOptions, client: ClientOptions
    ) -> None:
        self._begin = begin
        self._options = options
        self._client = client
        self._call: Any = None
        self._writing = asyncio.Lock()
        self.ready: LiveReady
        """What the server said of the stream."""

    async def __aenter__(self) -> Self:
        """Begin the call, and wait until the server is ready for sound; see `Live`."""
        self._call = self._begin()
        self._ending = AsyncEnding(self._call)
        try:
            async with asyncio.timeout(self._client.timeout_s):
                await self._send(speeches.hello(self._options))
                self.ready = speeches.ready_of(await self._next())
        except TimeoutError:
            self.close()
            raise DeadlineError(
                f"{self._client.address} did not answer within {self._client.timeout_s:g} s; give "
                "it longer with timeout_s."
            ) from None
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def push(self, samples: bytes) -> None:
        """Send the next samples, in the format of the options; waits where the server is slow.

        Args:
            samples: whole samples of all channels, any number; such as `array.tobytes()`.

        Raises:
            VisemeError: the call has ended.
        """
        for piece in cut(samples, self._options.raw.piece_bytes):
            await self._send(speeches.sound(piece))

    async def say(self, text: str, voice: str = "") -> None:
        """Have the server say a text, once those before it are said; see `Live.say`."""
        await self._send(speeches.say(text, voice))

    async def interrupt(self) -> None:
        """Take back what was being said; `Interrupted` comes before pictures of later sound."""
        await self._send(speeches.interrupt())

    async def end(self) -> None:
        """Say that the speech is complete; `SpeechEnded` comes after its pictures."""
        await self._send(speeches.end_of_speech())

    async def key_frame(self) -> None:
        """Have the next picture that is made be one that decoding can begin with."""
        await self._send(speeches.key_frame())

    async def finish(self) -> None:
        """Say that no more will be said at all; what is still to come can be read to its end."""
        async with self._writing:
            await self._call.done_writing()

    async def events(self) -> AsyncIterator[LiveEvent]:
        """Give all that the server says, as it comes, until the call ends.

        Raises:
            VisemeError: the call has ended otherwise than after `finish`.
        """
        while (response := await self._next()) is not None:
            event = speeches.live_event(response)
            if event is not None:
                yield event

    async def pictures(self) -> AsyncIterator[LivePicture]:
        """Give the pictures alone; see `events`."""
        async for event in self.events():
            if isinstance(event, LivePicture):
                yield event

    def close(self) -> None:
        """End the call now. Closing twice does nothing."""
        if self._call is not None:
            self._call.cancel()

    async def _next(self) -> v1.LiveResponse | None:
        try:
            response: Any = await self._call.read()
        except grpc.RpcError as error:
            raise await self._meant(error) from error
        if response is not _END:
            return cast(v1.LiveResponse, response)
        if await self._call.code() is not grpc.StatusCode.OK:
            raise await self._fault()
        return None

    async def _send(self, message: v1.LiveRequest) -> None:
        try:
            async with self._writing:  # gRPC takes one message at a time
                await self._call.write(message)
        except grpc.RpcError as error:
            raise await self._meant(error) from error
        except asyncio.InvalidStateError as error:  # the call is over, or has been finished
            raise await self._fault() from error

    async def _fault(self) -> VisemeError:
        """Say why the call has ended."""
        if self._call.done() and await self._call.code() is not grpc.StatusCode.OK:
            code, details = await self._call.code(), await self._call.details()
            trailers = await self._call.trailing_metadata()
            return await self._meant(grpc.aio.AioRpcError(code, None, trailers, details=details))
        return _over()

    async def _meant(self, error: grpc.RpcError) -> VisemeError:
        said = await self._ending.error(error)
        return _over() if said is None else translated(said, self._client.address)


def _over() -> UnavailableError:
    return UnavailableError("The live stream has ended; begin another.")


_END: Final = grpc.aio.EOF
