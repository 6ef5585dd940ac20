"""Where jobs wait, and workers wait for them: the lanes for many threads."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from viseme.errors import UnavailableError
from viseme.serving.job import Job
from viseme.serving.lanes import Lanes

__all__ = ["JobQueue", "Task", "Turn", "stopping"]


class Task(NamedTuple):
    """A frame that a worker has taken."""

    job: Job
    row: int


class Turn(NamedTuple):
    """What a worker takes at once."""

    tasks: list[Task]
    """Frames to run together; none where all that waited was cancelled or late."""
    late: list[Job]
    """Jobs that were found to be past their deadlines, for the worker to fail."""


class JobQueue:
    """Hands out the frames of jobs, a few at a time, in the order of :class:`Lanes`.

    It settles no future itself: what a future's callbacks do has no place under its lock.

    Args:
        rows: how many frames are handed out at once, at most.
        batch_wait_s: how long a frame is held for others to go with it, where `rows` is over 1.
    """

    def __init__(self, *, rows: int, batch_wait_s: float) -> None:
        self._rows = rows
        self._batch_wait_s = batch_wait_s
        self._lanes = Lanes()
        self._changed = threading.Condition()
        self._gathering = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """The number of frames that wait."""
        with self._changed:
            return self._lanes.waiting

    def put(self, job: Job) -> None:
        """Let a job wait.

        Raises:
            UnavailableError: if the queue is closed.
        """
        with self._changed:
            if self._closed:
                raise stopping()
            self._lanes.push(job)
            self._changed.notify_all()

    def drop(self, job: Job) -> None:
        """Drop what waits of a job; nothing if nothing does."""
        with self._changed:
            self._lanes.discard(job)
            self._changed.notify_all()

    def take(self) -> Turn | None:
        """Wait for frames and take some; None when there will be no more.

        Frames whose future is done, by an error or by being cancelled, are dropped.
        """
        with self._changed:
            if not self._wait():
                return None
            late = self._discard_late()
            tasks: list[Task] = []
            while len(tasks) < self._rows and self._lanes.waiting:
                task = Task(*self._lanes.pop())
                if not task.job.future.done():
                    tasks.append(task)
            self._changed.notify_all()
            return Turn(tasks, late)

    def close(self, grace_s: float) -> list[Job]:
        """Take in no more, wait for the queue to empty within the grace, and give what is left."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._lanes.waiting, timeout=grace_s)
            left = self._lanes.jobs()
            for job in left:
                self._lanes.discard(job)
            self._changed.notify_all()
            return left

    def _wait(self) -> bool:
        """Wait until a frame waits, and a little for company; False when the end has come.

        One worker at a time waits for company, so that two frames that come one after the other
        do not each wait with a worker of their own. The frames stay in the lanes meanwhile, so
        that one of a more urgent lane still goes first.
        """
        self._changed.wait_for(
            lambda: self._closed or (self._lanes.waiting and not self._gathering)
        )
        if self._rows > 1 and not self._closed:
            self._gathering = True
            self._changed.wait_for(
                lambda: self._closed or not 0 < self._lanes.waiting < self._rows,
                timeout=self._batch_wait_s,
            )
            self._gathering = False
        return not self._closed or self._lanes.waiting > 0

    def _discard_late(self) -> list[Job]:
        """Take out all jobs past their deadlines, also those whose turn is far off."""
        now_s = time.monotonic()
        late = [job for job in self._lanes.jobs() if job.is_late(now_s)]
        for job in late:
            self._lanes.discard(job)
        return late


def stopping() -> UnavailableError:
    """Make the error of whoever comes, or still waits, when the server ends."""
    return UnavailableError("The server is stopping; send the request to another, or later.")
