"""A live session: sound in as it comes, pictures out as soon as each can be made.

It knows no transport. A door has two threads in it: one hands in what the client sends (`push`,
`say`, `end_of_speech`, `interrupt`, `hang_up`) and one takes what the client is to get (`take`).
What is between them,

    push -> 16 kHz -> at most SOUND_AHEAD_S of it -> Renderer.frames -> encoder -> a few pictures

runs on the session's thread, one speech after the other. So pictures that nobody takes make the
renderer wait, then the sound, and then the client.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from viseme.audio import FRAME_RATE_HZ, SAMPLE_RATE_HZ, Resampler, Samples, lookahead_samples
from viseme.errors import InputError
from viseme.rendering import Incoming, Renderer
from viseme.serving.ending import Ending
from viseme.serving.live_events import (
    Interrupted,
    LiveEvent,
    LivePicture,
    LiveReady,
    PicturesChanged,
    SpeechEnded,
)
from viseme.serving.live_exchange import ForgottenError, LiveExchange
from viseme.serving.live_options import LiveOptions
from viseme.serving.live_pictures import (
    LiveForm,
    LivePictures,
    Sent,
    live_pictures,
)
from viseme.serving.live_speech import LiveSpeech, LiveText
from viseme.serving.live_texts import LiveTexts
from viseme.serving.live_voice import LiveVoice
from viseme.serving.metrics import Metrics
from viseme.serving.pace import Pace
from viseme.voices import Speaker

__all__ = ["PICTURES_AHEAD_S", "SOUND_AHEAD_S", "LiveSession"]

SOUND_AHEAD_S: Final = 30
"""How much sound is taken before its pictures are: some sentences of a synthesizer that is faster
than speech, so that an interrupt need not wait behind them. It takes 2 MB."""

PICTURES_AHEAD_S: Final = 1.0
"""How much sooner than it is seen a picture is made for someone who shows the avatar at rest, too:
enough for a line that stumbles."""
_PIECE_S: Final = 1
"""What is resampled at once, so that no message is held a second time."""
_CLOSING: Final = "The server is stopping; start another call, on another server or later."


class LiveSession:
    """Pictures for one client's sound; entered before use, and left to end all of it.

    `push`, `say`, `end_of_speech`, `interrupt` and `hang_up` are for one thread and `take` is for
    one other; the rest is for any. Whatever goes wrong, with what is handed in too, comes out of
    `take`.

    Args:
        renderer: that of the avatar, in the lane for live streams; entered and left here. What its
            frames wait for is what a client is told.
        options: what the client wants.
        metrics: told how long composing and encoding took.
        speaker: says texts; None where there is nothing to speak with.
    """

    def __init__(
        self,
        renderer: Renderer,
        options: LiveOptions,
        metrics: Metrics,
        speaker: Speaker | None = None,
    ) -> None:
        self._renderer = renderer
        self._options = options
        self._metrics = metrics
        self._exchange = LiveExchange(
            most_samples=SOUND_AHEAD_S * SAMPLE_RATE_HZ, stall_s=options.stall_s
        )
        self._read_sound = options.sound.reader()
        rate_hz = options.sound.rate_hz
        self._lookahead_samples = lookahead_samples(rate_hz, renderer.latency)
        self._pace = Pace(rate_hz, self._lookahead_samples)
        self._voice = LiveVoice(speaker, rate_hz, options.sound_back)
        self._texts = LiveTexts(self._exchange, self._voice, rate_hz, self._pace)
        self._speech: LiveSpeech | None = None
        self._resampler: Resampler | None = None
        self._rests_from_s = 0.0
        self._ending = Ending()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Begin; nothing is rendered before there is sound.

        Raises:
            OutputError: the avatar's pictures are of a size that no encoder takes.
        """
        with ExitStack() as stack:
            stack.enter_context(self._renderer)
            self._pictures: LivePictures = live_pictures(
                self._options.pictures, self._options.size, self._renderer, self._metrics
            )
            self._told_form = self._pictures.form
            # What is logged there belongs to the request that began the session.
            run = contextvars.copy_context().run
            thread = threading.Thread(
                target=run, args=(self._run,), name="viseme-live", daemon=True
            )
            thread.start()
            stack.callback(thread.join)
            stack.callback(self.abandon)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def ready(self) -> LiveReady:
        """What the client is to know first; known once the session is entered."""
        form = self.form
        return LiveReady(
            size=(form.width, form.height),
            frame_rate_hz=FRAME_RATE_HZ,
            lookahead_samples=self._lookahead_samples,
            media_type=self._pictures.media_type,
            codec=form.codec,
            idle_timeout_s=self._options.stall_s,
            voices=self._voice.voices,
            text_characters=self._voice.text_characters,
            sent_rate_hz=self._voice.sent_rate_hz,
            skip_samples=self._voice.skip_samples,
        )

    @property
    def form(self) -> LiveForm:
        """What the pictures are that are made now; for any thread."""
        return self._pictures.form

    def push(self, *sounds: bytes) -> bool:
        """Hand in the next samples; waits where there is much sound already.

        The first ones, and those after the end of a speech or an interrupt, begin a new speech.

        Args:
            sounds: of each, whole samples, as many as one likes; one packet of Opus.

        Returns:
            Whether the session goes on.
        """
        piece = _PIECE_S * self._options.sound.rate_hz
        self._exchange.hear()
        try:
            self._texts.check_silent()
            # Resampled together: that takes as long for a little sound as for more of it.
            samples = _joined([self._read_sound(sound) for sound in sounds])
            for start in range(0, len(samples), piece):
                if self._exchange.over:
                    break
                self._push(samples[start : start + piece])
        except InputError as error:
            self.fail(error)
        return not self._exchange.over

    def say(self, text: str, voice: str = "") -> bool:
        """Say a text once those before it are said; it ends the speech under way.

        `Saying`, its sound, its pictures and `SpeechEnded` follow, or `Refused` where it cannot be
        said. Until then there may be no other sound.

        Args:
            text: what is to be said.
            voice: by whom; the speaker's first voice if "".

        Returns:
            Whether the session goes on.
        """
        self._exchange.hear()
        self._end_speech()
        self._exchange.plan(self._texts.plan(text, voice))
        return not self._exchange.over

    def end_of_speech(self) -> bool:
        """Say that no more sound belongs to this speech; `SpeechEnded` follows its pictures.

        Returns:
            Whether the session goes on.
        """
        self._exchange.hear()
        self._end_speech()
        self._exchange.plan(SpeechEnded(self._exchange.received, 0))
        return not self._exchange.over

    def expect_interrupt(self) -> None:
        """Take back at once what an interrupt will that has come, but not its turn; for any thread.

        Until `interrupt` is called nothing is said; what is handed in has only its place in time.
        """
        self._exchange.expect_interrupt()
        self._pictures.begin_anew()  # what was taken back, a decoder has not seen

    def interrupt(self) -> bool:
        """Take back all sound whose pictures were not taken yet; answered by `Interrupted`.

        Returns:
            Whether the session goes on.
        """
        self._exchange.hear()
        self._exchange.interrupt()
        self._pace.skip(self._exchange.received)
        self._speech = self._resampler = None
        self._exchange.plan(Interrupted(self._exchange.received, 0))
        return not self._exchange.over

    def hang_up(self) -> None:
        """Say that the client sends nothing more: the speech ends, and after it the session."""
        self._end_speech()
        self._exchange.plan(None)

    def begin_anew(self) -> None:
        """Let decoding be able to begin with the next picture that is made; for any thread."""
        self._pictures.begin_anew()

    def be(self, step: int) -> None:
        """Let the following pictures be as good as `QUALITIES[step]`; for any thread."""
        self._pictures.be(step)

    def take(self) -> LiveEvent | None:
        """Wait for the next thing to tell the client; None when all has been told.

        Raises:
            InputError: the sound cannot be used.
            DeadlineError: nothing was taken, or nothing has come or gone, for `stall_s`.
            UnavailableError: the server is stopping.
            VisemeError: as `Renderer.frames`.
        """
        return self._exchange.take()

    def drain(self) -> None:
        """Tell the client that the server ends, let the speech under way finish, and then end."""
        self._exchange.drain(_CLOSING, self._exchange.received)

    def fail(self, error: BaseException) -> None:
        """End everything at once with an error for `take` to raise, the first one that comes."""
        self._exchange.fail(error)

    def abandon(self) -> None:
        """End everything at once without waiting for it: the client has gone."""
        self._exchange.close()

    def close(self) -> None:
        """End everything at once: whoever waits is told that it is over, and no thread is left."""
        self._stack.close()

    def _push(self, samples: NDArray[Any]) -> None:
        """Add some samples, not too many at once, to the speech or to a new one."""
        sound = self._options.sound
        if self._speech is None or self._resampler is None:
            start_s = self._exchange.received / sound.rate_hz
            self._resampler = Resampler(sound.rate_hz, sound.channels, start_s=start_s)
            self._speech = LiveSpeech(self._exchange.received)
            self._exchange.plan(self._speech)
        block = self._resampler.push(samples)
        self._exchange.advance(len(samples))
        self._exchange.add(self._speech, block)
        self._pace.hear(self._exchange.received)

    def _end_speech(self) -> None:
        if self._speech is not None and self._resampler is not None:
            self._exchange.end(self._speech, self._resampler.flush())
            self._pace.end_speech(self._exchange.received)
        self._speech = self._resampler = None

    def _run(self) -> None:
        """Do one thing after the other, on the session's thread."""
        try:
            while True:
                if self._options.rests:
                    self._rest()
                act = self._exchange.next_act()
                if act is None:
                    break
                if isinstance(act, LiveText):
                    self._texts.say(act, self._speak)
                    continue
                if isinstance(act, LiveSpeech):
                    self._speak(act, self._exchange.blocks(act))
                    continue
                if isinstance(act, Interrupted):  # what was taken back, a decoder has not seen
                    self._pictures.begin_anew()
                    self._rests_from_s = 0.0
                # Where it was planned behind texts, these had no length then.
                next_sample = max(act.next_sample, self._texts.next_sample)
                self._exchange.give(replace(act, next_sample=next_sample))
            self._exchange.finish()
        except ForgottenError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where it can be handled
            self.fail(error)
        finally:
            self._ending.wait()

    def _rest(self) -> None:
        """Give the avatar at rest, a picture each 40 ms, until there is something to do.

        Not before the last speech is over for someone who has shown it from its first picture on:
        one that came faster than it is spoken is still being shown.
        """
        due_s = max(time.monotonic(), self._rests_from_s)
        while self._exchange.rests(due_s):
            sent = self._pictures.at_rest(self._options.start_frame + self._exchange.pictures)
            picture = LivePicture(
                index=0,  # as of any other
                start_sample=self._exchange.received,
                duration_samples=0,
                avatar_frame=sent.avatar_frame,
                data=sent.data,
                is_key=sent.is_key,
            )
            self._tell_form(sent)
            self._exchange.give(picture)
            # One who takes no pictures is not owed them afterwards.
            due_s = max(due_s + 1 / FRAME_RATE_HZ, time.monotonic())

    def _speak(self, speech: LiveSpeech, sound: Generator[Samples, None, None]) -> bool:
        """Give the pictures of a speech, and close its sound.

        Returns:
            Whether all of them were wanted.
        """
        self._ending.wait()
        # The avatar takes one step a picture, whoever speaks and however often.
        start_frame = self._options.start_frame + self._exchange.pictures
        wanted = Incoming(sound, partial(self._exchange.done_with, speech))
        pictures = self._pictures.of(wanted, start_frame)
        try:
            for sent in pictures:
                picture = self._picture(speech, sent)
                self._tell_form(sent)
                late = self._pace.notice(picture.start_sample, self._options.behind_samples)
                events: tuple[LiveEvent, ...] = (picture,) if late is None else (late, picture)
                for event in events:
                    with self._pace.resting():
                        self._exchange.give(event, speech)
                self._keep_time(speech, is_first=sent.number == 0)
            return not speech.forgotten
        except ForgottenError:
            self._rests_from_s = 0.0
            return False
        finally:
            self._exchange.done_with(speech)
            self._ending.close(pictures, sound)

    def _keep_time(self, speech: LiveSpeech, *, is_first: bool) -> None:
        """Follow someone who shows the speech from its first picture on, and stay in sight of him.

        Pictures that are made long before they are seen take the machine from those that are due.
        """
        now_s = time.monotonic()
        if is_first:
            self._rests_from_s = now_s
        self._rests_from_s += 1 / FRAME_RATE_HZ
        if self._options.rests and self._rests_from_s > now_s + PICTURES_AHEAD_S:
            self._exchange.pause(speech, self._rests_from_s - now_s - PICTURES_AHEAD_S)

    def _tell_form(self, sent: Sent) -> None:
        """Say that a picture is not like those before, if so, even if it is then forgotten."""
        if sent.form != self._told_form:
            self._told_form = sent.form
            with self._pace.resting():
                self._exchange.give(PicturesChanged(*sent.form))

    def _picture(self, speech: LiveSpeech, sent: Sent) -> LivePicture:
        begin, end = self._position(sent.number), self._position(sent.number + 1)
        return LivePicture(
            index=0,  # its number is that in which it is taken
            start_sample=speech.start_sample + begin,
            duration_samples=end - begin,
            avatar_frame=sent.avatar_frame,
            data=sent.data,
            is_key=sent.is_key,
        )

    def _position(self, frame: int) -> int:
        """Give the time of a speech's frame in the client's samples, rounded to the nearest."""
        rate_hz = self._options.sound.rate_hz
        return (2 * frame * rate_hz + FRAME_RATE_HZ) // (2 * FRAME_RATE_HZ)


def _joined(pieces: list[NDArray[Any]]) -> NDArray[Any]:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
