"""The back ends by the names that users give them, and choosing among them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from viseme.engine.backend import Backend
from viseme.engine.bound import BoundBackend, BoundOptions
from viseme.engine.device_halves import open_on_device
from viseme.engine.features import FeatureOptions
from viseme.engine.host_halves import open_on_host
from viseme.engine.machine import WorkPlan
from viseme.engine.model import ModelInfo
from viseme.engine.onnx_runtime import OnnxRuntimeBackend, available_targets
from viseme.engine.open_vino import OpenVINOBackend, check_installed
from viseme.engine.parts import Parts
from viseme.engine.rewriting import rewritten
from viseme.engine.split import Target
from viseme.engine.split_backend import SplitBackend
from viseme.errors import BackendError, MissingExtraError, VisemeWarning

__all__ = [
    "AUTO",
    "BACKEND_NAMES",
    "BFLOAT16",
    "FLOAT32",
    "GPU_BACKENDS",
    "candidates",
    "check_backend",
    "is_on_gpu",
    "open_backend",
    "open_halves",
    "target_of",
]

AUTO = "auto"
"""Measure what there is, and take the fastest that is exact enough."""
FLOAT32 = "onnxruntime"
"""What is there on every machine, and what the others are compared with."""
BFLOAT16 = "openvino-bf16"
"""What rounds numbers so that matrix units multiply them."""

Shapes = Mapping[str, tuple[int, ...]]
Opener = Callable[[Path, Shapes, WorkPlan], Backend]


def _onnx_runtime(network: Path | bytes, _: Shapes, plan: WorkPlan) -> Backend:
    return OnnxRuntimeBackend(network, threads=plan.threads)


_GPU_OPTIONS = {
    "cuda": BoundOptions("cuda"),
    # As the matrix units of NVIDIA's GPUs want halves to lie.
    "cuda-fp16": BoundOptions("cuda", "float16", provider_options={"prefer_nhwc": "1"}),
    "tensorrt": BoundOptions("tensorrt"),
}
GPU_BACKENDS = tuple(_GPU_OPTIONS)
"""Those that run on a GPU, where there is one."""


def _on_gpu(path: Path, shapes: Shapes, plan: WorkPlan, *, name: str) -> Backend:
    if is_on_gpu(name):
        backend = BoundBackend(path, shapes=shapes, how=replace(_GPU_OPTIONS[name], rows=plan.rows))
        if backend.device == "gpu":
            return backend
        backend.close()
    return _OPENERS[FLOAT32](path, shapes, plan)


_PRECISIONS = {"openvino": "float32", BFLOAT16: "bfloat16"}
"""In what OpenVINO computes, by the name that a back end has for it."""


def _open_vino(
    network: Path | bytes, shapes: Shapes, plan: WorkPlan, *, precision: str, keep: bool = False
) -> Backend:
    return OpenVINOBackend(
        network,
        precision=precision,
        shapes=shapes,
        threads=plan.threads,
        workers=plan.workers,
        keep=keep,
    )


def _anew(path: Path, shapes: Shapes, plan: WorkPlan, *, name: str) -> Backend:
    """Open what a network is made into for a processor."""
    in_groups = target_of(name) is not Target.MATRIX_UNITS
    return _ON_PROCESSORS[name](rewritten(path, in_groups=in_groups) or path, shapes, plan)


_ON_PROCESSORS: dict[str, Callable[[Path | bytes, Shapes, WorkPlan], Backend]] = {
    "onnxruntime": _onnx_runtime,
    **{name: partial(_open_vino, precision=one) for name, one in _PRECISIONS.items()},
}
_OPENERS: dict[str, Opener] = {
    "onnxruntime": partial(_anew, name="onnxruntime"),
    **{name: partial(_on_gpu, name=name) for name in GPU_BACKENDS},
    "openvino": partial(_anew, name="openvino"),
    BFLOAT16: partial(_anew, name=BFLOAT16),
}

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
    if name in _PRECISIONS:
        check_installed()


def is_on_gpu(name: str) -> bool:
    """Tell whether a back end would run on a GPU here."""
    return name in GPU_BACKENDS and "cuda" in available_targets()  # with TensorRT is CUDA, too


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


def target_of(name: str) -> Target:
    """Tell what halves of a generator are written for, to run in a back end."""
    if name in GPU_BACKENDS or name == BFLOAT16:
        return Target.MATRIX_UNITS
    return Target.PREPARED if name == FLOAT32 else Target.PROCESSOR


def open_halves(
    name: str, info: ModelInfo, plan: WorkPlan, options: FeatureOptions, parts: Parts, key: str
) -> SplitBackend[Any] | None:
    """Open both halves of a generator, in a back end that has run all of it.

    Args:
        name: the back end's.
        info: the whole network.
        plan: how the cores are shared out.
        options: what may be kept of faces.
        parts: the halves, written for the back end's target.
        key: tells all that the features depend on from any other.

    Returns:
        None where features cannot be kept, or it is another back end that would run them.

    Raises:
        BackendError: if the back end does not work on this machine.
        ModelError: if it cannot read a half.
    """
    if name not in GPU_BACKENDS:
        return open_on_host(info, parts, options, key, partial(_open_part, name, plan))
    how = replace(_GPU_OPTIONS[name], rows=plan.rows)
    split = open_on_device(info, parts, options, how)
    if split is None or split.name == name:
        return split
    split.close()
    return None


def _open_part(name: str, plan: WorkPlan, path: Path, shapes: Shapes) -> Backend:
    if target_of(name) is Target.PREPARED:
        return OnnxRuntimeBackend(path, threads=plan.threads, prepared=True)
    return _open_vino(path, shapes, plan, precision=_PRECISIONS[name], keep=True)


def candidates(info: ModelInfo, plan: WorkPlan) -> dict[str, Callable[[], Backend]]:
    """Give what opens each back end that is installed, ONNX Runtime on the CPU first."""
    names = ["onnxruntime", *(name for name in available_targets() if name != "onnxruntime")]
    if "cuda" in names:
        names.append("cuda-fp16")
    try:
        check_installed()
        names += _PRECISIONS
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
