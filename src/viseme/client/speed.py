"""The existing client's test: batches of growing size, what the server took and what it cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from viseme.client.client import Client
from viseme.client.tensor_data import TensorData

__all__ = ["BatchTimes", "time_batches"]


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """What batches of one size took; figures are medians of the runs."""

    batch: int
    """Frames in each."""
    server_runs_ms: list[float] = field(default_factory=list)
    """What the server said it took, each run."""
    total_runs_ms: list[float] = field(default_factory=list)
    """From array to array, each run."""

    @property
    def server_ms(self) -> float:
        """The server's own time."""
        return statistics.median(self.server_runs_ms)

    @property
    def total_ms(self) -> float:
        """The round trip."""
        return statistics.median(self.total_runs_ms)

    @property
    def frame_ms(self) -> float:
        """The round trip's share of one frame."""
        return self.total_ms / self.batch

    @property
    def overhead_ms(self) -> float:
        """What of the round trip is not the server's time."""
        pairs = zip(self.total_runs_ms, self.server_runs_ms, strict=True)
        return statistics.median(total - server for total, server in pairs)

    @property
    def frames_per_s(self) -> float:
        """Frames a second of a client that asks for one batch after the other."""
        return 1000 * self.batch / self.total_ms

    @property
    def ratio(self) -> float:
        """The round trip in server times; 1 would be a line that costs nothing."""
        return self.total_ms / self.server_ms if self.server_ms else float("inf")

    def figures(self) -> dict[str, float]:
        """Give all of it by name, for programs."""
        return {
            "batch": self.batch,
            "runs": len(self.total_runs_ms),
            "server_ms": round(self.server_ms, 3),
            "frame_ms": round(self.frame_ms, 3),
            "round_trip_ms": round(self.total_ms, 3),
            "round_trip_ms_min": round(min(self.total_runs_ms), 3),
            "round_trip_ms_max": round(max(self.total_runs_ms), 3),
            "overhead_ms": round(self.overhead_ms, 3),
            "frames_per_s": round(self.frames_per_s, 3),
            "ratio": round(self.ratio, 4),
        }


def time_batches(
    client: Client, data: TensorData, batches: Sequence[int], runs: int
) -> list[BatchTimes]:
    """Run each batch once to warm up and then so often, size after size, round after round.

    Args:
        client: of the server to test.
        data: what to send; its frames are taken in turn.
        batches: sizes, each from 1 to 25.
        runs: how often each is measured.

    Raises:
        VisemeError: as `Client.infer_batch`.
    """
    times = [BatchTimes(batch) for batch in batches]
    _round(client, data, [BatchTimes(batch) for batch in batches], 0)
    for run in range(runs):
        _round(client, data, times, run)
    return times


def _round(client: Client, data: TensorData, times: Iterable[BatchTimes], run: int) -> None:
    for row in times:
        start = run * row.batch % len(data)
        visual, window = data.batch(start, row.batch)
        start_s = time.perf_counter()
        result = client.infer_batch(visual, window, start_frame=start)
        row.total_runs_ms.append(1000 * (time.perf_counter() - start_s))
        row.server_runs_ms.append(result.inference_time_ms)
