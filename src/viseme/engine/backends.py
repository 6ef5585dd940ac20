"""The back ends by the names that users give them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from viseme.engine.backend import Backend
from viseme.engine.machine import WorkPlan
from viseme.engine.model import ModelInfo
from viseme.engine.onnx_runtime import OnnxRuntimeBackend
from viseme.errors import BackendError

__all__ = ["AUTO", "BACKEND_NAMES", "check_backend", "open_backend"]

AUTO = "auto"
"""Measure what there is, and take the fastest that is exact enough."""

Opener = Callable[[ModelInfo, WorkPlan], Backend]


def _onnx_runtime(info: ModelInfo, plan: WorkPlan, *, target: str) -> Backend:
    return OnnxRuntimeBackend(info.path, target=target, threads=plan.threads)


_OPENERS: dict[str, Opener] = {
    "onnxruntime": partial(_onnx_runtime, target="onnxruntime"),
    "cuda": partial(_onnx_runtime, target="cuda"),
    "tensorrt": partial(_onnx_runtime, target="tensorrt"),
}

BACKEND_NAMES = (AUTO, *_OPENERS)
"""What may be asked for."""


def check_backend(name: str) -> None:
    """Refuse, without loading anything, a name that :func:`open_backend` could do nothing with.

    Raises:
        BackendError: if there is no such back end; names the ones there are.
    """
    if name not in BACKEND_NAMES:
        raise BackendError(f"There is no back end {name!r}; choose one of {_listed()}.")


def open_backend(name: str, info: ModelInfo, plan: WorkPlan) -> Backend:
    """Open a generator in the back end of that name, which is not ``"auto"``.

    Raises:
        BackendError: if there is no such back end, or it does not work on this machine.
        ModelError: if it cannot read the network.
    """
    check_backend(name)
    return _OPENERS[name](info, plan)


def _listed() -> str:
    return ", ".join(BACKEND_NAMES)
