"""ONNX Runtime: reading what a network says of itself, and running it on CPU, CUDA or TensorRT.

The library is imported on first use, for it takes longer than the rest of viseme together, and
all of its errors are translated here.
"""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from viseme.engine.backend import Backend, Tensor
from viseme.errors import BackendError, ModelError, VisemeError

__all__ = [
    "OnnxRuntimeBackend",
    "TensorSpec",
    "available_targets",
    "device_of",
    "library_errors",
    "new_value",
    "open_session",
    "read_signature",
    "runtime_version",
    "translated",
    "value_over",
    "write_prepared",
]

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "onnxruntime": "CPUExecutionProvider",
}
"""The provider behind each of our names, fastest first: the order of falling back."""

_PROVIDER_OPTIONS: dict[str, dict[str, str]] = {
    "CUDAExecutionProvider": {
        # The algorithm that CUDA picks by trying may differ between two runs, and pixels with it.
        "cudnn_conv_algo_search": "HEURISTIC",
        # With ten bits of a mantissa, what is called float32 would not be it.
        "use_tf32": "0",
    },
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


def write_prepared(network: Path, out: Path) -> None:
    """Write a network as ONNX Runtime prepares it for the CPU, which takes most of its opening.

    The file is for this version of it and this processor alone.

    Raises:
        ModelError: if there is no such file, or it is not a network in ONNX.
    """
    options = _library().SessionOptions()
    options.log_severity_level = _SEVERITY_FATAL
    options.intra_op_num_threads = 1
    options.optimized_model_filepath = str(out)
    _open(network, options, ["CPUExecutionProvider"])


def runtime_version() -> str:
    """Name the version of ONNX Runtime, and what it can run on."""
    return " ".join((_library().__version__, *available_targets()))


def available_targets() -> tuple[str, ...]:
    """Name which of :data:`PROVIDERS` this installation of ONNX Runtime has, fastest first."""
    installed = _library().get_available_providers()
    return tuple(name for name, provider in PROVIDERS.items() if provider in installed)


class OnnxRuntimeBackend(Backend):
    """A network in an ONNX Runtime session on the CPU.

    Args:
        model: the ONNX file, or its content.
        threads: CPU cores for one call. One means that a call runs on its caller's thread.
        prepared: whether `write_prepared` has written the file.

    Raises:
        ModelError: if the file is not a network in ONNX.
        BackendError: if ONNX Runtime cannot prepare the network.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        threads: int = 1,
        prepared: bool = False,
    ) -> None:
        session, self.name = open_session(
            model, target="onnxruntime", threads=threads, prepared=prepared
        )
        self.device = "cpu"
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


def open_session(
    model: Path | bytes,
    *,
    target: str,
    threads: int = 1,
    provider_options: Mapping[str, str] | None = None,
    prepared: bool = False,
) -> tuple[Any, str]:
    """Open a session, and say in what: the target, or the next of :data:`PROVIDERS` to be had.

    Args:
        model: the ONNX file, or its content.
        target: one of :data:`PROVIDERS`.
        threads: CPU cores for one call.
        provider_options: further ones for the target.
        prepared: whether it is to run as it is, its nodes one after the other.

    Raises:
        ModelError: if it is not a network in ONNX.
        BackendError: if ONNX Runtime has no provider at all.
    """
    ort = _library()
    options = ort.SessionOptions()
    options.log_severity_level = _SEVERITY_FATAL
    options.intra_op_num_threads = threads
    # Threads that spin while they wait take the cores from decoding and composing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if prepared:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.execution_order = ort.ExecutionOrder.PRIORITY_BASED

    names = list(PROVIDERS)
    wanted = names[names.index(target) :]
    chain: list[tuple[str, dict[str, str]]] = []
    for name in available_targets():
        if name in wanted:
            further = provider_options if name == target else None
            known = _PROVIDER_OPTIONS.get(PROVIDERS[name], {})
            chain.append((PROVIDERS[name], {**known, **(further or {})}))
    session = _open_first(model, options, chain)
    # The session lists the providers that it could truly start, the preferred one first.
    taken = session.get_providers()[0]
    return session, next(name for name in names if PROVIDERS[name] == taken)


def device_of(target: str) -> str:
    """Tell whether one of :data:`PROVIDERS` runs on the ``"cpu"`` or the ``"gpu"``."""
    return "cpu" if target == "onnxruntime" else "gpu"


def new_value(shape: tuple[int, ...], dtype: Any, device: str) -> Any:
    """Take memory for a tensor on ``"cpu"`` or ``"gpu"``, in a value that a session can be given.

    Raises:
        BackendError: if there is not as much.
    """
    with translated("ONNX Runtime has no memory for the network's tensors", BackendError):
        place = "cuda" if device == "gpu" else "cpu"
        return _library().OrtValue.ortvalue_from_shape_and_type(list(shape), dtype, place, 0)


def value_over(array: Any) -> Any:
    """Make a value that a session can be given of an array, whose memory it uses."""
    with translated("ONNX Runtime cannot use an array", BackendError):
        return _library().OrtValue.ortvalue_from_numpy(array)


@cache
def _load_gpu_libraries() -> None:
    """Load NVIDIA's libraries from where its packages for Python have put them, if they have.

    What is missing is printed by ONNX Runtime, and is not for standard output; without it, no
    session starts on CUDA, which is seen then.
    """
    ort = _library()
    ort.set_default_logger_severity(_SEVERITY_FATAL)  # each plan that cuDNN does not have is told
    preload = getattr(ort, "preload_dlls", None)
    if preload is not None:
        with redirect_stdout(io.StringIO()), translated("No CUDA", BackendError):
            preload()


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


def _open_first(
    model: Path | bytes, options: Any, providers: list[tuple[str, dict[str, str]]]
) -> Any:
    """Open a session with the first provider that starts; those after it take what it cannot."""
    if any(name == PROVIDERS["cuda"] for name, _ in providers):
        _load_gpu_libraries()
    for position in range(len(providers)):
        chain = providers[position:]
        try:
            return _open(model, options, chain)
        except ModelError:
            if len(chain) <= 1:
                raise
    raise BackendError("This ONNX Runtime has no CPU provider; install `onnxruntime` again.")


def _open(model: Path | bytes, options: Any, providers: list[Any]) -> Any:
    """Open a session, telling a file that is no network from a library that fails."""
    if isinstance(model, Path):
        _check_file(model)
    ort = _library()
    source = str(model) if isinstance(model, Path) else model
    title = source if isinstance(source, str) else "The network"
    unreadable = f"{title} is not a network in ONNX, or is damaged; export or fetch it again"
    with translated(unreadable, ModelError):
        # Its own falling back prints to stdout.
        return ort.InferenceSession(
            source, sess_options=options, providers=providers, enable_fallback=0
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
