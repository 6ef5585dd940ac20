"""The generator, ready to use: single frames, batches and streams of them, from any thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from viseme.engine.backend import Backend, Tensor
from viseme.engine.backends import (
    AUTO,
    FLOAT32,
    GPU_BACKENDS,
    candidates,
    check_backend,
    open_backend,
    open_part,
)
from viseme.engine.batching import padded, split
from viseme.engine.choice import Candidate, choose
from viseme.engine.choice_cache import ChoiceCache, choice_key
from viseme.engine.features import FeatureOptions
from viseme.engine.machine import WorkPlan, plan_work
from viseme.engine.model import ModelInfo, read_model
from viseme.engine.onnx_runtime import runtime_version
from viseme.engine.pool import grouped_map, ordered_map
from viseme.engine.samples import sample_inputs
from viseme.engine.split_backend import SplitBackend
from viseme.engine.splitting import Splitting
from viseme.engine.tensors import Asked, Question, as_tensor, take_output
from viseme.errors import BackendError, MissingExtraError

__all__ = ["Inferencer", "WarmUp"]

WARM_UP_RUNS = 2
"""The first run allocates memory and settles kernels; the second shows that it has."""


@dataclass(frozen=True)
class WarmUp:
    """What warming up took and led to."""

    seconds: float
    """Wall-clock time: opening the network, measuring candidates, and the first runs."""
    backend: str
    """What runs the network, after any choice or fallback."""
    candidates: tuple[Candidate, ...] = ()
    """What became of each back end measured; empty where none was, for the choice was the
    caller's or is remembered."""


@dataclass(frozen=True)
class _Engine:
    """What warming up leaves behind: never changed, so that threads read it without a lock."""

    backend: Backend
    plan: WorkPlan
    rows: int
    """Frames in one run."""
    slots: threading.BoundedSemaphore
    """One for each run at once: more would only take memory, and the cores from each other."""
    report: WarmUp


