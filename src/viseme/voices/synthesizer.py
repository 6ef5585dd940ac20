"""The one interface to a speech synthesizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import NamedTuple

from viseme.audio import Samples
from viseme.voices.stop import Stop

__all__ = ["Sound", "Synthesizer"]


class Sound(NamedTuple):
    """A stretch of speech."""

    samples: Samples
    """float32 [n], mono, -1..1."""
    rate_hz: int
    """The same for all of one text."""


class Synthesizer(ABC):
    """Turns text into sound; for any number of threads at once, each with a text of its own.

    Third parties add one by an entry point of the group `viseme.voices`: a function that takes
    `VoiceSettings` and gives a synthesizer. It is used where the configuration names it.
    """

    name: str
    """What the configuration calls it."""

    @abstractmethod
    def voices(self) -> tuple[str, ...]:
        """Give the names of its voices, the best first; none where it is not installed.

        Raises:
            VoiceError: it is installed, and does not work.
        """

    @abstractmethod
    def speak(self, text: str, voice: str, stop: Stop) -> Generator[Sound, None, None]:
        """Speak, and give the sound as it is made; nothing is begun before it is asked for.

        Args:
            text: one line without control characters, in which there is something to say. What
                looks like markup is to be spoken, not obeyed.
            voice: one of `voices`.
            stop: nobody listens any more; what waits for long lets itself be ended by it. The
                sound then ends, without an error.

        Raises:
            VoiceError: it has failed, or takes too long.
        """
