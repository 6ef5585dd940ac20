"""The client for ordinary code: each call waits for its answer."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import numpy as np
from numpy.typing import NDArray

from viseme.client import asks
from viseme.client.answers import BatchResult, CompositeResult, ServedAvatar, ServerHealth
from viseme.client.clips import (
    ClipOptions,
    ClipPart,
    ClipReading,
    ClipSummary,
    clip_file,
    clip_request,
)
from viseme.client.live import Live
from viseme.client.options import ClientOptions
from viseme.client.outbox import Feed
from viseme.client.sounds import Sound, opened, sound_pieces
from viseme.client.speeches import LiveOptions
from viseme.client.statuses import translated
from viseme.errors import UnavailableError
from viseme.wire import services
from viseme.wire.messages import v1

__all__ = ["Client"]

Answer = TypeVar("Answer")


class Client:
    """A connection to a server, for any thread; close it, or use it in a `with` statement.

    It connects with the first call. All errors are those of `viseme.errors`; among them, of any
    call: `OverloadedError` where the server is at a limit, `UnavailableError` where there is none
    or it is ending, `DeadlineError`, `AuthError`, and `InputError` for what it will not take.

    Args:
        options: see `ClientOptions`; or the address alone, or nothing for a server on this machine.

    Raises:
        ConfigError: a certificate or key cannot be read.
    """

    def __init__(self, options: ClientOptions | str | None = None) -> None:
        self.options = ClientOptions.of(options)
        address, arguments = self.options.address, self.options.channel_arguments()
        credentials = self.options.credentials()
        self._channel = (
            grpc.insecure_channel(address, arguments)
            if credentials is None
            else grpc.secure_channel(address, credentials, arguments)
        )
        self._metadata: Any = self.options.metadata()
        self._closed = False

    def infer_batch(
        self,
        visual: NDArray[np.floating[Any]],
        audio: NDArray[np.floating[Any]],
        *,
        start_frame: int = 0,
        timeout_s: float | None = None,
    ) -> BatchResult:
        """Paint the mouths of a batch of faces.

        Args:
            visual: [B, 6, S, S], B from 1 to 25, 0..1; float32 is sent without another copy.
            audio: one window for all, [32, 16, 16], or one for each, [B, 32, 16, 16].
            start_frame: the number of the first of them, 0 or more; it changes nothing.
            timeout_s: how long it may take; as the options say where None.

        Raises:
            InputError: the server refused it, in its words.
        """
        return self._ask(asks.infer_batch(visual, audio, start_frame), timeout_s)

    def composite_batch(
        self,
        visual: NDArray[np.floating[Any]],
        audio: NDArray[np.floating[Any]],
        *,
        start_frame: int = 0,
        timeout_s: float | None = None,
    ) -> CompositeResult:
        """Paint the mouths of a batch of faces, and put them back into the avatar's frames.

        Args:
            visual: as of `infer_batch`.
            audio: as of `infer_batch`.
            start_frame: which of the avatar's frames is under the first of them, in the order in
                which they are played.
            timeout_s: as of `infer_batch`.

        Raises:
            InputError: the server refused it, in its words.
        """
        return self._ask(asks.composite_batch(visual, audio, start_frame), timeout_s)

    def health(self, *, timeout_s: float | None = None) -> ServerHealth:
        """Ask how the server is."""
        return self._ask(asks.health(), timeout_s)

    def avatars(self, *, timeout_s: float | None = None) -> list[ServedAvatar]:
        """List the server's avatars; the first is the one that is used where none is named."""
        return self._ask(asks.avatars(), timeout_s)

    def avatar(self, name: str, *, timeout_s: float | None = None) -> ServedAvatar:
        """Describe one avatar.

        Raises:
            AvatarError: there is none of that name.
        """
        return self._ask(asks.avatar(name), timeout_s)

    def render(
        self, sound: Sound, options: ClipOptions | None = None, *, timeout_s: float | None = None
    ) -> Generator[ClipPart, None, None]:
        """Make an avatar speak: sound in, a video or its single pictures out, as they are made.

        The sound is read as the server takes it. Closing the generator ends the call. It is never
        tried again, since a part of it may have been had.

        Args:
            sound: see `Sound`.
            options: see `ClipOptions`.
            timeout_s: how long all of it may take; without a bound where None.

        Yields:
            A `ClipHeader`, then `VideoPiece`s or `ClipPicture`s, then a `ClipSummary`.

        Raises:
            InputError: the sound cannot be read, or not be used.
            AvatarError: there is no such avatar.
        """
        source, close = opened(sound)
        feed = Feed(_clip_requests(options or ClipOptions(), sound_pieces(source)))
        call = self._stream(services.RENDER)(feed, timeout=timeout_s, metadata=self._metadata)
        feed.cancels(call.cancel)
        reading = ClipReading()
        try:
            for response in call:
                if (part := reading.part(response)) is not None:
                    yield part
            reading.end()
        except grpc.RpcError as error:
            raise (feed.error or translated(error, self.options.address)) from error
        finally:
            call.cancel()
            close()

    def render_file(
        self,
        sound: Sound,
        out: str | Path,
        options: ClipOptions | None = None,
        *,
        timeout_s: float | None = None,
    ) -> ClipSummary:
        """Make an avatar speak, into a video file that appears when it is complete.

        Args:
            sound: see `Sound`.
            out: a name that ends in `.mp4` or `.webm`, which says what is made.
            options: see `ClipOptions`; what it says of the output does not count.
            timeout_s: as of `render`.

        Raises:
            OutputError: the file cannot be written.
            VisemeError: as `render`.
        """
        with (
            clip_file(out) as file,
            closing(self.render(sound, file.options(options), timeout_s=timeout_s)) as parts,
        ):
            for part in parts:
                file.take(part)
        return file.summary

    def live(self, options: LiveOptions, *, timeout_s: float | None = None) -> Live:
        """Let an avatar speak along; entering what this gives begins the call.

        Args:
            options: see `LiveOptions`.
            timeout_s: how long the whole call may take; without a bound where None.
        """
        return Live(
            self._stream(services.LIVE), options, self.options, metadata=self._metadata,
            timeout_s=timeout_s,
        )  # fmt: skip

    def close(self) -> None:
        """End all calls and let go of the connection. Closing twice does nothing."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, ask: asks.Ask[Answer], timeout_s: float | None) -> Answer:
        """Make a call, again where that is of use, and read its answer."""
        self._check_open()
        attempts = self.options.attempts(timeout_s)
        call: Any = self._channel.unary_unary(ask.path)
        while True:
            try:
                response = call(
                    ask.request, timeout=attempts.time_left_s(), metadata=self._metadata
                )
            except grpc.RpcError as error:
                pause_s = attempts.pause_s(translated(error, self.options.address))
            else:
                return ask.parse(response)
            time.sleep(pause_s)

    def _stream(self, call: services.Call[Any, Any]) -> Any:
        self._check_open()
        return self._channel.stream_stream(
            call.path, call.request.SerializeToString, call.response.FromString
        )

    def _check_open(self) -> None:
        if self._closed:
            raise UnavailableError("This client is closed; open another.")


def _clip_requests(options: ClipOptions, pieces: Iterator[bytes]) -> Iterator[v1.RenderRequest]:
    """Give the messages of a clip; one at least, which says what is wanted."""
    yield clip_request(options, next(pieces, b""), first=True)
    for piece in pieces:
        yield clip_request(options, piece, first=False)
