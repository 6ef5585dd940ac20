"""What the arithmetic of a network takes in float32, where nothing else takes any time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["Floor", "count_operations", "operations_per_s"]

_SIDE: Final = 2048
"""Of the matrices: large enough that all of a product is arithmetic."""
_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Floor:
    """What the arithmetic alone of one frame takes."""

    operations: int
    """Multiplications and additions."""
    per_s: float
    """How many of them the processor's cores do at best in a product of matrices, in float32."""

    @property
    def ms(self) -> float:
        """Milliseconds a frame."""
        return 1000 * self.operations / self.per_s

    def __str__(self) -> str:
        return (
            f"A frame of this network is {self.operations / 1e9:.2f} GFLOP, and these cores do up "
            f"to {self.per_s / 1e9:.0f} a second in products of matrices in float32: at that speed "
            f"{self.ms:.1f} ms a frame."
        )

    def figures(self) -> dict[str, Any]:
        """Give it by name, for programs."""
        return {
            "gflop_per_frame": round(self.operations / 1e9, 3),
            "gflop_per_s": round(self.per_s / 1e9, 1),
            "floor_ms": round(self.ms, 2),
        }


def count_operations(model: Path) -> int | None:
    """Count a network's operations in convolutions and products of matrices for one frame.

    Returns:
        None where onnx, which reads the network's layers, is not installed, or cannot tell the
        shapes of all layers.
    """
    try:
        import onnx  # noqa: PLC0415 - of the extra
    except ImportError:
        return None
    network = onnx.load(model)
    for value in network.graph.input:
        first = value.type.tensor_type.shape.dim[0]
        if not first.dim_value:
            first.dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(network, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shapes[value.name] = [extent.dim_value for extent in value.type.tensor_type.shape.dim]
    total = 0
    for node in inferred.node:
        if node.op_type not in _OPERANDS:
            continue
        wanted = (node.output[0], *node.input[:2])
        if not all(shapes.get(name) and all(shapes[name]) for name in wanted):
            return None
        made, taken, weights = (shapes[name] for name in wanted)
        total += 2 * math.prod(made) * _OPERANDS[node.op_type](node, taken, weights)
    return total


def _summed_by_gemm(node: Any, taken: list[int], _: list[int]) -> int:
    is_turned = any(one.name == "transA" and one.i for one in node.attribute)
    return taken[0] if is_turned else taken[-1]


_OPERANDS: Final = {
    "Conv": lambda _, taken, weights: math.prod(weights[1:]),
    "MatMul": lambda _, taken, weights: taken[-1],
    "Gemm": _summed_by_gemm,
}
"""For each operator, how many products are added up in each number that it makes."""


def operations_per_s() -> float:
    """Measure how many operations numpy's BLAS does a second on all cores, at best."""
    left, right = np.random.default_rng(0).random((2, _SIDE, _SIDE), np.float32)
    out = np.empty_like(left)
    found = []
    for _ in range(_ROUNDS):
        start_s = time.perf_counter()
        np.matmul(left, right, out=out)
        found.append(2 * _SIDE**3 / (time.perf_counter() - start_s))
    return max(found)