class Inferencer:
    """A generator network: a face and a window of speech in, the speaking face out.

    The file is read at once and refused if it does not fit; the back end is opened by
    :meth:`warm_up`, or else by the first use. All methods may be called from many threads at
    once, and each result is bit for bit what the same call gives alone::

        with Inferencer("generator.onnx") as inferencer:
            inferencer.warm_up()
            picture = inferencer.infer(visual, audio)

    Args:
        model: the ONNX file.
        backend: ``"auto"``, ``"onnxruntime"``, ``"cuda"``, ``"cuda-fp16"``, ``"tensorrt"``,
            ``"openvino"`` or ``"openvino-bf16"``; or a :class:`Backend` that is open, which is
            closed with this.
        threads: CPU cores for one frame; chosen by the machine when not given.
        workers: frames at work at once, on a GPU runs of several; five there and fitted to the
            cores on a CPU when not given.
        rows: frames in one run of a dynamic network on a GPU, 2 when not given; a CPU takes one.
        features: where it will be told which faces it sees: what may be kept of them, so that
            the part of the network that only sees need not run again.

    Raises:
        ModelError: if the file is missing, not ONNX, or of other shapes.
        BackendError: if there is no such back end.
        MissingExtraError: if the back end is not installed.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        backend: str | Backend = AUTO,
        threads: int | None = None,
        workers: int | None = None,
        rows: int | None = None,
        features: FeatureOptions | None = None,
    ) -> None:
        for name, value in (("threads", threads), ("workers", workers), ("rows", rows)):
            if value is not None and value < 1:
                raise BackendError(f"{name} is {value}; give at least 1, or leave it out.")
        if isinstance(backend, str):
            check_backend(backend)
        self.info: ModelInfo = read_model(model)
        """What the file says of itself."""
        self._wanted = backend
        self._threads = threads
        self._workers = workers
        self._rows = rows
        self._features = features
        self._engine: _Engine | None = None
        self._closed = False
        self._opening = threading.Lock()

    @property
    def visual_shape(self) -> tuple[int, int, int]:
        """The shape of one visual input, ``(6, S, S)``."""
        return self.info.visual_shape

    @property
    def audio_shape(self) -> tuple[int, int, int]:
        """The shape of one audio window, such as ``(32, 16, 16)``."""
        return self.info.audio_shape

    @property
    def backend(self) -> Backend:
        """What runs the network; opened now if it is not yet."""
        return self._ready().backend

    @property
    def workers(self) -> int:
        """How many runs are at work at once; opens the back end if it is not yet."""
        return self._ready().plan.workers

    def warm_up(self) -> WarmUp:
        """Open the back end, choose it if it is to be chosen, and run it until it is warm.

        Doing it again does nothing and gives the first report.

        Raises:
            BackendError: if the back end does not work on this machine.
            ModelError: if it cannot read the network.
        """
        return self._ready().report

    def infer(self, visual: NDArray[Any], audio: NDArray[Any]) -> Tensor:
        """Predict one frame.

        Args:
            visual: ``[6, S, S]`` in 0..1, B G R: the reference crop, then the masked one.
            audio: one window, ``[32, 16, 16]`` or the shape that the network declares.

        Returns:
            The picture, float32 ``[3, S, S]`` in 0..1, B G R.

        Raises:
            InputError: if an array has another shape or type, or values that are not finite.
            BackendError: if the back end fails.
        """
        return self._infer_one(self._checked(Question(visual, audio)))

    def infer_batch(self, visual: NDArray[Any], audio: NDArray[Any]) -> Tensor:
        """Predict many frames, however many the network takes at a time.

        Args:
            visual: ``[B, 6, S, S]``, as in :meth:`infer`.
            audio: one window for all frames, ``[32, 16, 16]``, or one for each of them,
                ``[B, 32, 16, 16]``.

        Returns:
            The pictures, float32 ``[B, 3, S, S]``.

        Raises:
            InputError: if an array has another shape or type, or values that are not finite.
            BackendError: if the back end fails.
        """
        visual, audio = self.check_batch(visual, audio)
        engine = self._ready()
        result = np.empty((len(visual), *self.info.output_shape), dtype=np.float32)

        def infer_rows(rows: slice) -> None:
            result[rows] = self._run(engine, visual[rows], np.ascontiguousarray(audio[rows]))

        rows = split(len(visual), engine.rows)
        for _ in ordered_map(infer_rows, rows, workers=engine.plan.workers):
            pass
        return result

    def check_batch(self, visual: NDArray[Any], audio: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """Check a batch as :meth:`infer_batch` does, for whoever runs its frames by itself.

        Returns:
            ``[B, 6, S, S]`` and ``[B, 32, 16, 16]``, float32, not copied where they are that
            already; one window for all is a view that has it ``B`` times.

        Raises:
            InputError: if an array has another shape or type, or values that are not finite.
        """
        visual = as_tensor(visual, "visual batch", (None, *self.visual_shape))
        count = len(visual)
        audio = as_tensor(audio, "audio window", self.audio_shape, (count, *self.audio_shape))
        return visual, np.broadcast_to(audio, (count, *self.audio_shape))

    def run(self, visual: Tensor, audio: Tensor, faces: Sequence[str] = ()) -> Tensor:
        """Predict frames in one run of the network, on the thread of the caller.

        This is for those who share out the runs themselves, as a server does. What comes from
        outside goes through :meth:`check_batch` before.

        Args:
            visual: ``[b, 6, S, S]``, where ``b`` is at most the network's batch if that is fixed.
            audio: a window for each, ``[b, 32, 16, 16]``.
            faces: for each what its visual input is called, as in :class:`Question`.

        Returns:
            The pictures, float32 ``[b, 3, S, S]``, which belong to the caller.

        Raises:
            BackendError: if the back end fails, or does not take that many frames.
        """
        if self.info.batch is not None and len(visual) > self.info.batch:
            raise BackendError(
                f"{self.info.path} takes {self.info.batch} frames in a run; {len(visual)} were "
                "given to it: share them out."
            )
        return self._run(self._ready(), visual, np.ascontiguousarray(audio), faces)

    def map(self, questions: Iterable[Asked]) -> Generator[Tensor, None, None]:
        """Predict a stream of single frames, several at once, with the results in order.

        They are taken as they are needed, and no more than twice :attr:`workers` are in flight;
        on a GPU those that come while it is busy run together, and there are as many as fill a
        run for each worker, and one more. Closing the generator, or an error in the source or in
        a frame, ends the workers before control returns.

        Args:
            questions: for each frame a visual input and an audio window, as in :meth:`infer`; a
                pair is copied, and a :class:`Question` is not.

        Yields:
            The pictures, float32 ``[3, S, S]``.

        Raises:
            InputError: if an array has another shape or type, or values that are not finite.
            BackendError: if the back end fails.
        """
        engine = self._ready()
        workers, rows = engine.plan.workers, engine.rows
        checked = (self._checked(Question.of(asked)) for asked in questions)
        if engine.backend.device == "gpu" and rows > 1:
            return grouped_map(self._infer_group, checked, workers=workers, rows=rows)
        return ordered_map(self._infer_one, checked, workers=workers)

    def close(self) -> None:
        """Close the back end; calls under way finish, and later ones raise BackendError."""
        with self._opening:
            self._closed = True
            if self._engine is not None:
                self._engine.backend.close()
            elif isinstance(self._wanted, Backend):
                self._wanted.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _checked(self, question: Question) -> Question:
        visual, audio, face = question
        return Question(
            as_tensor(visual, "visual input", self.visual_shape),
            as_tensor(audio, "audio window", self.audio_shape),
            face,
        )

    def _infer_one(self, question: Question) -> Tensor:
        visual, audio, face = question
        picture: Tensor = self._run(self._ready(), visual[None], audio[None], (face,))[0]
        return picture

    def _infer_group(self, questions: Sequence[Question]) -> Sequence[Tensor]:
        visual, audio, faces = zip(*questions, strict=True)
        return list(self._run(self._ready(), np.stack(visual), np.stack(audio), faces))

    def _run(
        self, engine: _Engine, visual: Tensor, audio: Tensor, faces: Sequence[str] = ()
    ) -> Tensor:
        """Run up to ``engine.rows`` frames at once: ``[b, 6, S, S]`` to ``[b, 3, S, S]``."""
        inputs = {self.info.visual_name: visual, self.info.audio_name: audio}
        if self.info.batch is not None:
            inputs = padded(inputs, self.info.batch)
        with engine.slots:
            return self._picture(engine.backend, inputs, faces)[: len(visual)]

    def _picture(
        self, backend: Backend, inputs: Mapping[str, Tensor], faces: Sequence[str] = ()
    ) -> Tensor:
        promised = (len(inputs[self.info.visual_name]), *self.info.output_shape)
        if isinstance(backend, SplitBackend):
            return take_output(backend.run(inputs, faces), 0, promised)
        return take_output(backend.run(inputs), self.info.output_index, promised)

    def _ready(self) -> _Engine:
        """Give the engine, opening it once, whoever comes first."""
        engine = self._engine
        if engine is None or self._closed:
            with self._opening:
                if self._closed:
                    raise BackendError("This Inferencer is closed; open another.")
                engine = self._engine = self._engine or self._open()
        return engine

    def _open(self) -> _Engine:
        start = time.perf_counter()
        measured: tuple[Candidate, ...] = ()
        if isinstance(self._wanted, Backend):
            backend = self._wanted
        elif self._wanted == AUTO:
            backend, measured = self._choose()
        else:
            backend = self._opened(self._wanted)
        for inputs in sample_inputs(self.info, WARM_UP_RUNS):
            self._picture(backend, inputs)
        plan = self._plan(backend.device)
        return _Engine(
            backend=backend,
            plan=plan,
            rows=self.info.batch or (plan.rows if backend.device == "gpu" else 1),
            slots=threading.BoundedSemaphore(plan.workers),
            report=WarmUp(time.perf_counter() - start, backend.name, measured),
        )

    def _choose(self) -> tuple[Backend, tuple[Candidate, ...]]:
        """Open the back end that was chosen before, or choose one and remember it."""
        openers = candidates(self.info, self._plan("cpu"))
        cache = ChoiceCache()
        key = self._key()
        remembered = cache.recall(key)
        if remembered in openers:
            with contextlib.suppress(BackendError, MissingExtraError):
                backend = self._opened(remembered)
                if backend.name == remembered:
                    return backend, ()
                backend.close()  # A GPU that was there is gone.
        backend, measured = choose(
            openers,
            sample_inputs(self.info, WARM_UP_RUNS),
            run=self._picture,
            workers=lambda backend: self._plan(backend.device).workers,
            room=lambda backend: getattr(backend, "rows", 1) // (self.info.batch or 1),
        )
        cache.remember(key, backend.name)
        if self._features is not None and backend.device == "cpu":
            backend = self._splitting(backend.name, self._features).better_than(backend)
        return backend, measured

    def _opened(self, name: str) -> Backend:
        """Open a back end by its name, in halves where that is better."""
        # A GPU makes the features of a face anew sooner than they come to it over the bus.
        if self._features is None or name in GPU_BACKENDS:
            return open_backend(name, self.info, self._plan("cpu"))
        return self._splitting(name, self._features).open()

    def _splitting(self, name: str, features: FeatureOptions) -> Splitting:
        plan = self._plan("cpu")
        return Splitting(
            self.info,
            features,
            {**self._key(), "backend": name},
            open_whole=partial(open_backend, name, self.info, plan),
            open_exact=partial(open_backend, FLOAT32, self.info, plan),
            open_part=partial(open_part, name, plan=plan),
            run=self._picture,
        )

    def _key(self) -> dict[str, str | int | None]:
        return choice_key(
            self.info, threads=self._threads, workers=self._workers, runtime=runtime_version()
        )

    def _plan(self, device: str) -> WorkPlan:
        return plan_work(device, threads=self._threads, workers=self._workers, rows=self._rows)
