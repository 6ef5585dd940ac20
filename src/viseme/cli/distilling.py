"""`viseme distill`: a small network in place of an avatar's large one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from viseme.audio import SAMPLE_RATE_HZ, Samples, read
from viseme.avatar import load_avatar
from viseme.avatar.saving import check_place
from viseme.cli.outcome import say, show_json
from viseme.cli.screens import table
from viseme.cli.studio import studio_module

__all__ = ["DistillCommand"]

_PIECE_S: Final = 8
_SHORTEST_S: Final = 1
"""What is left at the end of a file may be too short to hear anything in."""
_SPOKEN_MINUTES: Final = 15.0


@dataclass(frozen=True, slots=True)
class DistillCommand:
    """What was asked for."""

    avatar: str
    out: Path
    model: Path | None
    speech: Sequence[Path]
    work: Path | None
    lessons: int
    steps: int
    seed: int
    device: str

    def run(self, *, as_json: bool) -> None:
        """Do it, and show what came of it.

        Raises:
            InputError, AvatarError, ModelError, OutputError: as `studio.distilling.distill`.
            MissingExtraError: the studio's libraries, or the programs that speak, are missing.
        """
        check_place(self.out)  # before minutes of speech
        given = self._given_speech()  # before seconds of libraries
        studio = studio_module("distilling", "Distilling")
        work = self.work or self.out.with_name(f"{self.out.name}-work")
        options = studio.DistillOptions(
            lessons=self.lessons, steps=self.steps, seed=self.seed, device=self.device
        )
        # What training shows goes where all else does that is no result.
        with load_avatar(self.avatar) as avatar, contextlib.redirect_stdout(sys.stderr):
            result = studio.distill(
                avatar,
                self.out,
                speeches=given if self.speech else _spoken(work),
                work=work,
                model=self.model,
                options=options,
                on_progress=say,
            )
        if as_json:
            show_json({"avatar": str(self.out), "work": str(work), **result.as_dict()})
            return
        _show(result)
        say(f"The avatar is {self.out}. {work} can be removed.")

    def _given_speech(self) -> list[Samples]:
        """Return what the files hold, in pieces."""
        length = _PIECE_S * SAMPLE_RATE_HZ
        pieces: list[Samples] = []
        for path in self.speech:
            samples = read(path)
            pieces += [samples[start : start + length] for start in range(0, len(samples), length)]
        return [piece for piece in pieces if len(piece) >= _SHORTEST_S * SAMPLE_RATE_HZ]


def _spoken(work: Path) -> list[Samples]:
    """Let the programs that speak say something."""
    say(f"No --speech is given: {_SPOKEN_MINUTES:g} minutes are spoken by flite and espeak-ng.")
    speech = studio_module("speech", "Distilling")
    corpus = speech.build_corpus(work / "speech", minutes=_SPOKEN_MINUTES)
    return [utterance.samples for utterance in corpus]


def _show(result: Any) -> None:
    (top, bottom), (left, right) = result.drawn
    rows = [
        ("drawn of the crop", f"rows {top} to {bottom}, columns {left} to {right}"),
        ("PSNR against the teacher", f"{result.psnr_db:.1f} dB"),
        ("of faces left as they were", f"{result.untouched_psnr_db:.1f} dB"),
        ("pictures compared", f"{result.tested}, of speech not learned from"),
        ("the teacher", f"{result.teacher_ms:.1f} ms a frame, one after the other"),
        ("the new network", f"{result.student_ms:.1f} ms"),
    ]
    for line in table(rows):
        print(line)
