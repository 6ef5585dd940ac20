"""The voice of one live session: a text's sound as the client's own would be, and as it is sent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import closing
from enum import Enum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from viseme.audio import Resampler, Samples
from viseme.errors import MissingExtraError
from viseme.video.live_opus import OPUS_RATE_HZ, OPUS_SKIP_SAMPLES, OpusEncoder, OpusPacket
from viseme.voices import Speaker, Stop, Utterance

__all__ = ["LiveVoice", "SentSound", "SoundBack", "SoundSender"]

_PIECES_A_SECOND: Final = 10
"""What a message holds: so much may be lost of what an interrupt comes across."""

Pcm = NDArray[np.int16]


class SoundBack(Enum):
    """How the sound of a text is sent; the value is its name in contracts."""

    NONE = "none"
    S16 = "s16"
    """Samples, little-endian, one channel, at the rate of the client's own."""
    OPUS = "opus"


class SentSound(NamedTuple):
    """What is sent of a stretch of sound; times are samples from the text's beginning."""

    data: bytes
    start: int
    samples: int


class SoundSender(ABC):
    """Makes what is sent of one text's sound; for one thread at a time."""

    @abstractmethod
    def push(self, pcm: Pcm) -> list[SentSound]:
        """Take what comes next, and give what is ready of it."""

    @abstractmethod
    def flush(self) -> list[SentSound]:
        """Give the rest."""


class LiveVoice:
    """Says texts.

    Args:
        speaker: makes the sound; None where there is nothing to speak with.
        rate_hz: that of the client's own sound.
        sound_back: how the client wants to hear it.
    """

    def __init__(self, speaker: Speaker | None, rate_hz: int, sound_back: SoundBack) -> None:
        self._speaker = speaker
        self._rate_hz = rate_hz
        self._sound_back = sound_back
        self.voices = speaker.voices if speaker else ()
        self.text_characters = speaker.text_characters if speaker else 0
        self.is_opus = sound_back is SoundBack.OPUS
        self.sent_rate_hz = OPUS_RATE_HZ if self.is_opus else rate_hz
        """That of what comes of a decoder."""
        self.skip_samples = OPUS_SKIP_SAMPLES if self.is_opus else 0
        """How many samples of that rate come of a decoder before a text's first."""

    def utterance(self, text: str, voice: str) -> Utterance:
        """See that a text can be said.

        Raises:
            MissingExtraError: there is nothing to speak with.
            InputError: the text or the voice is none that can be used.
        """
        if self._speaker is None:
            raise MissingExtraError(
                "This server has nothing to speak with; send sound, or have espeak-ng or flite "
                "installed on it."
            )
        return self._speaker.utterance(text, voice)

    def sound(self, utterance: Utterance, stop: Stop) -> Generator[Pcm, None, None]:
        """Give a text's sound at the client's rate, in pieces of a tenth of a second: int16 [n].

        Raises:
            VoiceError: the synthesizer has failed.
        """
        assert self._speaker is not None
        most = max(1, self._rate_hz // _PIECES_A_SECOND)
        resampler: Resampler | None = None
        with closing(self._speaker.speak(utterance, stop)) as sounds:
            for samples, rate_hz in sounds:
                resampler = resampler or Resampler(rate_hz, 1, to_hz=self._rate_hz)
                pcm = _pcm(resampler.push(samples))
                yield from (pcm[start : start + most] for start in range(0, len(pcm), most))
        if resampler is not None:
            yield _pcm(resampler.flush())

    def sender(self) -> SoundSender:
        """Make what makes messages of the next text's sound."""
        if self._sound_back is SoundBack.OPUS:
            return _Opus(self._rate_hz)
        return _Samples(is_wanted=self._sound_back is SoundBack.S16)


class _Samples(SoundSender):
    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._position = 0

    def push(self, pcm: Pcm) -> list[SentSound]:
        if not self._is_wanted or len(pcm) == 0:
            return []
        sent = SentSound(pcm.astype("<i2").tobytes(), self._position, len(pcm))
        self._position += len(pcm)
        return [sent]

    def flush(self) -> list[SentSound]:
        return []


class _Opus(SoundSender):
    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._encoder = OpusEncoder()
        self._resampler = Resampler(rate_hz, 1, to_hz=OPUS_RATE_HZ)

    def push(self, pcm: Pcm) -> list[SentSound]:
        return self._sent(self._encoder.push(_pcm(self._resampler.push(pcm))))

    def flush(self) -> list[SentSound]:
        rest = self._encoder.push(_pcm(self._resampler.flush()))
        return self._sent([*rest, *self._encoder.flush()])

    def _sent(self, packets: list[OpusPacket]) -> list[SentSound]:
        sent = []
        for data, start, samples in packets:
            begin, end = self._position(start), self._position(start + samples)
            sent.append(SentSound(data, begin, end - begin))
        return sent

    def _position(self, sample: int) -> int:
        """Give a time at 48 kHz in the client's samples, rounded to the nearest."""
        return (2 * sample * self._rate_hz + OPUS_RATE_HZ) // (2 * OPUS_RATE_HZ)


def _pcm(samples: Samples) -> Pcm:
    """Turn float32 -1..1 into int16."""
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
