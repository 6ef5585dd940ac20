"""The only way to a generator in a server: many jobs share its workers, frame by frame."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from viseme.engine import Inferencer, Tensor
from viseme.errors import DeadlineError, VisemeError
from viseme.serving.job import Job, Lane
from viseme.serving.job_queue import JobQueue, Task, stopping

__all__ = ["BATCH_WAIT_S", "RunReport", "Scheduler"]

BATCH_WAIT_S = 0.002
"""How long a frame is held for company, where that is faster: well below what it saves."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run of the network was, for whoever counts."""

    lanes: tuple[Lane, ...]
    """The lane of each frame in it."""
    waits_s: tuple[float, ...]
    """How long each of them had waited since its job was submitted."""
    seconds: float
    """How long the run took; with a failure among several frames, also running them singly."""
    failures: int
    """How many of the frames failed."""


def _no_report(_: RunReport) -> None:
    """Count nothing."""


class Scheduler:
    """Shares out a generator's workers among jobs, by lane and in turns.

    Each job has arrays of its own for what goes in and what comes out, and a frame's bits do not
    depend on what runs beside it, so an answer is what it would be alone. A frame whose job was
    cancelled, has failed or is late is dropped when its turn comes, and costs nothing. An error
    is that of its own job alone. Used as a context manager; jobs that are submitted before it is
    entered wait until it is::

        with Scheduler(inferencer, rows=measure_batching(inferencer).rows) as scheduler:
            pictures = scheduler.submit(visual, audio).result()

    How much may be submitted is not its concern but that of `Admission`.

    Args:
        inferencer: the generator, which stays open.
        rows: how many frames to run at once, at most, as `measure_batching` found.
        batch_wait_s: how long a frame is held for others to run with it, where `rows` is over 1.
        on_run: told of every run, on the worker's thread, with no lock held.
    """

    def __init__(
        self,
        inferencer: Inferencer,
        *,
        rows: int = 1,
        batch_wait_s: float = BATCH_WAIT_S,
        on_run: Callable[[RunReport], None] = _no_report,
    ) -> None:
        self.inferencer = inferencer
        self.rows = rows
        self._on_run = on_run
        self._queue = JobQueue(rows=rows, batch_wait_s=batch_wait_s)
        self._workers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Start the workers, as many as the inferencer has room for; opens its back end."""
        for number in range(self.inferencer.workers):
            worker = threading.Thread(
                target=self._work, name=f"viseme-scheduler-{number}", daemon=True
            )
            worker.start()
            self._workers.append(worker)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        """The number of frames that wait for a worker."""
        return self._queue.waiting

    def submit(
        self,
        visual: NDArray[Any],
        audio: NDArray[Any],
        *,
        faces: Sequence[str] = (),
        lane: Lane = Lane.PROMPT,
        deadline_s: float | None = None,
        stream: object | None = None,
    ) -> Future[Tensor]:
        """Hand in a job.

        Args:
            visual: [B, 6, S, S] in 0..1, B G R. Neither array is copied if it is float32 and
                contiguous: leave them as they are until the future is done, and after that
                until the run that may be under way has ended.
            audio: one window for all frames, [32, 16, 16], or one for each, [B, 32, 16, 16].
            faces: what each visual input is called, as in `Question`.
            lane: how urgent it is.
            deadline_s: the `time.monotonic()` after which the answer is of no use.
            stream: any object; jobs of the same one take turns as one, in their order.

        Returns:
            A future of the pictures, float32 [B, 3, S, S], the caller's own. `cancel` works
            until it is done. In asyncio, `asyncio.wrap_future` awaits and cancels it. It fails
            with a BackendError of the network, with a DeadlineError, or with an
            UnavailableError if the scheduler is closed before it is done.

        Raises:
            InputError: if an array has another shape or type, or values that are not finite.
            UnavailableError: if the scheduler is closed.
        """
        job = Job(
            *self.inferencer.check_batch(visual, audio),
            self.inferencer.info.output_shape,
            faces=faces,
            lane=lane,
            deadline_s=deadline_s,
            stream=stream,
        )
        # Weakly, for a job and its future would hold each other, and the job its arrays.
        job.future.add_done_callback(partial(self._forget, weakref.ref(job)))
        self._queue.put(job)
        if not len(job):
            job.succeed()
        return job.future

    def close(self, grace_s: float = 0.0) -> None:
        """Take no new jobs, finish what waits within the grace, fail the rest, end the workers.

        A run that is under way cannot be broken off and is waited for. Closing again does
        nothing.
        """
        for job in self._queue.close(grace_s):
            job.fail(stopping())
        for worker in self._workers:
            worker.join()

    def _forget(self, reference: weakref.ref[Job], future: Future[Tensor]) -> None:
        """Drop what waits of a job that was cancelled, at once: it may hold much memory."""
        job = reference()
        if job is not None and future.cancelled():
            job.acknowledge_cancel()
            self._queue.drop(job)

    def _work(self) -> None:
        # A turn is a call of its own, so that a worker that waits holds on to no job's arrays.
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Wait for frames and run some; False when there will be no more."""
        turn = self._queue.take()
        if turn is None:
            return False
        for job in turn.late:
            job.fail(
                DeadlineError(
                    "The answer was not ready by its deadline; allow more time, or send fewer "
                    "frames at once."
                )
            )
        if turn.tasks:
            self._run(turn.tasks)
        return True

    def _run(self, tasks: list[Task]) -> None:
        start_s = time.monotonic()
        failures = self._predict(tasks)
        report = RunReport(
            lanes=tuple(task.job.lane for task in tasks),
            waits_s=tuple(start_s - task.job.submitted_s for task in tasks),
            seconds=time.monotonic() - start_s,
            failures=failures,
        )
        try:
            self._on_run(report)
        except Exception:  # noqa: BLE001 - what counts the work must not end it
            _log.exception("What counts the runs of the network failed")

    def _predict(self, tasks: list[Task]) -> int:
        """Run some frames together and write down what comes of them; tell how many failed."""
        try:
            pictures = self.inferencer.run(*_together(tasks))
        except Exception as error:  # noqa: BLE001 - the worker outlives whatever a frame raises
            if len(tasks) > 1:  # One of them is at fault: run singly, the others get their answers.
                return sum(self._predict([task]) for task in tasks)
            job = tasks[0].job
            self._queue.drop(job)
            job.fail(_bare(error))
            return 1
        for task, picture in zip(tasks, pictures, strict=True):
            task.job.put(task.row, picture)
        return 0


def _together(tasks: list[Task]) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Give the inputs of some frames as a batch; a single one is not copied."""
    faces = tuple(job.faces[row] for job, row in tasks)
    visual, audio = zip(
        *((job.visual[row : row + 1], job.audio[row : row + 1]) for job, row in tasks), strict=True
    )
    if len(tasks) == 1:
        return visual[0], audio[0], faces
    return np.concatenate(visual), np.concatenate(audio), faces


def _bare(error: Exception) -> Exception:
    """Take the tracebacks off an error, after writing down those that nobody foresaw.

    They hold the arrays of the calls that they lead through, and with them the very job that the
    error is given to: tens of megabytes in a circle that only the garbage collector would break.
    """
    if not isinstance(error, VisemeError):
        _log.error("The network failed in a way that is not known", exc_info=error)
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
