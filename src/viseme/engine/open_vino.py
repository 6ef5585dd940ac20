"""OpenVINO: running a network on the CPU in float32 or bfloat16.

The library is an extra, imported when a back end is opened, and all of its errors are translated
here. Its own cache of compiled networks stays off, since with it each network is still read as it
was: what is opened again and again is kept here.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from viseme.cache import read_whole, write_whole
from viseme.engine.backend import Backend, Tensor
from viseme.engine.machine import cpu_model
from viseme.errors import BackendError, MissingExtraError, ModelError, VisemeError

__all__ = ["OpenVINOBackend", "check_installed"]

_core_lock = threading.Lock()
_KEPT = ".openvino"
_KEPT_MAX = 2
"""Of one network: two processors may share a folder, and a new version comes now and then."""
_INSTALL = "install it with `pip install viseme[openvino]`"


def check_installed() -> None:
    """Raise MissingExtraError if OpenVINO is not installed; does not load it."""
    if importlib.util.find_spec("openvino") is None:
        raise MissingExtraError(f"OpenVINO is not installed; {_INSTALL}.")


class OpenVINOBackend(Backend):
    """A network compiled by OpenVINO for the CPU.

    Each call under way has an inference request of its own, out of ``workers`` of them; more
    calls at once wait for one.

    Args:
        model: the ONNX file, or its content.
        precision: ``"float32"``, or ``"bfloat16"`` where the processor computes in it.
        shapes: the shape of each input by name, to fix what the file leaves open: OpenVINO plans
            memory and kernels ahead only for fixed shapes. Calls must keep to them.
        threads: cores for one call.
        workers: calls at once.
        keep: to keep what OpenVINO has made of the file beside it, so that it is opened sooner
            when it is opened again. The file has to stay as it is.

    Raises:
        MissingExtraError: if OpenVINO is not installed.
        BackendError: if this processor lacks the precision, or OpenVINO fails.
        ModelError: if OpenVINO cannot read the file.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        precision: str = "float32",
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        threads: int = 1,
        workers: int = 1,
        keep: bool = False,
    ) -> None:
        core = _core()  # first, for of two threads only one may be loading the library
        ov = _library()
        hint = ov.properties.hint
        if precision == "bfloat16" and "BF16" not in core.get_property(
            "CPU", ov.properties.device.capabilities
        ):
            raise BackendError(
                "This processor does not compute in bfloat16; choose the back end 'openvino' or "
                "'onnxruntime'."
            )
        config = {
            # Left alone, OpenVINO takes the lowest precision that the processor is fast in.
            hint.inference_precision: ov.Type.bf16 if precision == "bfloat16" else ov.Type.f32,
            hint.execution_mode: hint.ExecutionMode.PERFORMANCE
            if precision == "bfloat16"
            else hint.ExecutionMode.ACCURACY,
            # A stream is what OpenVINO runs one request on.
            ov.properties.num_streams: workers,
            ov.properties.inference_num_threads: workers * threads,
            # Threads bound to cores would wait for whatever else runs on theirs.
            hint.enable_cpu_pinning: False,
        }
        title = str(model) if isinstance(model, Path) else "the network"
        kept = None
        if keep and isinstance(model, Path):
            words = repr((ov.__version__, cpu_model(), precision, sorted((shapes or {}).items())))
            kept = _Kept(model, hashlib.sha256(words.encode()).hexdigest()[:16])
        compiled = None if kept is None else kept.read(core, config)
        with _translated(f"OpenVINO cannot prepare {title}", BackendError):
            if compiled is None:
                compiled = core.compile_model(_read(core, model, title, shapes), "CPU", config)
                if kept is not None:
                    kept.write(compiled)
            taken = compiled.get_property(hint.inference_precision)
            requests: SimpleQueue[Any] = SimpleQueue()
            for _ in range(workers):
                requests.put(compiled.create_infer_request())
        self.device = "cpu"
        self.precision = "bfloat16" if taken == ov.Type.bf16 else "float32"
        self.name = "openvino-bf16" if self.precision == "bfloat16" else "openvino"
        self._requests: SimpleQueue[Any] | None = requests

    def run(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Run one request; waits while all of them are under way."""
        requests = self._requests
        if requests is None:
            raise BackendError("The OpenVINO back end is closed; open another.")
        request = requests.get()
        try:
            with _translated("OpenVINO failed to run the network", BackendError):
                # Inputs are read where they are: the features of a face are megabytes. Outputs lie
                # in the request's own memory, which the next call overwrites.
                outputs = request.infer(dict(inputs), share_inputs=True, share_outputs=False)
                return [np.asarray(output, dtype=np.float32) for output in outputs.values()]
        finally:
            requests.put(request)

    def close(self) -> None:
        """Let go of the network; calls under way hold it until they end."""
        self._requests = None


def _read(
    core: Any, model: Path | bytes, title: str, shapes: Mapping[str, tuple[int, ...]] | None
) -> Any:
    """Read a network, its shapes fixed."""
    with _translated(f"OpenVINO cannot read {title}", ModelError):
        network = core.read_model(model)
        if shapes:
            network.reshape({name: list(shape) for name, shape in shapes.items()})
        return network


class _Kept:
    """What OpenVINO has made of a network's file, in another beside it; saves time alone.

    Args:
        network: the file.
        key: tells what it is made for from all else.
    """

    def __init__(self, network: Path, key: str) -> None:
        self._path = network.with_suffix(f".{key}{_KEPT}")
        self._all = f"{network.stem}.*{_KEPT}"

    def read(self, core: Any, config: Mapping[Any, Any]) -> Any:
        """Give the compiled network; None where there is none, or none that can be read."""
        content = read_whole(self._path)
        if content is None:
            return None
        with contextlib.suppress(RuntimeError):
            return core.import_model(content.tobytes(), "CPU", config)
        return None

    def write(self, compiled: Any) -> None:
        """Keep it, and no more of the same network than `_KEPT_MAX`."""
        with contextlib.suppress(RuntimeError, OSError):
            content = np.frombuffer(compiled.export_model().getbuffer(), np.uint8)
            if write_whole(self._path, content):
                by_age = sorted(
                    self._path.parent.glob(self._all), key=lambda one: one.stat().st_mtime
                )
                for old in by_age[:-_KEPT_MAX]:
                    old.unlink(missing_ok=True)


def _core() -> Any:
    """Return the one core that this process has.

    It is never let go of. Each core's plug-in gives the thread that loads it another stack for
    handlers of signals; when the last one goes, that is the stack of one that went before it, and
    the next signal, as the one that ends a server, finds no memory there and kills the process.
    """
    with _core_lock:
        return _only_core()


@cache
def _only_core() -> Any:
    library = _library()
    # What its bindings need of numpy they look up for the first array, and two threads that give
    # the first at once wait for each other for ever: the one holds Python's lock, the other theirs.
    _ = library.Tensor(np.zeros(1, np.float32)).data
    return library.Core()


def _library() -> Any:
    """Import OpenVINO."""
    check_installed()
    try:
        with _untold():
            library = importlib.import_module("openvino")
            importlib.import_module("openvino.properties.hint")
    except ImportError as error:
        raise MissingExtraError(f"OpenVINO cannot be loaded ({error}); {_INSTALL}.") from error
    return library


@contextmanager
def _untold() -> Iterator[None]:
    """Keep OpenVINO, while it is imported, from telling its makers so over the network.

    It does that through a package of its own, and uses a stub where that package is missing. The
    only other switch is a file in the user's home, which is not ours to write.
    """
    telemetry = "openvino_telemetry"
    if telemetry in sys.modules:  # whoever has imported it has made that choice
        yield
        return
    sys.modules[telemetry] = None  # type: ignore[assignment]  # how Python marks what is missing
    try:
        yield
    finally:
        sys.modules.pop(telemetry, None)


@contextmanager
def _translated(what: str, kind: type[VisemeError]) -> Iterator[None]:
    """Turn the library's errors, which come as Python's own, into one of ours."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, KeyError, MemoryError, OSError) as error:
        # The last line is the reason; those before it say where in the library it arose.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1].rstrip(".") if lines else repr(error)
        raise kind(f"{what} ({reason}); try the back end 'onnxruntime'.") from error
