"""The networks of a server: each opened and warmed up once, however many speak with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from viseme.avatar.bundle import digest
from viseme.engine import (
    AudioEncoder,
    Backend,
    Batching,
    FeatureOptions,
    Inferencer,
    WarmUp,
    measure_batching,
)
from viseme.engine.features import DEFAULT_FEATURE_BYTES
from viseme.engine.model import MEL_PATCH
from viseme.errors import ModelError
from viseme.serving.scheduler import BATCH_WAIT_S, RunReport, Scheduler

__all__ = ["GeneratorOptions", "GeneratorReport", "ServedGenerator", "SharedNetworks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorOptions:
    """How to run generators."""

    backend: str | Backend = "auto"
    """What runs them, as `Inferencer` takes it; one that is open, for a single generator."""
    workers: int | None = None
    """Frames in a generator at once; None fits them to the machine."""
    threads: int | None = None
    """CPU cores for one frame; None fits them to the machine."""
    batch_wait_s: float = BATCH_WAIT_S
    """How long a frame is held for others to run with it, where that is faster."""
    feature_budget_bytes: int = DEFAULT_FEATURE_BYTES
    """Disk for what one of them makes of faces; 0 keeps nothing."""


@dataclass(frozen=True, slots=True)
class GeneratorReport:
    """What came of opening a generator."""

    model: Path
    """Its file; where the same is there several times, the first."""
    sha256: str
    """That of the file."""
    warm_up: WarmUp
    batching: Batching
    workers: int
    """Runs at once."""


@dataclass(frozen=True, slots=True)
class ServedGenerator:
    """A generator that is open and warm, and its scheduler, which is the way to it."""

    scheduler: Scheduler
    report: GeneratorReport


class SharedNetworks:
    """Opens networks, each file once by its SHA-256, and closes them all.

    Args:
        options: how to run the generators.
        on_run: told of each run of any generator, as `Scheduler` does it.
    """

    def __init__(self, options: GeneratorOptions, on_run: Callable[[RunReport], None]) -> None:
        self._options = options
        self._on_run = on_run
        self._generators: dict[str, ServedGenerator] = {}
        self._encoders: dict[str, AudioEncoder] = {}
        self._stack = ExitStack()

    @property
    def reports(self) -> tuple[GeneratorReport, ...]:
        """What came of each generator, in the order in which they were opened."""
        return tuple(generator.report for generator in self._generators.values())

    def generator(self, path: Path, *, faces: int = 0) -> ServedGenerator:
        """Give the generator of a file, warm.

        Args:
            path: the file.
            faces: how many faces it will be told the names of, those of all who speak with it;
                counts where the file is opened.

        Raises:
            ModelError: it is missing, damaged or no generator.
            BackendError: the back end does not work on this machine.
            MissingExtraError: the back end is not installed.
        """
        sha256 = _sha256(path)
        if sha256 not in self._generators:
            self._generators[sha256] = self._open_generator(path, sha256, faces)
        return self._generators[sha256]

    def audio_encoder(self, path: Path) -> AudioEncoder:
        """Give the audio encoder of a file, warm.

        Raises:
            ModelError: it is missing, damaged or no audio encoder.
        """
        sha256 = _sha256(path)
        if sha256 not in self._encoders:
            encoder = self._stack.enter_context(AudioEncoder(path))
            encoder(np.zeros((1, *MEL_PATCH), np.float32))
            self._encoders[sha256] = encoder
        return self._encoders[sha256]

    def close(self, grace_s: float = 0.0) -> None:
        """Let the schedulers finish within the grace, all together, then close everything."""
        end_s = time.monotonic() + grace_s
        for generator in self._generators.values():
            generator.scheduler.close(max(0.0, end_s - time.monotonic()))
        self._stack.close()

    def _open_generator(self, path: Path, sha256: str, faces: int) -> ServedGenerator:
        options = self._options
        features = FeatureOptions(faces, guests=True, budget_bytes=options.feature_budget_bytes)
        inferencer = self._stack.enter_context(
            Inferencer(
                path,
                backend=options.backend,
                workers=options.workers,
                threads=options.threads,
                # One back end that is open cannot be two halves.
                features=features if isinstance(options.backend, str) else None,
            )
        )
        warm_up = inferencer.warm_up()
        batching = measure_batching(inferencer)
        scheduler = Scheduler(
            inferencer,
            rows=batching.rows,
            batch_wait_s=options.batch_wait_s,
            on_run=self._on_run,
        )
        return ServedGenerator(
            self._stack.enter_context(scheduler),
            GeneratorReport(path, sha256, warm_up, batching, inferencer.workers),
        )


def _sha256(path: Path) -> str:
    try:
        return digest(path)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror or error}); check the path and its rights."
        ) from error
