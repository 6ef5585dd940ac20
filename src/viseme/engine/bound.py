"""ONNX Runtime on a GPU: runs of one size, whose tensors have their places in memory beforehand.

A run of a GPU costs nearly the same for one frame as for several, and which kernels it takes may
depend on how many there are. So all runs have the same number of rows, and what is given less is
filled up: a frame has the same bits alone and in company.

CUDA graphs are left out. ONNX Runtime records one for each thread, in a way that any other use of
the GPU in the process spoils, and several runs at once hide what starting the kernels takes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any, Final, TypeAlias

import numpy as np

from viseme.engine.backend import Backend, Tensor
from viseme.engine.batching import split
from viseme.engine.half import in_half_precision
from viseme.engine.machine import GPU_ROWS
from viseme.engine.onnx_runtime import device_of, new_value, open_session, translated, value_over
from viseme.engine.row_inputs import of_row, taken_by_rows
from viseme.errors import BackendError

__all__ = ["BoundBackend", "BoundOptions", "Values", "output_shapes"]

Values: TypeAlias = tuple[Any, ...]
"""Tensors in the memory of a device, as ONNX Runtime has them."""

LANES_MAX: Final = 16
"""Runs at once; further ones wait. Each has tensors of its own, 3.7 MB for each of its rows."""

_HALF = "float16"


@dataclass(frozen=True, slots=True)
class BoundOptions:
    """Where a network runs with bound tensors, and as what."""

    target: str = "cuda"
    """``"tensorrt"`` or ``"cuda"``; or ``"onnxruntime"``, the CPU, where all is the same but the
    memory. Where it is not to be had the next of them is taken: a back end's name says which."""
    precision: str = "float32"
    """Or ``"float16"``, to which the network is converted; what goes in and comes out is
    float32."""
    rows: int = GPU_ROWS
    """Frames in a run."""
    provider_options: Mapping[str, str] | None = None
    """Further ones of the target's, as ONNX Runtime calls them."""

    def content_of(self, model: Path) -> Path | bytes:
        """Give the network as it is to run."""
        return in_half_precision(model) if self.precision == _HALF else model

    def open(self, content: Path | bytes) -> tuple[Any, str]:
        """Open a session, and say in what."""
        return open_session(content, target=self.target, provider_options=self.provider_options)


class BoundBackend(Backend):
    """A network in ONNX Runtime with bound inputs and outputs.

    Args:
        model: the ONNX file.
        shapes: of its inputs by name; the first extent, the batch, does not count.
        how: where it runs, and as what.
        brought: shapes of further inputs by name, in half precision, whose values for each row are
            on the device already, each by itself; the first extent, the batch, is 1.

    Raises:
        ModelError: if the file is not a network in ONNX.
        BackendError: if ONNX Runtime cannot prepare the network, or it cannot be converted.
    """

    def __init__(
        self,
        model: Path,
        *,
        shapes: Mapping[str, tuple[int, ...]],
        how: BoundOptions = BoundOptions(),
        brought: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        content, rows = how.content_of(model), how.rows
        if brought:
            whole = content if isinstance(content, bytes) else content.read_bytes()
            content = taken_by_rows(whole, tuple(brought), rows)
        session, taken = how.open(content)
        self.name = f"{taken}-fp16" if how.precision == _HALF else taken
        self.device = device_of(taken)
        self.precision = how.precision
        self.rows = rows
        """Frames in a run, filled up where there are fewer."""
        self._inputs = {name: (rows, *shape[1:]) for name, shape in shapes.items()}
        self._brought = tuple(brought or ())
        self._outputs = output_shapes(session, self._inputs, brought or {}, rows)
        self._session: Any = session
        self._idle: LifoQueue[_Lane] = LifoQueue()
        self._may_be_made = threading.Semaphore(LANES_MAX)

    def run(self, inputs: Mapping[str, Tensor], brought: Sequence[Values] = ()) -> list[Tensor]:
        """Run any number of frames, as many times as their rows need.

        Args:
            inputs: as of any back end.
            brought: what each row brings along, in the order of its names.
        """
        idle, session = self._idle, self._session
        if session is None:
            raise BackendError(f"The back end {self.name!r} is closed; open another.")
        count = self._count(inputs)
        lane = self._lane(session, idle)
        try:
            with translated("ONNX Runtime failed to run the network", BackendError):
                parts = [
                    lane.run({name: one[rows] for name, one in inputs.items()}, brought[rows])
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
            return _Lane(session, self._inputs, self._outputs, self._brought, self.device)
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
        brought: Sequence[str],
        device: str,
    ) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._filled = {name: np.zeros(shape, np.float32) for name, shape in inputs.items()}
        self._brought = brought
        self._rows = next(iter(inputs.values()))[0]
        self._values = _values_on(device, inputs)
        # In the memory of the host: ONNX Runtime copies them there before the run is over, and
        # while it does, no thread of Python waits for that.
        self._results = {name: np.empty(shape, np.float32) for name, shape in outputs.items()}
        self._bound = {name: value_over(result) for name, result in self._results.items()}
        for name, value in self._values.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._bound.items():
            self._binding.bind_ortvalue_output(name, value)

    def run(self, inputs: Mapping[str, Tensor], brought: Sequence[Values]) -> list[Tensor]:
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
        for place in range(self._rows if self._brought else 0):
            row = brought[min(place, count - 1)]
            for name, value in zip(self._brought, row, strict=True):
                self._binding.bind_ortvalue_input(of_row(name, place), value)
        self._session.run_with_iobinding(self._binding)
        return [result[:count].copy() for result in self._results.values()]


def _values_on(device: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Take memory for the inputs; none where ONNX Runtime gives none of that device's to Python.

    Then a run binds its inputs anew, and ONNX Runtime takes memory for them each time.
    """
    with suppress(BackendError):
        return {name: new_value(shape, np.float32, device) for name, shape in shapes.items()}
    return {}


def output_shapes(
    session: Any,
    inputs: Mapping[str, tuple[int, ...]],
    brought: Mapping[str, tuple[int, ...]],
    rows: int,
) -> dict[str, tuple[int, ...]]:
    """Learn the shapes of the outputs, which a file may leave open, by running the network.

    Args:
        session: of ONNX Runtime.
        inputs: the shapes of its inputs by name.
        brought: those of a row of further ones, as of a `BoundBackend`.
        rows: how many of these there are.

    Raises:
        BackendError: the network does not run.
    """
    zeros: dict[str, Any] = {name: np.zeros(shape, np.float32) for name, shape in inputs.items()}
    for name, shape in brought.items():
        zeros.update({of_row(name, row): np.zeros(shape, np.float16) for row in range(rows)})
    with translated("ONNX Runtime failed to run the network", BackendError):
        outputs = session.run(None, zeros)
    names = (one.name for one in session.get_outputs())
    return {name: output.shape for name, output in zip(names, outputs, strict=True)}
