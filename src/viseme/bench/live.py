"""`viseme bench live`: how many people at once this machine can speak for, in real time.

Each stream is one call of `viseme.v1/Live` whose client sends sound at the speed of speech. How
much later a picture comes than the last of the sound that it needs is its delay. Who plays a
stream begins by the delay of its first seconds, so what a picture has beyond that is its lateness.
One more stream after the other is tried until too many pictures come too late; beside them, in
turns, those of the plain reference.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from viseme.audio import FRAME_RATE_HZ, SAMPLE_RATE_HZ, read
from viseme.bench.processes import module_command, serving
from viseme.bench.transport import Served
from viseme.client import AsyncClient, AsyncLive, LiveOptions, LiveVideo, Pictures, RawSound

__all__ = [
    "LATE_MS",
    "OURS",
    "PLAIN",
    "LiveReport",
    "LiveTask",
    "StreamsRun",
    "measure_live",
    "plain_server",
]

OURS: Final = "viseme"
PLAIN: Final = "plain"
"""How the two servers are called, by people and by programs."""

LATE_MS: Final = 1000 / FRAME_RATE_HZ
"""The lateness that is too much: a picture's own time."""
_PIECE_S: Final = 0.04
"""Sound is sent in pieces of this length, as a browser's audio worklet collects them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTask:
    """What to measure."""

    seconds: float = 20.0
    """How long so many streams are watched."""
    settle_s: float = 2.0
    """The beginning of that, which sets the pace and is not counted."""
    most: int = 16
    """How many streams are tried at most."""
    output: str = "h264"
    """`h264`, `vp8`, `vp9`, `jpeg`, `png` or `bgr`."""

    @property
    def pictures(self) -> Pictures | LiveVideo:
        """How the pictures are asked for."""
        if self.output in ("h264", "vp8", "vp9"):
            return LiveVideo(self.output)  # type: ignore[arg-type] # as has just been seen
        return Pictures(self.output)  # type: ignore[arg-type] # the client refuses others


@dataclass(slots=True)
class StreamsRun:
    """What so many streams at once got of a server."""

    way: str
    """`OURS` or `PLAIN`."""
    streams: int
    late_ms: list[float] = field(default_factory=list)
    """Of each picture; below 0 where it came early."""
    delay_ms: list[float] = field(default_factory=list)
    rates_hz: list[float] = field(default_factory=list)
    """How many pictures a second came, of each stream."""
    picture_bytes: int = 0

    def percentile(self, percent: float) -> float:
        """Return the lateness in ms that so many percent of the pictures do not pass."""
        return float(np.percentile(self.late_ms, percent))

    @property
    def holds(self) -> bool:
        """Whether 99 of 100 pictures came in time."""
        return self.percentile(99) <= LATE_MS

    def figures(self, seconds: float) -> dict[str, Any]:
        """Give it by name, for programs."""
        return {
            "streams": self.streams,
            "way": self.way,
            "pictures": len(self.late_ms),
            "pictures_per_s": round(float(np.median(self.rates_hz)), 2),
            "delay_ms": round(float(np.median(self.delay_ms)), 1),
            "late_ms": {
                "median": round(self.percentile(50), 1),
                "p99": round(self.percentile(99), 1),
                "most": round(max(self.late_ms), 1),
            },
            "mbit_per_s": round(8e-6 * self.picture_bytes / self.streams / seconds, 2),
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class LiveReport:
    """What was measured."""

    task: LiveTask
    served: Served
    runs: list[StreamsRun]

    @property
    def most(self) -> dict[str, int]:
        """How many streams at once had their pictures in time, of each server."""
        most = dict.fromkeys((run.way for run in self.runs), 0)
        for run in self.runs:
            if run.holds:
                most[run.way] = max(most[run.way], run.streams)
        return most

    def figures(self) -> dict[str, Any]:
        """Give all of it by name, for programs."""
        watched_s = self.task.seconds - self.task.settle_s
        return {
            "runs": [run.figures(watched_s) for run in self.runs],
            "streams": self.most,
            "server": self.served.said,
        }


@contextmanager
def plain_server(avatar: str) -> Iterator[Served]:
    """Start the plain reference for the time of the measurement.

    Raises:
        UnavailableError: it does not start.
    """
    with serving(module_command("viseme.bench.plain_live", avatar)) as said:
        yield Served(said["addresses"]["grpc"], None, said)


def measure_live(
    served: Mapping[str, Served], speech: Path, task: LiveTask, on_step: Callable[[str], None]
) -> LiveReport:
    """Try one stream more after the other with each server in turn, until pictures come too late.

    Args:
        served: the servers: `OURS`, and `PLAIN` where there is one.
        speech: what everyone says, again and again.
        task: what to measure.
        on_step: told, in a sentence, what begins now.

    Raises:
        VisemeError: the server refuses or ends, or the speech cannot be read.
    """
    samples = np.clip(np.rint(read(speech) * 32767), -32768, 32767).astype("<i2")
    runs: list[StreamsRun] = []
    going = list(served)
    for streams in range(1, task.most + 1):
        for way in list(going):
            on_step(f"Streams at once: {streams}, {way}.")
            runs.append(run := StreamsRun(way, streams))
            try:
                asyncio.run(_watch(served[way].grpc, samples.tobytes(), run, task))
            except BaseExceptionGroup as group:
                raise _first(group) from None
            if not run.holds:
                going.remove(way)
        going.reverse()
    runs.sort(key=lambda run: (run.streams, list(served).index(run.way)))
    return LiveReport(task, served[OURS], runs)


async def _watch(address: str, speech: bytes, run: StreamsRun, task: LiveTask) -> None:
    async with AsyncClient(address) as client, asyncio.TaskGroup() as group:
        for number in range(run.streams):
            # Nobody begins at the same moment as another.
            group.create_task(_speak(client, speech, run, task, number / run.streams))


async def _speak(
    client: AsyncClient, speech: bytes, run: StreamsRun, task: LiveTask, phase: float
) -> None:
    """Be one client, from its first word to its last."""
    options = LiveOptions(raw=RawSound(SAMPLE_RATE_HZ), pictures=task.pictures)
    async with client.live(options) as live, asyncio.TaskGroup() as group:
        # All have begun before the first says anything that counts.
        start_s = time.monotonic() + 0.5 + phase * _PIECE_S
        group.create_task(_push(live, speech, start_s, task.seconds))
        lookahead_s = live.ready.lookahead_samples / SAMPLE_RATE_HZ
        first: list[float] = []
        delays: list[float] = []
        came_s: list[float] = []
        async for picture in live.pictures():
            now_s = time.monotonic()
            shown_s = picture.start_sample / SAMPLE_RATE_HZ
            delay_ms = 1000 * (now_s - start_s - _sent_s(shown_s + lookahead_s))
            if shown_s < task.settle_s:
                first.append(delay_ms)
            elif shown_s < task.seconds - lookahead_s:
                delays.append(delay_ms)
                came_s.append(now_s)
                run.picture_bytes += len(picture.data)
        run.delay_ms += delays
        run.rates_hz.append((len(came_s) - 1) / (came_s[-1] - came_s[0]))
        run.late_ms += (np.array(delays) - np.median(first)).tolist()


async def _push(live: AsyncLive, speech: bytes, start_s: float, seconds: float) -> None:
    """Send sound in real time: each piece once the last of its samples would have been spoken."""
    piece_bytes = 2 * round(_PIECE_S * SAMPLE_RATE_HZ)
    position = 0
    for number in range(1, round(seconds / _PIECE_S) + 1):
        await asyncio.sleep(start_s + number * _PIECE_S - time.monotonic())
        if position + piece_bytes > len(speech):
            position = 0
        await live.push(speech[position : position + piece_bytes])
        position += piece_bytes
    await live.finish()


def _first(error: BaseException) -> BaseException:
    """Return what went wrong first: when one stream ends, all others are ended."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _sent_s(heard_s: float) -> float:
    """Return when the last of the sound up to a time is sent: with the piece that has it."""
    return -(-heard_s // _PIECE_S) * _PIECE_S
