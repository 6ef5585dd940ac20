"""The back ends by the names that users give them, and choosing among them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from viseme.engine.backend import Backend
from viseme.engine.bound import BoundBackend
from viseme.engine.machine import WorkPlan
from viseme.engine.model import ModelInfo
from viseme.engine.onnx_runtime import OnnxRuntimeBackend, available_targets
from viseme.engine.open_vino import OpenVINOBackend, check_installed
from viseme.engine.rewriting import rewritten
from viseme.errors import BackendError, MissingExtraError, VisemeWarning

__all__ = [
    "AUTO",
    "BACKEND_NAMES",
    "FLOAT32",
    "GPU_BACKENDS",
    "candidates",
    "check_backend",
    "open_backend",
    "open_part",
]

AUTO = "auto"
"""Measure what there is, and take the fastest that is exact enough."""
FLOAT32 = "onnxruntime"
"""What is there on every machine, and what the others are compared with."""

Shapes = Mapping[str, tuple[int, ...]]
Opener = Callable[[Path, Shapes, WorkPlan], Backend]


def _onnx_runtime(network: Path | bytes, _: Shapes, plan: WorkPlan) -> Backend:
    return OnnxRuntimeBackend(network, threads=plan.threads)


_HALF_OPTIONS = {"prefer_nhwc": "1"}  # as the matrix units of NVIDIA's GPUs want halves to lie


def _on_gpu(
    path: Path, shapes: Shapes, plan: WorkPlan, *, target: str, precision: str = "float32"
) -> Backend:
    if "cuda" in available_targets():  # where TensorRT is, CUDA is, too
        options = _HALF_OPTIONS if precision == "float16" else None
        backend = BoundBackend(
            path,
            shapes=shapes,
            target=target,
            precision=precision,
            rows=plan.rows,
            provider_options=options,
        )
        if backend.device == "gpu":
            return backend
        backend.close()
    return _OPENERS[FLOAT32](path, shapes, plan)


def _open_vino(network: Path | bytes, shapes: Shapes, plan: WorkPlan, *, precision: str) -> Backend:
    return OpenVINOBackend(
        network,
        precision=precision,
        shapes=shapes,
        threads=plan.threads,
        workers=plan.workers,
    )


def _anew(path: Path, shapes: Shapes, plan: WorkPlan, *, name: str) -> Backend:
    """Open what a network is made into for a processor."""
    return _ON_PROCESSORS[name](rewritten(path) or path, shapes, plan)


_ON_PROCESSORS: dict[str, Callable[[Path | bytes, Shapes, WorkPlan], Backend]] = {
    "onnxruntime": _onnx_runtime,
    "openvino": partial(_open_vino, precision="float32"),
    "openvino-bf16": partial(_open_vino, precision="bfloat16"),
}
_OPENERS: dict[str, Opener] = {
    "onnxruntime": partial(_anew, name="onnxruntime"),
    "cuda": partial(_on_gpu, target="cuda"),
    "cuda-fp16": partial(_on_gpu, target="cuda", precision="float16"),
    "tensorrt": partial(_on_gpu, target="tensorrt"),
    "openvino": partial(_anew, name="openvino"),
    "openvino-bf16": partial(_anew, name="openvino-bf16"),
}
GPU_BACKENDS = ("cuda", "cuda-fp16", "tensorrt")
"""Those that run on a GPU, where there is one."""
_OPENVINO_NAMES = ("openvino", "openvino-bf16")

BACKEND_NAMES = (AUTO, *_OPENERS)
"""What may be asked for."""


def check_backend(name: str) -> None:
    """Refuse, without loading anything, what :func:`open_backend` could do nothing with.

    Raises:
        BackendError: if there is no such back end; names the ones there are.
        MissingExtraError: if its library is not installed.
    """
    if name not in BACKEND_NAMES:
        raise BackendError(f"There is no back end {name!r}; choose {_listed(BACKEND_NAMES)}.")
    if name in _OPENVINO_NAMES:
        check_installed()


def open_backend(name: str, info: ModelInfo, plan: WorkPlan) -> Backend:
    """Open a generator in the back end of that name, which is not ``"auto"``.

    Where one of :data:`GPU_BACKENDS` is not to be had, what is taken instead is told in a
    :class:`VisemeWarning`.

    Raises:
        BackendError: if there is no such back end, or it does not work on this machine.
        MissingExtraError: if its library is not installed.
        ModelError: if it cannot read the network.
    """
    check_backend(name)
    backend = _opener(name, info, plan)()
    if backend.name != name:
        warnings.warn(
            f"The back end {name!r} is not to be had here; {backend.name!r} is used instead.",
            VisemeWarning,
            stacklevel=2,
        )
    return backend


def open_part(
    name: str, path: Path, shapes: Shapes, *, plan: WorkPlan, prepared: bool = False
) -> Backend:
    """Open a part of a generator, in a back end that has run all of it.

    Args:
        name: the back end's, one that runs on a processor.
        path: the part's ONNX file, made anew for processors.
        shapes: of its inputs by name, for one frame.
        plan: how the cores are shared out.
        prepared: whether ONNX Runtime has written it, which then is to run it.

    Raises:
        BackendError: if the back end does not work on this machine.
        ModelError: if it cannot read the network.
    """
    if prepared:
        return OnnxRuntimeBackend(path, threads=plan.threads, prepared=True)
    return _ON_PROCESSORS[name](path, shapes, plan)


def candidates(info: ModelInfo, plan: WorkPlan) -> dict[str, Callable[[], Backend]]:
    """Give what opens each back end that is installed, ONNX Runtime on the CPU first."""
    names = ["onnxruntime", *(name for name in available_targets() if name != "onnxruntime")]
    if "cuda" in names:
        names.append("cuda-fp16")
    try:
        check_installed()
        names += _OPENVINO_NAMES
    except MissingExtraError:
        pass
    return {name: _opener(name, info, plan) for name in names}


def _opener(name: str, info: ModelInfo, plan: WorkPlan) -> Callable[[], Backend]:
    plan = replace(plan, rows=info.batch or plan.rows)
    return partial(_OPENERS[name], info.path, _shapes(info), plan)


def _shapes(info: ModelInfo) -> Shapes:
    batch = info.batch or 1
    return {
        info.visual_name: (batch, *info.visual_shape),
        info.audio_name: (batch, *info.audio_shape),
    }


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]
