"""flite: small, quick, six English voices."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import closing
from typing import Final

from viseme.voices.program import printed_by, run_program
from viseme.voices.settings import VoiceSettings
from viseme.voices.stop import Stop
from viseme.voices.synthesizer import Sound, Synthesizer
from viseme.voices.text import sentences
from viseme.voices.wave import sound_of_wave

__all__ = ["Flite"]

_BEST_FIRST: Final = ("slt", "rms", "awb", "kal16", "kal")
_KNOWS_TIMES_ALONE: Final = "awb_time"
_BLOCK_BYTES: Final = 1 << 16


class Flite(Synthesizer):
    """The program flite, once for each sentence: it writes files, and not while it speaks."""

    name = "flite"

    def __init__(self, settings: VoiceSettings) -> None:
        self._timeout_s = settings.timeout_s

    def voices(self) -> tuple[str, ...]:
        """Give the voices that are built in."""
        if shutil.which("flite") is None:
            return ()
        names = printed_by(["flite", "-lv"]).partition(":")[2].split()
        best = [name for name in _BEST_FIRST if name in names]
        others = [name for name in names if name not in (*best, _KNOWS_TIMES_ALONE)]
        return (*best, *others)

    def speak(self, text: str, voice: str, stop: Stop) -> Generator[Sound, None, None]:
        """Give the sound sentence by sentence."""
        for sentence in sentences(text):
            yield from self._sentence(sentence, voice, stop)

    def _sentence(self, sentence: str, voice: str, stop: Stop) -> Generator[Sound, None, None]:
        with tempfile.TemporaryFile() as file:
            command = ["flite", "-voice", voice, "-f", "-", "-o", f"/dev/fd/{file.fileno()}"]
            running = run_program(
                command,
                sentence,
                name=self.name,
                timeout_s=self._timeout_s,
                stop=stop,
                files=[file],
            )
            with closing(running):
                for _ in running:
                    pass  # what it prints is of no use
            if stop.is_set:
                return  # half a file
            file.seek(0)
            yield from sound_of_wave(iter(lambda: file.read(_BLOCK_BYTES), b""), self.name)
