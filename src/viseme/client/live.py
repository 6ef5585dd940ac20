"""A live stream for ordinary code: one thread pushes, another reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

import grpc

from viseme.client import speeches
from viseme.client.options import ClientOptions
from viseme.client.outbox import Outbox
from viseme.client.sounds import cut
from viseme.client.speeches import LiveEvent, LiveOptions, LivePicture, LiveReady
from viseme.client.statuses import translated
from viseme.errors import DeadlineError, UnavailableError, VisemeError
from viseme.wire.messages import v1

__all__ = ["Live"]

_AHEAD: Final = 16
"""Messages that wait until the server takes them; then `push` waits."""


class Live:
    """A live stream; entering it begins the call, leaving it ends the call.

    Push on one thread and read on another: a server whose pictures are not read takes no more
    sound. `ready` is there once it is entered.
    """

    def __init__(
        self,
        stream: Any,
        options: LiveOptions,
        client: ClientOptions,
        *,
        metadata: Any,
        timeout_s: float | None,
    ) -> None:
        self._stream = stream
        self._options = options
        self._client = client
        self._metadata = metadata
        self._timeout_s = timeout_s
        self._outbox: Outbox[v1.LiveRequest] = Outbox(_AHEAD)
        self._call: Any = None
        self._late = False
        self.ready: LiveReady
        """What the server said of the stream."""

    def __enter__(self) -> Self:
        """Begin the call, and wait until the server is ready for sound.

        Raises:
            DeadlineError: the server does not answer in the time of the client's options.
            VisemeError: it refuses; see `Client`.
        """
        self._outbox.put(speeches.hello(self._options), 0)
        self._call = self._stream(self._outbox, timeout=self._timeout_s, metadata=self._metadata)
        # Whoever waits for room in it must learn that nobody takes anything any more.
        if not self._call.add_callback(self._outbox.abandon):
            self._outbox.abandon()
        try:
            with self._at_most(self._client.timeout_s):
                self.ready = speeches.ready_of(self._next())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def push(self, samples: bytes, *, timeout_s: float | None = None) -> None:
        """Send the next samples, in the format of the options; waits where the server is slow.

        Args:
            samples: whole samples of all channels, any number; such as `array.tobytes()`.
            timeout_s: how long to wait for the server to take them; as the options of the client
                say where None.

        Raises:
            DeadlineError: the server has not taken them, as it does where pictures are not read.
            VisemeError: the call has ended.
        """
        for piece in cut(samples, self._options.raw.piece_bytes):
            self._send(speeches.sound(piece), timeout_s)

    def say(self, text: str, voice: str = "", *, timeout_s: float | None = None) -> None:
        """Have the server say a text, once those before it are said; it ends the speech under way.

        `Saying`, its `LiveSound` and pictures and `SpeechEnded` come, or `Refused`. Until then no
        sound may be pushed, unless all is interrupted.

        Args:
            text: at most `ready.text_characters` long.
            voice: one of `ready.voices`; the first where none is named.
            timeout_s: as of `push`.

        Raises:
            InputError: the text has half a surrogate pair, which no message can hold.
            DeadlineError: the server has not taken it.
            VisemeError: the call has ended.
        """
        self._send(speeches.say(text, voice), timeout_s)

    def interrupt(self, *, timeout_s: float | None = None) -> None:
        """Take back what was being said; `Interrupted` comes before pictures of later sound."""
        self._send(speeches.interrupt(), timeout_s)

    def end(self, *, timeout_s: float | None = None) -> None:
        """Say that the speech is complete; `SpeechEnded` comes after its pictures.

        The next sound begins another one.
        """
        self._send(speeches.end_of_speech(), timeout_s)

    def key_frame(self, *, timeout_s: float | None = None) -> None:
        """Have the next picture that is made be one that decoding can begin with."""
        self._send(speeches.key_frame(), timeout_s)

    def finish(self) -> None:
        """Say that no more will be said at all; what is still to come can be read to its end."""
        self._outbox.close()

    def events(self) -> Iterator[LiveEvent]:
        """Give all that the server says, as it comes, until the call ends.

        Raises:
            VisemeError: the call has ended otherwise than after `finish`.
        """
        while (response := self._next()) is not None:
            event = speeches.live_event(response)
            if event is not None:
                yield event

    def pictures(self) -> Iterator[LivePicture]:
        """Give the pictures alone; see `events`."""
        return (event for event in self.events() if isinstance(event, LivePicture))

    def close(self) -> None:
        """End the call now. Closing twice does nothing."""
        self._outbox.abandon()
        if self._call is not None:
            self._call.cancel()

    def _next(self) -> v1.LiveResponse | None:
        try:
            return next(self._call, None)
        except grpc.RpcError as error:
            raise self._fault() from error

    def _send(self, message: v1.LiveRequest, timeout_s: float | None) -> None:
        wait_s = self._client.timeout_s if timeout_s is None else timeout_s
        if self._outbox.put(message, wait_s):
            return
        if not self._outbox.ended:
            raise DeadlineError(
                f"The server has taken no sound for {wait_s:g} s; read the pictures on another "
                "thread than the one that pushes."
            )
        raise self._fault()

    def _fault(self) -> VisemeError:
        """Say why the call has ended."""
        if self._late:
            return DeadlineError(
                f"{self._client.address} did not answer within {self._client.timeout_s:g} s; give "
                "it longer with timeout_s."
            )
        if self._call is None or not self._call.done() or self._call.code() is _OK:
            return UnavailableError("The live stream has ended; begin another.")
        return translated(self._call, self._client.address)

    @contextmanager
    def _at_most(self, seconds: float) -> Iterator[None]:
        """End the call where the block takes longer; gRPC knows no time for a single answer."""

        def give_up() -> None:
            self._late = True
            self._call.cancel()

        timer = threading.Timer(seconds, give_up)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


_OK: Final = grpc.StatusCode.OK
