"""Texts of a live session: their sound takes its place on the time line, and goes to the client.

say -> LiveText -> its turn -> LiveVoice.sound -+-> LiveSound, to the client
                                                +-> 16 kHz -> pictures, as of any speech
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Final, TypeAlias

from viseme.audio import Resampler, Samples
from viseme.errors import InputError, OverloadedError, VisemeError
from viseme.serving.live_events import LiveSound, Refused, Saying, SpeechEnded
from viseme.serving.live_exchange import ForgottenError, LiveExchange
from viseme.serving.live_speech import LiveSpeech, LiveText
from viseme.serving.live_voice import LiveVoice, SentSound
from viseme.serving.pace import Pace

__all__ = ["TEXTS_AHEAD", "LiveTexts"]

TEXTS_AHEAD: Final = 16
"""Texts that are said and wait: a whole answer, sentence by sentence."""
SAID_AHEAD_S: Final = 6.0
"""How much sooner sound is given than it can be heard: it waits with whoever plays it, and so do
its pictures."""

Speak: TypeAlias = Callable[[LiveSpeech, Generator[Samples, None, None]], bool]


class LiveTexts:
    """Says them, one after the other.

    Args:
        exchange: the session's.
        voice: makes the sound.
        rate_hz: samples a second on the time line.
        pace: is told of them.
        clock: gives seconds that never go back.
    """

    def __init__(
        self,
        exchange: LiveExchange,
        voice: LiveVoice,
        rate_hz: int,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exchange = exchange
        self._voice = voice
        self._rate_hz = rate_hz
        self._pace = pace
        self._clock = clock
        self._heard_s = clock()
        """When all that was given will have been heard, at the earliest."""
        self._interrupts = 0
        self.next_sample = 0
        """Where the last text that was said ended."""

    def plan(self, text: str, voice: str) -> LiveText | Refused:
        """Make what is to be planned for a text: it, or why it is not said."""
        try:
            if self._exchange.texts >= TEXTS_AHEAD:
                raise OverloadedError(
                    f"{TEXTS_AHEAD} texts wait already; send more when one has ended.",
                    retry_after_s=1.0,
                )
            return LiveText(self._voice.utterance(text, voice))
        except VisemeError as error:
            return Refused(error.grpc_status, str(error), self._exchange.received)

    def check_silent(self) -> None:
        """See that nothing is said, so that there may be other sound.

        Raises:
            InputError: a text is being said, or waits for it.
        """
        if self._exchange.texts:
            raise InputError(
                "Sound has come while a text is said, and has no place beside it; wait until "
                "it has ended, or interrupt it."
            )

    def say(self, text: LiveText, speak: Speak) -> None:
        """Give the sound and the pictures of a text; on the session's thread.

        Args:
            text: the one whose turn it is.
            speak: gives the pictures of a speech with its sound at 16 kHz, which it closes, and
                tells whether all of them were wanted.
        """
        try:
            self._begin(text)
        except ForgottenError:
            self._exchange.done_with(text)
            return
        if speak(text, self._sound(text)):
            self._end(text)

    def _begin(self, text: LiveText) -> None:
        """Tell the client that a text begins here.

        Raises:
            ForgottenError: nothing of it is wanted any more.
        """
        text.start_sample = self._exchange.advance(0, text)
        if self._interrupts != self._exchange.interrupts:  # what was given is heard no more
            self._interrupts = self._exchange.interrupts
            self._heard_s = self._clock()
        self._exchange.give(Saying(text.start_sample, text.utterance.voice), text)

    def _sound(self, text: LiveText) -> Generator[Samples, None, None]:
        """Give the sound of a text at 16 kHz once the client has been given it; float32 [n].

        One that cannot be said to its end ends, and has its `fault` then.

        Raises:
            ForgottenError: nothing of it is wanted any more.
        """
        resampler = Resampler(self._rate_hz, 1)
        sender = self._voice.sender()
        try:
            with closing(self._voice.sound(text.utterance, text.stop)) as pieces:
                for pcm in pieces:
                    self._keep_time(text, len(pcm))
                    self._exchange.advance(len(pcm), text)
                    self._pace.hear(self._exchange.received)
                    self._send(text, sender.push(pcm))
                    yield resampler.push(pcm)
        except VisemeError as error:
            text.fault = error
        self._send(text, sender.flush())
        self._pace.end_speech(self._exchange.received)
        yield resampler.flush()

    def _end(self, text: LiveText) -> None:
        """Tell the client that all of a text has been given."""
        self.next_sample = next_sample = self._exchange.received
        fault = text.fault
        if fault is None:
            self._exchange.give(SpeechEnded(next_sample, 0))
        else:
            self._exchange.give(Refused(fault.grpc_status, str(fault), next_sample))

    def _keep_time(self, text: LiveText, samples: int) -> None:
        """Wait while there is more than enough to be heard."""
        now_s = self._clock()
        self._heard_s = max(self._heard_s, now_s) + samples / self._rate_hz
        if self._heard_s - now_s > SAID_AHEAD_S:
            self._exchange.pause(text, self._heard_s - now_s - SAID_AHEAD_S)

    def _send(self, text: LiveText, sounds: list[SentSound]) -> None:
        for data, start, samples in sounds:
            self._exchange.give(LiveSound(0, text.start_sample + start, samples, data), text)
