"""A synthesizer for tests: a plain function in a program's place."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence

from viseme.audio import Samples
from viseme.voices.stop import Stop
from viseme.voices.synthesizer import Sound, Synthesizer

__all__ = ["FakeSynthesizer"]


class FakeSynthesizer(Synthesizer):
    """Says what a function gives.

    For the tests of programs that use viseme, without a patch anywhere::

        hum = FakeSynthesizer(lambda text, voice, stop: [np.zeros(8000, np.float32)])

    Args:
        function: takes the text, the voice and what stops it, and gives the sound in pieces,
            float32 [n]; called from many threads at once when the synthesizer is.
        rate_hz: samples a second.
        voices: the names of its voices.
    """

    name = "fake"

    def __init__(
        self,
        function: Callable[[str, str, Stop], Iterable[Samples]],
        *,
        rate_hz: int = 16_000,
        voices: Sequence[str] = ("fake",),
    ) -> None:
        self._function = function
        self._rate_hz = rate_hz
        self._voices = tuple(voices)

    def voices(self) -> tuple[str, ...]:
        """Give the names it was made with."""
        return self._voices

    def speak(self, text: str, voice: str, stop: Stop) -> Generator[Sound, None, None]:
        """Give what the function gives."""
        for samples in self._function(text, voice, stop):
            yield Sound(samples, self._rate_hz)
