"""The generator, ready to use: single frames, batches and streams of them, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from viseme.engine.backend import Backend, Tensor
from viseme.engine.backends import AUTO, check_backend
from viseme.engine.batching import padded, split
from viseme.engine.features import FeatureOptions
from viseme.engine.model import ModelInfo, read_model
from viseme.engine.opening import Engine, Opening, WarmUp, picture_of
from viseme.engine.pool import grouped_map, ordered_map
from viseme.engine.tensors import Asked, OnDemand, Question, as_tensor
from viseme.errors import BackendError

__all__ = ["Inferencer"]


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
        self._opening = Opening(self.info, backend, threads, workers, rows, features)
        self._engine: Engine | None = None
        self._warm_up: WarmUp | None = None
        self._closed = False
        self._lock = threading.Lock()

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

        Without it the first frames take longer. Doing it again does nothing and gives the first
        report.

        Raises:
            BackendError: if the back end does not work on this machine.
            ModelError: if it cannot read the network.
        """
        engine = self._ready()
        with self._lock:
            if self._warm_up is None:
                self._warm_up = self._opening.warm_up(engine)
            return self._warm_up

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

    def run(
        self, visual: Tensor | Callable[[], Tensor], audio: Tensor, faces: Sequence[str] = ()
    ) -> Tensor:
        """Predict frames in one run of the network, on the thread of the caller.

        This is for those who share out the runs themselves, as a server does. What comes from
        outside goes through :meth:`check_batch` before.

        Args:
            visual: ``[b, 6, S, S]``, where ``b`` is at most the network's batch if that is fixed;
                or what gives it, which is not called where all that the network makes of these
                faces alone is known.
            audio: a window for each, ``[b, 32, 16, 16]``.
            faces: for each what its visual input is called, as in :class:`Question`.

        Returns:
            The pictures, float32 ``[b, 3, S, S]``, which belong to the caller.

        Raises:
            BackendError: if the back end fails, or does not take that many frames.
        """
        if self.info.batch is not None and len(audio) > self.info.batch:
            raise BackendError(
                f"{self.info.path} takes {self.info.batch} frames in a run; {len(audio)} were "
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
        with self._lock:
            self._closed = True
            if self._engine is not None:
                self._engine.backend.close()
            elif isinstance(self._opening.wanted, Backend):
                self._opening.wanted.close()

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
        self,
        engine: Engine,
        visual: Tensor | Callable[[], Tensor],
        audio: Tensor,
        faces: Sequence[str] = (),
    ) -> Tensor:
        """Run up to ``engine.rows`` frames at once: ``[b, 6, S, S]`` to ``[b, 3, S, S]``."""
        look = visual if callable(visual) else lambda: visual
        inputs: Mapping[str, Tensor] = OnDemand(
            {self.info.visual_name: look, self.info.audio_name: lambda: audio}
        )
        if self.info.batch is not None and len(audio) < self.info.batch:
            inputs = padded(inputs, self.info.batch)
        with engine.slots:
            return picture_of(self.info, engine.backend, inputs, faces)[: len(audio)]

    def _ready(self) -> Engine:
        """Give the engine, opening it once, whoever comes first."""
        engine = self._engine
        if engine is None or self._closed:
            with self._lock:
                if self._closed:
                    raise BackendError("This Inferencer is closed; open another.")
                engine = self._engine = self._engine or self._opening.open()
        return engine
