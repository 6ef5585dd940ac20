"""How a generator network is opened: by which back end, whole or in halves, and warmed up."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from viseme.engine.backend import Backend, Tensor
from viseme.engine.backends import (
    AUTO,
    FLOAT32,
    GPU_BACKENDS,
    candidates,
    is_on_gpu,
    open_backend,
    open_halves,
    target_of,
)
from viseme.engine.choice import Candidate, choose
from viseme.engine.choice_cache import ChoiceCache, choice_key
from viseme.engine.features import FeatureOptions
from viseme.engine.machine import WorkPlan, plan_work
from viseme.engine.model import ModelInfo
from viseme.engine.onnx_runtime import runtime_version
from viseme.engine.pool import ordered_map
from viseme.engine.samples import sample_inputs
from viseme.engine.split_backend import SplitBackend
from viseme.engine.splitting import Splitting
from viseme.engine.tensors import take_output
from viseme.errors import BackendError, MissingExtraError

__all__ = ["Engine", "Opening", "WarmUp", "picture_of"]

WARM_UP_RUNS = 2
"""At once where runs are to be at once: each takes memory and settles kernels, and those after it
find both."""
_SAMPLES = 16
"""Faces to choose by: in bfloat16 the built-in network strays by a quarter of a step in some, and
by a whole one in others."""


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
class Engine:
    """A network that is open: never changed, so that threads read it without a lock."""

    backend: Backend
    plan: WorkPlan
    rows: int
    """Frames in one run."""
    slots: threading.BoundedSemaphore
    """One for each run at once: more would only take memory, and the cores from each other."""
    seconds: float
    """Wall-clock time that opening took, with the measuring of candidates."""
    candidates: tuple[Candidate, ...]
    """As in `WarmUp`."""


@dataclass(frozen=True)
class Opening:
    """What is to be opened, and how; see `Inferencer` for all of it."""

    info: ModelInfo
    wanted: str | Backend
    threads: int | None
    workers: int | None
    rows: int | None
    features: FeatureOptions | None

    def open(self) -> Engine:
        """Open the back end, and choose it before if it is to be chosen.

        Raises:
            BackendError: it does not work on this machine.
            MissingExtraError: it is not installed.
            ModelError: it cannot read the network.
        """
        start = time.perf_counter()
        measured: tuple[Candidate, ...] = ()
        if isinstance(self.wanted, Backend):
            backend = self.wanted
        elif self.wanted == AUTO:
            backend, measured = self._choose()
        else:
            backend = self._opened(self.wanted)
        plan = self._plan(backend.device)
        return Engine(
            backend=backend,
            plan=plan,
            rows=self.info.batch or (plan.rows if backend.device == "gpu" else 1),
            slots=threading.BoundedSemaphore(plan.workers),
            seconds=time.perf_counter() - start,
            candidates=measured,
        )

    def warm_up(self, engine: Engine) -> WarmUp:
        """Run what was opened until it is warm.

        Raises:
            BackendError: it fails.
        """
        start = time.perf_counter()
        samples = sample_inputs(self.info, WARM_UP_RUNS)
        run = partial(picture_of, self.info, engine.backend)
        for _ in ordered_map(run, samples, workers=engine.plan.workers):
            pass
        seconds = engine.seconds + time.perf_counter() - start
        return WarmUp(seconds, engine.backend.name, engine.candidates)

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
            sample_inputs(self.info, max(WARM_UP_RUNS, _SAMPLES // (self.info.batch or 1))),
            run=partial(picture_of, self.info),
            workers=lambda backend: self._plan(backend.device).workers,
            room=lambda backend: getattr(backend, "rows", 1) // (self.info.batch or 1),
        )
        cache.remember(key, backend.name)
        if self.features is not None:
            backend = self._splitting(backend.name, self.features).better_than(backend)
        return backend, measured

    def _opened(self, name: str) -> Backend:
        """Open a back end by its name, in halves where that is better."""
        is_missing = name in GPU_BACKENDS and not is_on_gpu(name)  # and the CPU takes its place
        if self.features is None or is_missing:
            return open_backend(name, self.info, self._plan("cpu"))
        return self._splitting(name, self.features).open()

    def _splitting(self, name: str, features: FeatureOptions) -> Splitting:
        plan = self._plan("cpu")
        return Splitting(
            self.info,
            features,
            {**self._key(), "backend": name},
            open_whole=partial(open_backend, name, self.info, plan),
            open_exact=partial(open_backend, FLOAT32, self.info, plan),
            open_halves=partial(open_halves, name, self.info, plan, features),
            target=target_of(name),
            run=partial(picture_of, self.info),
        )

    def _key(self) -> dict[str, str | int | None]:
        return choice_key(
            self.info, threads=self.threads, workers=self.workers, runtime=runtime_version()
        )

    def _plan(self, device: str) -> WorkPlan:
        return plan_work(device, threads=self.threads, workers=self.workers, rows=self.rows)


def picture_of(
    info: ModelInfo, backend: Backend, inputs: Mapping[str, Tensor], faces: Sequence[str] = ()
) -> Tensor:
    """Run a network once and take its picture out of what it gives.

    Args:
        info: the network.
        backend: runs it.
        inputs: ``[b, 6, S, S]`` and ``[b, 32, 16, 16]``, by their names.
        faces: for each row what its visual input is called, if anything.

    Returns:
        float32 ``[b, 3, S, S]``.

    Raises:
        BackendError: it fails, or gives what its file does not promise.
    """
    promised = (len(inputs[info.audio_name]), *info.output_shape)
    if isinstance(backend, SplitBackend):
        return take_output(backend.run(inputs, faces), 0, promised)
    return take_output(backend.run(inputs), info.output_index, promised)
