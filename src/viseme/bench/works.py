"""The ways to make frames that are compared with each other, each a `Work`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from viseme.allocator import settle_allocator
from viseme.avatar import Avatar, load_avatar
from viseme.bench.material import FACES_MAX, Material, make_material
from viseme.bench.plain import PlainReference, encode_plainly
from viseme.bench.stages import STAGES
from viseme.bench.work import Opener, Spec, Work, geometry_of, model_of
from viseme.compose import compose
from viseme.engine import FeatureOptions, Inferencer, Question
from viseme.engine.machine import available_cores
from viseme.engine.pool import ordered_map
from viseme.rendering import Renderer, RenderOptions
from viseme.rendering.speech import open_speech
from viseme.video import render_file

__all__ = ["WAYS", "open_work"]


@contextmanager
def open_work(spec: Spec) -> Iterator[Work]:
    """Open a work and warm it up, for as long as the `with` statement lasts.

    Raises:
        VisemeError: something that it needs cannot be opened.
    """
    with ExitStack() as stack:
        avatar = stack.enter_context(load_avatar(spec.avatar))
        yield WAYS[spec.way](spec, avatar, stack)


class _FaceWork(Work):
    """A work that starts from faces and windows which are ready."""

    def __init__(self, spec: Spec, avatar: Avatar) -> None:
        self.spec = spec
        self.material: Material = make_material(
            avatar, Path(spec.speech), geometry_of(spec, avatar)
        )

    def finish(self, index: int, prediction: NDArray[np.float32]) -> None:
        """Do with a prediction what is to be done with it."""
        if self.spec.compose:
            face = self.material.face(index)
            compose(face.frame, face.box, face.crop, prediction, self.material.geometry)


class _Plain(_FaceWork):
    """The plain reference: one frame after the other."""

    backend = "onnxruntime"

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        super().__init__(spec, avatar)
        self._reference = PlainReference(model_of(spec, avatar), self.material.geometry)

    def make(self, count: int) -> int:
        for index in range(count):
            face, window = self.material.face(index), self.material.window(index)
            if self.spec.compose:
                self._reference.speak(face.frame, face.box, window)
            else:
                self._reference.infer(face.visual, window)
        return count


class _Engine(_FaceWork):
    """A work with our engine: `size` is how many workers it has."""

    workers: int | None = None

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        super().__init__(spec, avatar)
        self.inferencer = stack.enter_context(
            Inferencer(
                model_of(spec, avatar),
                backend=spec.backend,
                workers=self.worker_count(),
                rows=self.row_count(),
                features=self.kept(avatar),
            )
        )
        self.backend = self.inferencer.warm_up().backend

    def kept(self, _: Avatar) -> FeatureOptions | None:
        """Tell what may be kept of faces."""
        return None

    def worker_count(self) -> int | None:
        """Tell how many frames are to be at work at once; None lets the engine choose."""
        return self.spec.size or None

    def row_count(self) -> int | None:
        """Tell how many are to be in a run on a GPU; None lets the engine choose."""
        return None


class _Workers(_Engine):
    """Single frames side by side; they are composed in order, as the pipeline does."""

    names: tuple[str, ...] = ("",)
    """What the faces are called, in turn."""

    def make(self, count: int) -> int:
        with closing(self.inferencer.map(map(self.question, range(count)))) as predictions:
            for index, prediction in enumerate(predictions):
                self.finish(index, prediction)
        return count

    def question(self, index: int) -> Question:
        """Give what is asked for a frame."""
        face, window = self.material.face(index), self.material.window(index)
        return Question(face.visual, window, self.names[index % len(self.names)])


class _SeenBefore(_Workers):
    """The same of faces that were seen before, which is what the pipeline makes."""

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        super().__init__(spec, avatar, stack)
        order = islice(avatar.ping_pong(), FACES_MAX)
        self.names = tuple(avatar.face_name(index) for index in order)
        self.make(FACES_MAX)

    def kept(self, avatar: Avatar) -> FeatureOptions:
        return FeatureOptions(avatar.frame_count)


class _Batch(_Engine):
    """Whole batches in one run of the network, all cores to each; then they are composed."""

    run_seconds: list[float]

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        super().__init__(spec, avatar, stack)
        # Not every back end takes more frames at once than it was opened for.
        self.inferencer.run(*self.material.batch(0, spec.size))

    def worker_count(self) -> int | None:
        return 1

    def row_count(self) -> int:
        return self.spec.size

    def make(self, count: int) -> int:
        self.run_seconds = []
        for start in self.starts(count):
            self.finish_batch(start, self.run_batch(start, count))
        return count

    def starts(self, count: int) -> range:
        """Give where each batch begins."""
        return range(0, count, self.spec.size)

    def run_batch(self, start: int, count: int) -> NDArray[np.float32]:
        """Predict the frames of the batch that begins there, and write down what that took."""
        visual, audio = self.material.batch(start, min(self.spec.size, count - start))
        start_s = time.perf_counter()
        predictions = self.inferencer.run(visual, audio)
        self.run_seconds.append(time.perf_counter() - start_s)
        return predictions

    def finish_batch(self, start: int, predictions: NDArray[np.float32]) -> None:
        """Finish the frames of a batch."""
        for index, prediction in enumerate(predictions, start):
            self.finish(index, prediction)


class _BatchThenParallel(_Batch):
    """As `_Batch`, and the frames are composed side by side."""

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        super().__init__(spec, avatar, stack)
        self._pool = stack.enter_context(ThreadPoolExecutor(available_cores()))

    def finish_batch(self, start: int, predictions: NDArray[np.float32]) -> None:
        list(self._pool.map(self.finish, range(start, start + len(predictions)), predictions))


class _BatchesAtOnce(_BatchThenParallel):
    """As many batches at once as the engine has workers, composed side by side meanwhile."""

    def worker_count(self) -> None:
        return None

    def make(self, count: int) -> int:
        self.run_seconds = []
        run = partial(self.run_batch, count=count)
        starts = self.starts(count)
        with closing(ordered_map(run, starts, workers=self.inferencer.workers)) as batches:
            for start, predictions in zip(starts, batches, strict=True):
                self.finish_batch(start, predictions)
        return count


class _Film(Work):
    """A work from sound to the end: `make` makes the whole speech, whatever it is told."""

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        self.spec, self.avatar = spec, avatar
        self.speech = Path(spec.speech)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="viseme-bench-"))
        self.out = Path(folder) / "film.mp4"
        self.options = RenderOptions(model=spec.model, backend=spec.backend)


class _OurFilm(_Film):
    """What the pipeline makes of it, in a process that is settled as that of `viseme render` is."""

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        super().__init__(spec, avatar, stack)
        settle_allocator()


class _Frames(_OurFilm):
    """Sound to composed frames."""

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        super().__init__(spec, avatar, stack)
        self._renderer = stack.enter_context(Renderer(avatar, self.options))
        self.backend = self._renderer.warm_up().backend

    def make(self, count: int) -> int:
        with open_speech(self.speech) as source:
            return sum(1 for _ in self._renderer.frames(source.samples()))


class _Mp4(_OurFilm):
    """Sound to MP4, as `viseme render` does it, opening and warming up included."""

    backend = ""

    def make(self, count: int) -> int:
        made: list[int] = []  # without those that are held at the end, until the sound is over
        report = render_file(
            self.speech,
            self.avatar,
            self.out,
            self.options,
            progress=lambda progress: made.append(progress.frames),
        )
        self.backend = report.backend
        return made[-1]


class _PlainFilm(_Film):
    """What the plain reference makes of a whole speech."""

    backend = "onnxruntime"

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        super().__init__(spec, avatar, stack)
        self._reference = PlainReference(model_of(spec, avatar), geometry_of(spec, avatar))


class _PlainFrames(_PlainFilm):
    """Sound to composed frames."""

    def make(self, count: int) -> int:
        return sum(1 for _ in self._reference.render(self.speech, self.avatar))


class _PlainMp4(_PlainFilm):
    """Sound to MP4."""

    def make(self, count: int) -> int:
        frames = self._reference.render(self.speech, self.avatar)
        return encode_plainly(frames, self.speech, self.out, self.avatar)


WAYS: Final[dict[str, Opener]] = {
    "plain": _Plain,
    "workers": _Workers,
    "seen-before": _SeenBefore,
    "batch": _Batch,
    "batch-parallel": _BatchThenParallel,
    "batches-at-once": _BatchesAtOnce,
    "plain-frames": _PlainFrames,
    "frames": _Frames,
    "plain-mp4": _PlainMp4,
    "mp4": _Mp4,
    **STAGES,
}
"""What a work may be."""
