"""The client for asyncio; what is not waiting for the line is shared with `Client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeAlias, TypeVar

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray

from viseme.client import asks
from viseme.client.answers import BatchResult, CompositeResult, ServedAvatar, ServerHealth
from viseme.client.async_ending import AsyncEnding
from viseme.client.async_live import AsyncLive
from viseme.client.clips import (
    ClipOptions,
    ClipPart,
    ClipReading,
    ClipSummary,
    clip_file,
    clip_request,
)
from viseme.client.options import ClientOptions
from viseme.client.sounds import Sound, cut, opened, sound_pieces
from viseme.client.speeches import LiveOptions
from viseme.client.statuses import translated
from viseme.errors import UnavailableError
from viseme.wire import services
from viseme.wire.messages import v1

__all__ = ["AsyncClient"]

Answer = TypeVar("Answer")
AsyncSound: TypeAlias = Sound | AsyncIterable[bytes]
"""A sound as `Sound`, or pieces of bytes that are waited for."""


class AsyncClient:
    """A connection to a server, for the tasks of one event loop; otherwise as `Client`.

    Close it, or use it in an `async with` statement.

    Args:
        options: see `ClientOptions`; or the address alone, or nothing for a server on this machine.

    Raises:
        ConfigError: a certificate or key cannot be read; from the first call.
    """

    def __init__(self, options: ClientOptions | str | None = None) -> None:
        self.options = ClientOptions.of(options)
        self._metadata = self.options.metadata()
        self._opened: grpc.aio.Channel | None = None
        self._closed = False

    async def infer_batch(
        self,
        visual: NDArray[np.floating[Any]],
        audio: NDArray[np.floating[Any]],
        *,
        start_frame: int = 0,
        timeout_s: float | None = None,
    ) -> BatchResult:
        """Paint the mouths of a batch of faces; see `Client.infer_batch`."""
        return await self._ask(asks.infer_batch(visual, audio, start_frame), timeout_s)

    async def composite_batch(
        self,
        visual: NDArray[np.floating[Any]],
        audio: NDArray[np.floating[Any]],
        *,
        start_frame: int = 0,
        timeout_s: float | None = None,
    ) -> CompositeResult:
        """Paint them, and put them into the avatar's frames; see `Client.composite_batch`."""
        return await self._ask(asks.composite_batch(visual, audio, start_frame), timeout_s)

    async def health(self, *, timeout_s: float | None = None) -> ServerHealth:
        """Ask how the server is."""
        return await self._ask(asks.health(), timeout_s)

    async def avatars(self, *, timeout_s: float | None = None) -> list[ServedAvatar]:
        """List the server's avatars; see `Client.avatars`."""
        return await self._ask(asks.avatars(), timeout_s)

    async def avatar(self, name: str, *, timeout_s: float | None = None) -> ServedAvatar:
        """Describe one avatar; see `Client.avatar`."""
        return await self._ask(asks.avatar(name), timeout_s)

    async def render(
        self,
        sound: AsyncSound,
        options: ClipOptions | None = None,
        *,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[ClipPart, None]:
        """Make an avatar speak; see `Client.render`. A file is read on a thread."""
        source, close = (sound, None) if isinstance(sound, AsyncIterable) else opened(sound)
        feed = _Feed(_clip_requests(options or ClipOptions(), _pieces(source)))
        call = self._stream(services.RENDER)(
            feed.messages(), timeout=timeout_s, metadata=self._metadata
        )
        ending = AsyncEnding(call)
        reading = ClipReading()
        try:
            async for response in call:
                if (part := reading.part(response)) is not None:
                    yield part
            reading.end()
        except grpc.RpcError as error:
            said = await ending.error(error)
            if feed.error is not None:
                raise feed.error from error
            if said is not None:
                raise translated(said, self.options.address) from error
            reading.end()
        except asyncio.CancelledError:
            # So gRPC ends a call whose requests fail; of a task that is cancelled it is meant.
            if feed.error is None:
                raise
            raise feed.error from None
        finally:
            call.cancel()
            if close is not None:
                close()

    async def render_file(
        self,
        sound: AsyncSound,
        out: str | Path,
        options: ClipOptions | None = None,
        *,
        timeout_s: float | None = None,
    ) -> ClipSummary:
        """Make an avatar speak, into a video file; see `Client.render_file`."""
        with clip_file(out) as file:
            parts = self.render(sound, file.options(options), timeout_s=timeout_s)
            async with aclosing(parts):
                async for part in parts:
                    file.take(part)
        return file.summary

    def live(self, options: LiveOptions, *, timeout_s: float | None = None) -> AsyncLive:
        """Let an avatar speak along; entering what this gives begins the call.

        Args:
            options: see `LiveOptions`.
            timeout_s: how long the whole call may take; without a bound where None.
        """
        stream = self._stream(services.LIVE)

        def begin() -> Any:
            return stream(timeout=timeout_s, metadata=self._metadata)

        return AsyncLive(begin, options, self.options)

    async def close(self) -> None:
        """End all calls and let go of the connection. Closing twice does nothing."""
        self._closed = True
        if self._opened is not None:
            await self._opened.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def _channel(self) -> grpc.aio.Channel:
        """The connection, made with the first call since it belongs to that call's event loop."""
        if self._closed:
            raise UnavailableError("This client is closed; open another.")
        if self._opened is None:
            address, arguments = self.options.address, self.options.channel_arguments()
            credentials = self.options.credentials()
            self._opened = (
                grpc.aio.insecure_channel(address, arguments)
                if credentials is None
                else grpc.aio.secure_channel(address, credentials, arguments)
            )
        return self._opened

    async def _ask(self, ask: asks.Ask[Answer], timeout_s: float | None) -> Answer:
        """Make a call, again where that is of use, and read its answer."""
        attempts = self.options.attempts(timeout_s)
        call: Any = self._channel.unary_unary(ask.path)
        while True:
            try:
                response = await call(
                    ask.request, timeout=attempts.time_left_s(), metadata=self._metadata
                )
            except grpc.RpcError as error:
                pause_s = attempts.pause_s(translated(error, self.options.address))
            else:
                return ask.parse(response)
            await asyncio.sleep(pause_s)

    def _stream(self, call: services.Call[Any, Any]) -> Callable[..., Any]:
        return self._channel.stream_stream(
            call.path, call.request.SerializeToString, call.response.FromString
        )


class _Feed:
    """A stream of requests whose error is kept: gRPC only ends the call for it."""

    def __init__(self, messages: AsyncIterator[v1.RenderRequest]) -> None:
        self._messages = messages
        self.error: Exception | None = None

    async def messages(self) -> AsyncIterator[v1.RenderRequest]:
        try:
            async for message in self._messages:
                yield message
        except Exception as error:
            self.error = error
            raise


async def _clip_requests(
    options: ClipOptions, pieces: AsyncIterator[bytes]
) -> AsyncIterator[v1.RenderRequest]:
    """Give the messages of a clip; one at least, which says what is wanted."""
    yield clip_request(options, await anext(pieces, b""), first=True)
    async for piece in pieces:
        yield clip_request(options, piece, first=False)


async def _pieces(
    sound: AsyncIterable[bytes] | Iterable[bytes] | BinaryIO,
) -> AsyncIterator[bytes]:
    """Give a sound in pieces of a size for one message, as `sound_pieces` does."""
    if isinstance(sound, AsyncIterable):
        async for long_piece in sound:
            for piece in cut(long_piece):
                yield piece
    elif hasattr(sound, "read"):
        from_file = sound_pieces(sound)
        while piece := await asyncio.to_thread(next, from_file, b""):
            yield piece
    else:
        for piece in sound_pieces(sound):
            yield piece
