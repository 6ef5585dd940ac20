"""ONNX Runtime on a GPU: runs of one size, whose tensors have their places in memory beforehand.

A run of a GPU costs nearly the same for one frame as for several, and which kernels it takes may
depend on how many there are. So all runs have the same number of rows, and what is given less is
filled up: a frame has the same bits alone and in company.

CUDA graphs are left out. ONNX Runtime records one for each thread, in a way that any other use of
the GPU in the process spoils, and several runs at once hide what starting the kernels takes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, Final

import numpy as np

from viseme.engine.backend import Backend, Tensor
from viseme.engine.batching import split
from viseme.engine.half import in_half_precision
from viseme.engine.machine import GPU_ROWS
from viseme.engine.onnx_runtime import new_value, open_session, translated, value_over
from viseme.errors import BackendError

__all__ = ["BoundBackend"]

LANES_MAX: Final = 16
"""Runs at once; further ones wait. Each has tensors of its own, 3.7 MB for each of its rows."""

_HALF = "float16"


class BoundBackend(Backend):
    """A network in ONNX Runtime with bound inputs and outputs.

    Args:
        model: the ONNX file.
        shapes: of its inputs by name; the first extent, the batch, does not count.
        target: ``"tensorrt"`` or ``"cuda"``; or ``"onnxruntime"``, the CPU, where all is the same
            but the memory. Where it is not to be had the next of them is taken: :attr:`name` says
            which.
        precision: ``"float32"``, or ``"float16"``, to which the network is converted; what goes
            in and comes out is float32.
        rows: frames in a run.
        provider_options: further ones of the target's, as ONNX Runtime calls them.

    Raises:
        ModelError: if the file is not a network in ONNX.
        BackendError: if ONNX Runtime cannot prepare the network, or it cannot be converted.
    """

    def __init__(
        self,
        model: Path,
        *,
        shapes: Mapping[str, tuple[int, ...]],
        target: str = "cuda",
        precision: str = "float32",
        rows: int = GPU_ROWS,
        provider_options: Mapping[str, str] | None = None,
    ) -> None:
        content = in_half_precision(model) if precision == _HALF else model
        session, taken = open_session(content, target=target, provider_options=provider_options)
        self.name = f"{taken}-fp16" if precision == _HALF else taken
        self.device = "cpu" if taken == "onnxruntime" else "gpu"
        self.precision = precision
        self.rows = rows
        """Frames in a run, filled up where there are fewer."""
        self._inputs = {name: (rows, *shape[1:]) for name, shape in shapes.items()}
        self._outputs = _output_shapes(session, self._inputs)
        self._session: Any = session
        self._idle: LifoQueue[_Lane] = LifoQueue()
        self._may_be_made = threading.Semaphore(LANES_MAX)

    def run(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Run any number of frames, as many times as their rows need."""
        idle, session = self._idle, self._session
        if session is None:
            raise BackendError(f"The back end {self.name!r} is closed; open another.")
        count = self._count(inputs)
        lane = self._lane(session, idle)
        try:
            with translated("ONNX Runtime failed to run the network", BackendError):
                parts = [
                    lane.run({name: one[rows] for name, one in inputs.items()})
                    for rows in split(count, self.rows)
                ]
        finally:
            idle.put(lane)
        if len(parts) == 1:
            return parts[0]
        return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]

    def close(self) -> None:
        """Let go of the session; calls under way hold it until they end."""
        self._session = None
        self._idle = LifoQueue()

    def _count(self, inputs: Mapping[str, Tensor]) -> int:
        """Give the number of rows, if it is the same for all inputs, and they are what they are."""
        count = len(next(iter(inputs.values()), ()))
        wanted = {name: (count, *shape[1:]) for name, shape in self._inputs.items()}
        if not count or {name: one.shape for name, one in inputs.items()} != wanted:
            given = ", ".join(f"{name} {list(one.shape)}" for name, one in inputs.items())
            raise BackendError(
                f"ONNX Runtime failed to run the network (it was given {given or 'nothing'}, and "
                f"takes {', '.join(f'{name} {list(shape)}' for name, shape in wanted.items())})."
            )
        return count

    def _lane(self, session: Any, idle: LifoQueue[_Lane]) -> _Lane:
        """Take a lane that nobody uses, a new one while there may be more, or wait for one."""
        try:
            return idle.get_nowait()
        except Empty:
            if not self._may_be_made.acquire(blocking=False):
                return idle.get()
        try:
            return _Lane(session, self._inputs, self._outputs, self.device)
        except BaseException:
            self._may_be_made.release()
            raise


class _Lane:
    """The tensors of one run at a time, bound once."""

    def __init__(
        self,
        session: Any,
        inputs: Mapping[str, tuple[int, ...]],
        outputs: Mapping[str, tuple[int, ...]],
        device: str,
    ) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._filled = {name: np.zeros(shape, np.float32) for name, shape in inputs.items()}
        self._values = _values_on(device, inputs)
        # In the memory of the host: ONNX Runtime copies them there before the run is over, and
        # while it does, no thread of Python waits for that.
        self._results = {name: np.empty(shape, np.float32) for name, shape in outputs.items()}
        self._bound = {name: value_over(result) for name, result in self._results.items()}
        for name, value in self._values.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._bound.items():
            self._binding.bind_ortvalue_output(name, value)

    def run(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Run some rows, at most as many as there are places."""
        count = 0
        for name, rows in inputs.items():
            count, filled = len(rows), self._filled[name]
            if count < len(filled):
                filled[:count] = rows  # what is below is of others, and does not reach these
            given = rows if count == len(filled) else filled
            if name in self._values:
                self._values[name].update_inplace(given)
            else:
                self._binding.bind_cpu_input(name, given)
        self._session.run_with_iobinding(self._binding)
        return [result[:count].copy() for result in self._results.values()]


def _values_on(device: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Take memory for the inputs; none where ONNX Runtime gives none of that device's to Python.

    Then a run binds its inputs anew, and ONNX Runtime takes memory for them each time.
    """
    with suppress(BackendError):
        return {name: new_value(shape, np.float32, device) for name, shape in shapes.items()}
    return {}


def _output_shapes(
    session: Any, inputs: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Learn the shapes of the outputs, which a file may leave open, by running the network."""
    with translated("ONNX Runtime failed to run the network", BackendError):
        zeros = {name: np.zeros(shape, np.float32) for name, shape in inputs.items()}
        outputs = session.run(None, zeros)
    names = (one.name for one in session.get_outputs())
    return {name: output.shape for name, output in zip(names, outputs, strict=True)}
