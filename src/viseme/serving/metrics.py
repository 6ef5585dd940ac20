"""What the server counts, for Prometheus, on a registry of its own."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from viseme._version import __version__
from viseme.serving.capacity import Averages, live_frames_per_second, streams_that_fit

__all__ = ["CONTENT_TYPE", "Gauges", "Metrics", "Now", "Run"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
"""What `/metrics` answers with."""

_MAX_METHODS = 100
"""A method costs memory for ever, so what clients call besides what there is, is one: "other"."""

# Seconds. A frame is shown for 0.04, so the buckets are close around it; a waiting frame and a
# whole request have longer tails.
_FRAME_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.1, 0.25, 1.0)
_WAIT_BUCKETS = (0.0005, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)
_ROW_BUCKETS = (1, 2, 4, 8, 16, 32)


class Run(Protocol):
    """What the scheduler reports of one run of the network."""

    @property
    def lanes(self) -> Sequence[Enum]:
        """The lane of each frame in it."""

    @property
    def waits_s(self) -> Sequence[float]:
        """How long each of them had waited."""

    @property
    def seconds(self) -> float:
        """How long the run took."""

    @property
    def failures(self) -> int:
        """How many of the frames failed."""


def _nothing() -> float:
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """Where the figures of the moment are asked for, so that none is kept twice; for any thread.

    Each is called whenever the metrics are read.
    """

    frames_per_s: Callable[[], float] = _nothing
    """Frames made a second now."""
    queued_frames: Callable[[], float] = _nothing
    """Frames that wait or are at work."""
    bytes_in_flight: Callable[[], float] = _nothing
    """Bytes of requests that are held."""
    streams: Callable[[], float] = _nothing
    """Live streams that are open."""


class Now(NamedTuple):
    """The figures that are always asked for."""

    frames_per_s: float
    """Frames made a second, just now."""
    streams: int
    """Live streams that are open."""
    streams_free: int
    """How many more would fit."""


class Metrics:
    """All counts of a server. The methods are for any thread, and cost microseconds.

    Args:
        gauges: where the figures of the moment come from.
        streams_max: how many live streams the configuration allows.
        cores: how many cores there are for composing and encoding.
    """

    def __init__(self, gauges: Gauges, *, streams_max: int, cores: int) -> None:
        self._gauges = gauges
        self._streams_max = streams_max
        self._cores = cores
        self._engine_frames_per_s = math.inf
        self._shared_cores = True
        self._costs = Averages()
        self._methods: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self.registry = CollectorRegistry()
        """What a server that embeds this one may collect with its own."""
        self._make_request_metrics()
        self._make_frame_metrics()
        self._make_gauges()
        ProcessCollector(registry=self.registry)

    def describe(self, *, model: str, backend: str, device: str, frames_per_s: float) -> None:
        """Say what is served; once for each network. Streams are reckoned with the slowest.

        Args:
            model: the network's file.
            backend: what runs it, in truth.
            device: "cpu" or "gpu".
            frames_per_s: what it makes with all workers busy, as measured.
        """
        self._build.labels(__version__, model, backend, device).set(1)
        if frames_per_s < self._engine_frames_per_s:
            self._engine_frames_per_s = frames_per_s
            self._shared_cores = device == "cpu"

    def request_done(self, door: str, method: str, code: str, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            door: "grpc" or "http".
            method: what was called; a route and not a path, so that there are few.
            code: the status that was answered.
            seconds: how long it took.
        """
        method = self._bounded(door, method)
        self._requests.labels(door, method, code).inc()
        self._request_seconds.labels(door, method).observe(seconds)

    def run_done(self, run: Run) -> None:
        """Count a run of the network; the scheduler's `on_run`."""
        self._inference.observe(run.seconds)
        self._rows.observe(len(run.lanes))
        for lane, wait_s in zip(run.lanes, run.waits_s, strict=True):
            self._wait.labels(lane.name.lower()).observe(wait_s)
        self._frames.labels("made").inc(len(run.lanes) - run.failures)
        self._frames.labels("failed").inc(run.failures)

    def frame_composed(self, seconds: float) -> None:
        """Count the time that composing one frame took."""
        self._composition.observe(seconds)
        self._costs.add("composition", seconds)

    def frame_encoded(self, seconds: float) -> None:
        """Count the time that encoding one frame took."""
        self._encoding.observe(seconds)
        self._costs.add("encoding", seconds)

    def now(self) -> Now:
        """Give the figures of the moment."""
        other_s = self._costs.mean("composition") + self._costs.mean("encoding")
        known = math.isfinite(self._engine_frames_per_s)
        whole = live_frames_per_second(
            self._engine_frames_per_s if known else 0.0,
            other_s,
            cores=self._cores,
            shared=self._shared_cores,
        )
        streams = int(self._gauges.streams())
        free = streams_that_fit(whole, streams, self._streams_max)
        return Now(self._gauges.frames_per_s(), streams, free)

    def text(self) -> bytes:
        """Write all of it as Prometheus reads it."""
        return generate_latest(self.registry)

    def _make_request_metrics(self) -> None:
        self._requests = Counter(
            "viseme_requests",
            "Requests that were answered.",
            ("door", "method", "code"),
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "viseme_request_seconds",
            "From a request's beginning to the end of its answer.",
            ("door", "method"),
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )

    def _make_frame_metrics(self) -> None:
        self._frames = Counter(
            "viseme_frames", "Frames that the network made.", ("outcome",), registry=self.registry
        )
        self._wait = Histogram(
            "viseme_queue_wait_seconds",
            "How long a frame waited for the network.",
            ("lane",),
            buckets=_WAIT_BUCKETS,
            registry=self.registry,
        )
        self._rows = Histogram(
            "viseme_batch_rows",
            "Frames in one run of the network.",
            buckets=_ROW_BUCKETS,
            registry=self.registry,
        )
        self._inference = self._stage("inference", "One run of the network.")
        self._composition = self._stage("composition", "Putting one face into its frame.")
        self._encoding = self._stage("encoding", "Encoding one frame.")

    def _stage(self, name: str, what: str) -> Histogram:
        return Histogram(
            f"viseme_{name}_seconds", what, buckets=_FRAME_BUCKETS, registry=self.registry
        )

    def _make_gauges(self) -> None:
        self._build = Gauge(
            "viseme_build_info",
            "Always 1; the labels say what is served, and what it runs on.",
            ("version", "model", "backend", "device"),
            registry=self.registry,
        )
        asked = {
            "frames_per_second": ("Frames made a second now.", self._gauges.frames_per_s),
            "queued_frames": ("Frames that wait or are at work.", self._gauges.queued_frames),
            "bytes_in_flight": ("Bytes of requests under way.", self._gauges.bytes_in_flight),
            "live_streams": ("Live streams that are open.", self._gauges.streams),
            "live_streams_free": (
                "Live streams that still fit, of 25 frames a second each.",
                lambda: float(self.now().streams_free),
            ),
        }
        for name, (what, ask) in asked.items():
            Gauge(f"viseme_{name}", what, registry=self.registry).set_function(ask)

    def _bounded(self, door: str, method: str) -> str:
        with self._lock:
            if (door, method) not in self._methods:
                if len(self._methods) >= _MAX_METHODS:
                    return "other"
                self._methods.add((door, method))
        return method
