"""ONNX Runtime: reading what a network says of itself, and running it on CPU, CUDA or TensorRT.

The library is imported on first use, for it takes longer than the rest of viseme together, and
all of its errors are translated here.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viseme.engine.backend import Backend, Tensor
from viseme.errors import BackendError, ModelError, VisemeError

__all__ = [
    "OnnxRuntimeBackend",
    "TensorSpec",
    "available_targets",
    "library_errors",
    "read_signature",
    "runtime_version",
    "translated",
]

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "onnxruntime": "CPUExecutionProvider",
}
"""The provider behind each of our names, fastest first: the order of falling back."""

# The algorithm that CUDA picks by trying may differ between two runs, and pixels with it.
_PROVIDER_OPTIONS: dict[str, dict[str, str]] = {
    "CUDAExecutionProvider": {"cudnn_conv_algo_search": "HEURISTIC"},
}

_SEVERITY_FATAL = 4
"""All that the library would log is in the errors that it raises, or of no use to a user."""


@dataclass(frozen=True)
class TensorSpec:
    """A tensor as the file declares it."""

    name: str
    shape: tuple[int | None, ...]
    """Its extents; ``None`` where the file leaves one open."""
    dtype: str
    """``"float"``, ``"float16"``, ``"int64"``, … as ONNX calls them."""

    def __str__(self) -> str:
        extents = ", ".join("?" if extent is None else str(extent) for extent in self.shape)
        return f"{self.name} {self.dtype}[{extents}]"


def read_signature(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Read the inputs and the outputs that an ONNX file declares.

    Raises:
        ModelError: if there is no such file, or it is not a network in ONNX.
    """
    ort = _library()
    options = ort.SessionOptions()
    options.log_severity_level = _SEVERITY_FATAL
    # The network is only looked at here: preparing it to run would take most of the time.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = _open(path, options, ["CPUExecutionProvider"])
    return (
        tuple(_spec(value) for value in session.get_inputs()),
        tuple(_spec(value) for value in session.get_outputs()),
    )


def runtime_version() -> str:
    """Name the version of ONNX Runtime, and what it can run on."""
    return " ".join((_library().__version__, *available_targets()))


def available_targets() -> tuple[str, ...]:
    """Name which of :data:`PROVIDERS` this installation of ONNX Runtime has, fastest first."""
    installed = _library().get_available_providers()
    return tuple(name for name, provider in PROVIDERS.items() if provider in installed)


class OnnxRuntimeBackend(Backend):
    """A network in an ONNX Runtime session.

    Args:
        model: the ONNX file.
        target: ``"tensorrt"``, ``"cuda"`` or ``"onnxruntime"`` (the CPU). Where it is not to be
            had the next of them is taken: :attr:`name` says which.
        threads: CPU cores for one call. One means that a call runs on its caller's thread.

    Raises:
        ModelError: if the file is not a network in ONNX.
        BackendError: if ONNX Runtime cannot prepare the network.
    """

    def __init__(self, model: Path, *, target: str = "onnxruntime", threads: int = 1) -> None:
        ort = _library()
        options = ort.SessionOptions()
        options.log_severity_level = _SEVERITY_FATAL
        options.intra_op_num_threads = threads
        # Threads that spin while they wait take the cores from decoding and composing.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")

        names = list(PROVIDERS)
        wanted = names[names.index(target) :]
        providers = [PROVIDERS[name] for name in available_targets() if name in wanted]
        session = _open_first(model, options, providers)
        # The session lists the providers that it could truly start, the preferred one first.
        taken = session.get_providers()[0]
        self.name = next(name for name in names if PROVIDERS[name] == taken)
        self.device = "cpu" if self.name == "onnxruntime" else "gpu"
        self.precision = "float32"
        self._session: Any = session

    def run(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Run the session once; the session itself may be entered by many threads."""
        session = self._session
        if session is None:
            raise BackendError("The ONNX Runtime back end is closed; open another.")
        with translated("ONNX Runtime failed to run the network", BackendError):
            outputs: list[Tensor] = session.run(None, dict(inputs))
        return outputs

    def close(self) -> None:
        """Let go of the session; calls under way hold it until they end."""
        self._session = None


def _library() -> Any:
    """Import ONNX Runtime, which from 1.29 on tells its makers of each use over the network.

    It begins with that as it is imported, and also keeps a number for the user in their home;
    later, it can only be asked to tell less.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise BackendError(
            f"ONNX Runtime cannot be loaded ({error}); install it again with "
            "`pip install --force-reinstall onnxruntime`."
        ) from error


def _open_first(path: Path, options: Any, providers: list[str]) -> Any:
    """Open a session with the first provider that starts; those after it take what it cannot."""
    for position in range(len(providers)):
        chain = [(name, _PROVIDER_OPTIONS.get(name, {})) for name in providers[position:]]
        try:
            return _open(path, options, chain)
        except ModelError:
            if len(chain) <= 1:
                raise
    raise BackendError("This ONNX Runtime has no CPU provider; install `onnxruntime` again.")


def _open(path: Path, options: Any, providers: list[Any]) -> Any:
    """Open a session, telling a file that is no network from a library that fails."""
    _check_file(path)
    ort = _library()
    unreadable = f"{path} is not a network in ONNX, or is damaged; export or fetch it again"
    with translated(unreadable, ModelError):
        # Its own falling back prints to stdout.
        return ort.InferenceSession(
            str(path), sess_options=options, providers=providers, enable_fallback=0
        )


def _check_file(path: Path) -> None:
    """Say in our own words what the library says in many: it cannot tell a folder from junk."""
    try:
        if path.is_dir():
            raise ModelError(f"{path} is a folder; give the path of an ONNX file.")
        if not path.exists():
            raise ModelError(f"There is no network at {path}; check the path.")
        if path.stat().st_size == 0:
            raise ModelError(f"{path} is empty; export or fetch the network again.")
        with path.open("rb"):
            pass
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its rights.") from error


def _spec(value: Any) -> TensorSpec:
    # Open extents come as their symbol, or as None.
    shape = tuple(extent if isinstance(extent, int) else None for extent in value.shape)
    return TensorSpec(value.name, shape, value.type.removeprefix("tensor(").removesuffix(")"))


def library_errors() -> tuple[type[Exception], ...]:
    """List every error that ONNX Runtime raises by itself or through Python."""
    _library()
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    own = [
        value
        for value in vars(state).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    return (*own, RuntimeError, ValueError, TypeError, MemoryError, OSError)


@contextmanager
def translated(what: str, kind: type[VisemeError]) -> Iterator[None]:
    """Turn the library's errors into one of ours that starts with ``what``."""
    try:
        yield
    except library_errors() as error:
        # "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from …": the last part is ours.
        reason = str(error).splitlines()[0].split(" : ", 3)[-1] if str(error) else repr(error)
        raise kind(f"{what} ({reason.rstrip('.')}).") from error
