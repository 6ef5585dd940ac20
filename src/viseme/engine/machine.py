"""What this machine has: cores, and the name of its processor."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CPU_WORKERS_MAX",
    "GPU_ROWS",
    "GPU_WORKERS",
    "WorkPlan",
    "available_cores",
    "cpu_model",
    "gpu_models",
    "plan_work",
]

GPU_WORKERS = 5
"""Runs in flight on a GPU: enough to hide the copies to and from it behind the work."""
GPU_ROWS = 2
"""Frames in one run on a GPU: five such runs at once fill it, and a frame that comes alone costs
little more than it must."""
CPU_WORKERS_MAX = 4
"""Frames in flight on a CPU at most: each holds its own activations, some 100 MB at full size."""

_GPUS = Path("/proc/driver/nvidia/gpus")
_CPU_INFO = Path("/proc/cpuinfo")
_GENERATION = {"cpu family": "family", "model": "model"}
_VECTORS = {
    "amx_bf16": "AMX",
    "avx512_bf16": "AVX-512 with bfloat16",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
}
"""By Linux's names for them, the widest first."""
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class WorkPlan:
    """How the cores are shared out: ``workers`` frames at once with ``threads`` cores each."""

    workers: int
    threads: int
    rows: int = GPU_ROWS
    """Frames in one run, where a GPU runs them."""


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


def cpu_model(file: Path = _CPU_INFO) -> str:
    """Name the processor well enough to tell machines of different speed apart.

    Virtual machines give processors of several generations one name, so what Linux knows of its
    generation and its widest vectors is told beside it.
    """
    try:
        first = file.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:  # Not a Linux.
        first = ""
    pairs = (line.partition(":") for line in first.splitlines())
    known = {key.strip(): value.strip() for key, _, value in pairs}
    name = known.get("model name")
    if not name:
        return platform.processor() or platform.machine()
    beside = [f"{word} {known[key]}" for key, word in _GENERATION.items() if key in known]
    flags = known.get("flags", "").split()
    beside += [vectors for flag, vectors in _VECTORS.items() if flag in flags][:1]
    return f"{name} ({', '.join(beside)})" if beside else name


def gpu_models(folder: Path = _GPUS) -> list[str]:
    """Name NVIDIA's GPUs as their driver does on Linux; none elsewhere, or where there is none."""
    names = []
    for file in sorted(folder.glob("*/information")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("Model:"):
                names.append(line.partition(":")[2].strip())
    return names


def plan_work(
    device: str,
    *,
    threads: int | None = None,
    workers: int | None = None,
    rows: int | None = None,
    cores: int | None = None,
) -> WorkPlan:
    """Share out the cores, filling in what the caller left open.

    On a CPU, frames side by side use cores better than one frame spread over them, so there are
    as many workers as cores up to :data:`CPU_WORKERS_MAX`, and the cores are divided among them.
    On a GPU, the host's threads only feed it.

    Args:
        device: ``"cpu"`` or ``"gpu"``.
        threads: cores for one frame, if the caller knows.
        workers: frames at once, if the caller knows; on a GPU, runs.
        rows: frames in one run on a GPU, if the caller knows.
        cores: what there is to share; counted when not given.
    """
    rows = rows or GPU_ROWS
    if device == "gpu":
        return WorkPlan(workers or GPU_WORKERS, threads or 1, rows)
    cores = cores or available_cores()
    if workers is None:
        workers = max(1, min(CPU_WORKERS_MAX, cores // (threads or 1)))
    return WorkPlan(workers, threads or max(1, cores // workers), rows)
