"""espeak-ng: a hundred languages, none of them pretty."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import closing
from typing import Final

from viseme.voices.program import printed_by, run_program
from viseme.voices.settings import VoiceSettings
from viseme.voices.stop import Stop
from viseme.voices.synthesizer import Sound, Synthesizer
from viseme.voices.wave import sound_of_wave

__all__ = ["Espeak"]

_FIRST: Final = ("en-us", "en-gb")
_PHONEMES: Final = "[["
"""What follows would be taken for phonemes, not for words."""


class Espeak(Synthesizer):
    """The program espeak-ng, which prints its sound while it makes it."""

    name = "espeak-ng"

    def __init__(self, settings: VoiceSettings) -> None:
        self._timeout_s = settings.timeout_s

    def voices(self) -> tuple[str, ...]:
        """Give a voice for each language, by the language's code."""
        if shutil.which("espeak-ng") is None:
            return ()
        rows = [row.split() for row in printed_by(["espeak-ng", "--voices"]).splitlines()[1:]]
        languages = sorted({row[1] for row in rows if len(row) > 1})
        first = [language for language in _FIRST if language in languages]
        return (*first, *(language for language in languages if language not in first))

    def speak(self, text: str, voice: str, stop: Stop) -> Generator[Sound, None, None]:
        """Give the sound as it is made."""
        while _PHONEMES in text:
            text = text.replace(_PHONEMES, "[ [")
        command = ["espeak-ng", "-v", voice, "-b", "1", "--stdin", "--stdout"]
        running = run_program(command, text, name=self.name, timeout_s=self._timeout_s, stop=stop)
        with closing(running) as blocks:
            yield from sound_of_wave(blocks, self.name)
