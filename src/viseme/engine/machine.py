"""What this machine has: cores, and the name of its processor."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CPU_WORKERS_MAX",
    "GPU_WORKERS",
    "WorkPlan",
    "available_cores",
    "cpu_model",
    "plan_work",
]

GPU_WORKERS = 5
"""Frames in flight on a GPU: enough to hide the copies to and from it behind the work."""
CPU_WORKERS_MAX = 4
"""Frames in flight on a CPU at most: each holds its own activations, some 100 MB at full size."""

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class WorkPlan:
    """How the cores are shared out: ``workers`` frames at once with ``threads`` cores each."""

    workers: int
    threads: int


def available_cores() -> int:
    """Count the cores that this process may use, by affinity and by its container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota_cores() or cores))


def _quota_cores() -> int | None:
    """Read the quota of a control group, version 2: "MICROSECONDS PERIOD" or "max PERIOD"."""
    try:
        quota, period = _CGROUP_QUOTA.read_text(encoding="ascii").split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None


def cpu_model() -> str:
    """Name the processor well enough to tell machines of different speed apart."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # Not a Linux.
    return platform.processor() or platform.machine()


def plan_work(
    device: str, *, threads: int | None = None, workers: int | None = None, cores: int | None = None
) -> WorkPlan:
    """Share out the cores, filling in what the caller left open.

    On a CPU, frames side by side use cores better than one frame spread over them, so there are
    as many workers as cores up to :data:`CPU_WORKERS_MAX`, and the cores are divided among them.
    On a GPU, the host's threads only feed it.

    Args:
        device: ``"cpu"`` or ``"gpu"``.
        threads: cores for one frame, if the caller knows.
        workers: frames at once, if the caller knows.
        cores: what there is to share; counted when not given.
    """
    if device == "gpu":
        return WorkPlan(workers or GPU_WORKERS, threads or 1)
    cores = cores or available_cores()
    if workers is None:
        workers = max(1, min(CPU_WORKERS_MAX, cores // (threads or 1)))
    return WorkPlan(workers, threads or max(1, cores // workers))
