"""Whose frame is next: the order in which waiting jobs get their turns."""

from __future__ import annotations

from collections import OrderedDict, deque

from viseme.serving.job import Job, Lane

__all__ = ["PATIENCE", "Lanes"]

PATIENCE = 16
"""Frames of more urgent lanes that may go before a waiting lane in a row; then it has a turn.

A lane that got nothing at all would hold its requests, and what they have in memory, for as long
as the others are busy, without a sign to anybody. Live streams are admitted with a bound below
what the machine makes, so the one frame in 17 that they give up is one that they can spare."""


class Lanes:
    """The jobs that wait, by lane; not for several threads at once.

    The most urgent lane goes first, within :data:`PATIENCE`. In a lane the streams take turns
    frame by frame, where a job that is of no stream is one by itself: so a job of one frame waits
    for one frame of each other job at most, however many those have.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, OrderedDict[object, deque[Job]]] = {
            lane: OrderedDict() for lane in Lane
        }
        self._passed_over = dict.fromkeys(Lane, 0)
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """The number of frames that wait."""
        return self._waiting

    def jobs(self) -> list[Job]:
        """Give the jobs that have frames waiting."""
        return [
            job for streams in self._lanes.values() for jobs in streams.values() for job in jobs
        ]

    def push(self, job: Job) -> None:
        """Put a job, of which nothing has begun, at the end of its lane or of its stream."""
        if len(job):
            self._lanes[job.lane].setdefault(job.stream, deque()).append(job)
            self._waiting += len(job)

    def pop(self) -> tuple[Job, int]:
        """Take the frame that is next: its job and its number in that.

        Raises:
            IndexError: if none waits.
        """
        streams = self._lanes[self._choose()]
        stream, jobs = next(iter(streams.items()))
        job = jobs[0]
        row = job.begun
        job.begun += 1
        self._waiting -= 1
        if job.begun == len(job):
            jobs.popleft()
        streams.move_to_end(stream)
        if not jobs:
            del streams[stream]
        return job, row

    def discard(self, job: Job) -> None:
        """Drop what waits of a job; nothing if nothing does."""
        streams = self._lanes[job.lane]
        jobs = streams.get(job.stream, ())
        if job in jobs:
            streams[job.stream].remove(job)
            self._waiting -= len(job) - job.begun
            if not streams[job.stream]:
                del streams[job.stream]

    def _choose(self) -> Lane:
        """Pick the lane that is next, and count for those that are passed over."""
        waiting = [lane for lane in Lane if self._lanes[lane]]
        if not waiting:
            raise IndexError("no frame waits")
        # Of several that were passed over for too long, the least urgent has waited longest.
        overdue = [lane for lane in waiting if self._passed_over[lane] >= PATIENCE]
        chosen = overdue[-1] if overdue else waiting[0]
        for lane in Lane:
            if lane is chosen or lane not in waiting:
                self._passed_over[lane] = 0
            elif lane > chosen:
                self._passed_over[lane] += 1
        return chosen
