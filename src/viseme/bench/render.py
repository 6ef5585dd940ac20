"""`viseme bench render`: from sound to frames and to MP4, for clips of several lengths."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from viseme.audio import FRAME_RATE_HZ, SAMPLE_RATE_HZ, read
from viseme.avatar import load_avatar
from viseme.bench.contest import Entry, Score, hold
from viseme.bench.floor import Floor, measure_speeds, precision_of, read_layers, speaking
from viseme.bench.stages import FILM_STAGES, STAGE_TITLES
from viseme.bench.work import Spec, model_of
from viseme.engine.backends import GPU_BACKENDS

__all__ = ["RenderReport", "RenderTask", "measure_render"]

_TITLES = {
    "plain-frames": "plain reference, frames",
    "frames": "sound to frames",
    "plain-mp4": "plain reference, MP4",
    "mp4": "sound to MP4",
}


_FULL_SIZE = "plain-full-size"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderTask:
    """What to measure."""

    seconds: Sequence[float] = (10, 60, 600)
    """How long the clips are."""
    plain_seconds_max: float = 60
    """The plain reference is left out of longer ones: its cost is known to be a straight line."""
    rounds: int = 5
    stage_frames: int = 100
    """How many frames each stage makes alone in a round."""
    full_size: Path | None = None
    """A network of full size, for the plain reference to make frames with beside the others."""


@dataclass(frozen=True, slots=True)
class RenderReport:
    """What was measured, for each length."""

    scores: dict[float, list[Score]]
    stages: list[Score]
    """Of each of `STAGES` alone, in their order."""
    floor: Floor | None = None
    """What the network takes at least for a face seen before, where that is known and a
    processor runs it."""

    def share(self, stage: Score) -> float | None:
        """Tell what part a stage has in the work that a film is, 0..1; None if it has none."""
        film = [each for each in self.stages if each.entry.name in FILM_STAGES]
        if stage not in film:
            return None
        whole = sum(each.core_ms.median for each in film if not each.refused)
        return stage.core_ms.median / whole

    def ratio(self, seconds: float, score: Score) -> float | None:
        """Tell how many times as fast as the plain reference a work is, if that took part."""
        plain = f"plain-{score.entry.name}"
        for other in self.scores[seconds]:
            if other.entry.name == plain:
                return other.ms.median / score.ms.median
        return None

    def ratio_to_full_size(self, seconds: float) -> float | None:
        """Tell how many times as fast sound becomes frames as plainly with a full-size network."""
        by_name = {score.entry.name: score for score in self.scores[seconds] if not score.refused}
        if not by_name.keys() >= {"frames", _FULL_SIZE}:
            return None
        return by_name[_FULL_SIZE].ms.median / by_name["frames"].ms.median

    def figures(self) -> dict[str, Any]:
        """Give all of it by name, for programs."""
        rows = []
        for seconds, scores in self.scores.items():
            for score in scores:
                row = score.figures() | {"seconds": seconds}
                if not score.refused:
                    row["real_time_factor"] = round(score.ms.median / 1000 * FRAME_RATE_HZ, 4)
                    if (ratio := self.ratio(seconds, score)) is not None:
                        row["ratio"] = round(ratio, 3)
                    beside = self.ratio_to_full_size(seconds)
                    if score.entry.name == "frames" and beside is not None:
                        row["ratio_to_full_size"] = round(beside, 3)
                rows.append(row)
        stages = []
        for stage in self.stages:
            share = None if stage.refused else self.share(stage)
            stages.append(stage.figures() | ({} if share is None else {"share": round(share, 3)}))
        floor = {} if self.floor is None else {"floor": self.floor.figures()}
        return {"works": rows, "stages": stages, **floor}


def measure_render(spec: Spec, task: RenderTask, on_step: Callable[[str], None]) -> RenderReport:
    """Measure all works on all lengths, in turns.

    Args:
        spec: what they have in common; its speech is repeated to make the clips.
        task: what to measure.
        on_step: told, in a sentence, what begins now.

    Raises:
        VisemeError: a work ended in the middle, or the speech cannot be read.
    """
    scores = {}
    for seconds in task.seconds:
        with _clip(Path(spec.speech), seconds) as clip:
            entries = [
                Entry(name, title, replace(spec, way=name, speech=str(clip)), frames=0)
                for name, title in _TITLES.items()
                if seconds <= task.plain_seconds_max or not name.startswith("plain")
            ]
            if task.full_size and seconds <= task.plain_seconds_max:
                plain = replace(entries[0].spec, model=str(task.full_size))
                entries.append(Entry(_FULL_SIZE, "plain, full size", plain, frames=0))
            on_step(f"Clips of {seconds:g} seconds.")
            scores[seconds] = hold(entries, task.rounds, on_step)
    on_step("The stages, each alone.")
    # The network as it ran among the others, where it was left to choose what runs it.
    alone = replace(spec, backend=_backend_of_frames(scores) or spec.backend)
    stages = [
        Entry(name, title, replace(alone, way=name), task.stage_frames)
        for name, title in STAGE_TITLES.items()
    ]
    return RenderReport(scores, hold(stages, task.rounds, on_step), _floor(spec, on_step))


def _backend_of_frames(scores: dict[float, list[Score]]) -> str:
    """Name what ran the network from sound to frames; "" if that was refused."""
    ran = (score for each in scores.values() for score in each if score.entry.name == "frames")
    return next((score.backend for score in ran if not score.refused), "")


def _floor(spec: Spec, on_step: Callable[[str], None]) -> Floor | None:
    if spec.backend in GPU_BACKENDS:
        return None
    precision = precision_of(spec.backend)
    with load_avatar(spec.avatar) as avatar:
        layers = read_layers(speaking(model_of(spec, avatar), avatar.frame_count), precision)
    if layers is None:
        return None
    on_step("Multiplying and copying.")
    speeds = measure_speeds(precision)
    return None if speeds is None else Floor(layers, speeds, precision)


@contextmanager
def _clip(speech: Path, seconds: float) -> Iterator[Path]:
    """Write a speech of that length, as a FLAC file that lasts as long as the `with` statement."""
    samples = np.resize(read(speech), round(seconds * SAMPLE_RATE_HZ))
    with tempfile.TemporaryDirectory(prefix="viseme-bench-") as folder:
        path = Path(folder) / "clip.flac"
        _write_flac(path, samples)
        yield path


def _write_flac(path: Path, samples: NDArray[np.float32]) -> None:
    pcm = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        for start in range(0, len(pcm), SAMPLE_RATE_HZ):
            frame = av.AudioFrame.from_ndarray(
                pcm[None, start : start + SAMPLE_RATE_HZ], "s16", "mono"
            )
            frame.sample_rate = SAMPLE_RATE_HZ
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
