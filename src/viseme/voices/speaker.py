"""What a server speaks with: a synthesizer, and bounds of what it gets and what it gives."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from viseme.errors import InputError, VisemeError, VoiceError
from viseme.voices.stop import Stop
from viseme.voices.synthesizer import Sound, Synthesizer
from viseme.voices.text import spoken_text

__all__ = ["Speaker", "Utterance"]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A text that can be said, and the voice to say it."""

    text: str
    """One line."""
    voice: str


class Speaker:
    """Says texts; for any thread.

    Args:
        synthesizer: makes the sound.
        voices: its voices, that which is taken where none is asked for first; at least one.
        text_characters: how long a text may be.
        sound_s: how long its sound may be.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        voices: tuple[str, ...],
        *,
        text_characters: int = 1000,
        sound_s: float = 180.0,
    ) -> None:
        self._synthesizer = synthesizer
        self.name = synthesizer.name
        """The synthesizer's."""
        self.voices = voices
        self.text_characters = text_characters
        self._sound_s = sound_s

    def utterance(self, text: str, voice: str = "") -> Utterance:
        """See that a text can be said.

        Args:
            text: what is to be said.
            voice: by whom; the first voice if "".

        Raises:
            InputError: it is empty or too long, or there is no such voice.
        """
        if voice and voice not in self.voices:
            raise InputError(
                f"There is no voice '{voice[:60]}' here; those of {self.name} are "
                f"{', '.join(self.voices[:8])}{' and others' if len(self.voices) > 8 else ''}."
            )
        return Utterance(spoken_text(text, self.text_characters), voice or self.voices[0])

    def speak(self, utterance: Utterance, stop: Stop | None = None) -> Generator[Sound, None, None]:
        """Give the sound of a text as it is made.

        Args:
            utterance: the text.
            stop: ends it, from any thread.

        Raises:
            VoiceError: the synthesizer has failed, or there is more sound than is allowed.
        """
        stop = stop or Stop()
        spoken_s = 0.0
        try:
            with closing(self._synthesizer.speak(utterance.text, utterance.voice, stop)) as sounds:
                for sound in sounds:
                    spoken_s += len(sound.samples) / sound.rate_hz
                    if spoken_s > self._sound_s:
                        raise VoiceError(
                            f"The text takes more than {self._sound_s:g} s to say, and what is "
                            "left of it is not said; send it in parts."
                        )
                    if stop.is_set:
                        return
                    yield sound
        except VisemeError:
            raise
        except Exception as error:  # of a package of somebody else's
            raise VoiceError(f"{self.name} has failed ({error}).") from error
