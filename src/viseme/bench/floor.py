"""What a network takes at least: by its arithmetic, and by its maps in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from viseme.engine import FeatureOptions, read_model
from viseme.engine.backends import BFLOAT16
from viseme.engine.choice_cache import file_digest
from viseme.engine.machine import available_cores
from viseme.engine.open_vino import OpenVINOBackend
from viseme.engine.parts import parts_of
from viseme.engine.split import Target, split_at_sound
from viseme.errors import BackendError, MissingExtraError

__all__ = [
    "SPEAKING",
    "Floor",
    "Layer",
    "Precision",
    "Speeds",
    "floor_words",
    "measure_speeds",
    "precision_of",
    "read_layers",
    "speaking",
]

Precision: TypeAlias = Literal["float32", "bfloat16"]
"""In what a network is run."""
SPEAKING: Final = "Of a frame whose face was seen before, what the network still does"

_SIDE: Final = 2048
"""Of the matrices: large enough that all of a product is arithmetic."""
_PRODUCTS: Final = 4
"""One after the other where they are a network: bringing numbers there and back hardly counts."""
_NUMBER_BYTES: Final[dict[Precision, int]] = {"float32": 4, "bfloat16": 2}
_COPIED_BYTES: Final = 2**25
"""For each core: as large as the widest maps of a network are."""
_ROUNDS = 10
_CACHE: Final = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
_CACHE_BYTES: Final = 2**20
"""A core's own cache where that is not told."""


class Layer(NamedTuple):
    """A convolution or a product of matrices, with what can be done on the way."""

    operations: int
    """Multiplications and additions for one frame."""
    map_bytes: int
    """What it takes and gives of maps that a core's cache does not hold."""


class Speeds(NamedTuple):
    """What the processor's cores do at best, together."""

    operations_per_s: float
    """In a product of large matrices."""
    bytes_per_s: float
    """Read and written where large arrays are copied."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What one frame takes at least."""

    layers: Sequence[Layer]
    speeds: Speeds
    precision: Precision = "float32"

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return sum(layer.operations for layer in self.layers)

    @property
    def map_bytes(self) -> int:
        """What goes to memory and comes from it."""
        return sum(layer.map_bytes for layer in self.layers)

    @property
    def ms(self) -> float:
        """Milliseconds of arithmetic."""
        return 1000 * self.operations / self.speeds.operations_per_s

    @property
    def layered_ms(self) -> float:
        """Milliseconds, each layer at the speed of arithmetic or of memory, if that is longer.

        It is the roofline of Williams, Waterman and Patterson (2009), layer by layer.
        """
        return 1000 * sum(
            max(
                layer.operations / self.speeds.operations_per_s,
                layer.map_bytes / self.speeds.bytes_per_s,
            )
            for layer in self.layers
        )

    def figures(self) -> dict[str, Any]:
        """Give it by name, for programs."""
        return {
            "precision": self.precision,
            "gflop_per_frame": round(self.operations / 1e9, 3),
            "gflop_per_s": round(self.speeds.operations_per_s / 1e9, 1),
            "floor_ms": round(self.ms, 2),
            "map_mb_per_frame": round(self.map_bytes / 1e6, 1),
            "memory_gb_per_s": round(self.speeds.bytes_per_s / 1e9, 1),
            "layered_ms": round(self.layered_ms, 2),
        }


def floor_words(figures: Mapping[str, Any], subject: str = "A frame of this network") -> str:
    """Say what `Floor.figures` gives, in sentences."""
    words = (
        f"{subject} is {figures['gflop_per_frame']:.2f} GFLOP, and these cores do up to "
        f"{figures['gflop_per_s']:.0f} a second in products of matrices in "
        f"{figures['precision']}: at that speed {figures['floor_ms']:.1f} ms on all of them."
    )
    if figures["map_mb_per_frame"]:
        words += (
            f" Its maps that no core's cache holds are {figures['map_mb_per_frame']:.0f} MB to "
            f"read and write, and large arrays are copied at {figures['memory_gb_per_s']:.1f} "
            "GB/s: one layer after the other, each at the slower of both speeds, "
            f"{figures['layered_ms']:.1f} ms."
        )
    return words


def precision_of(backend: str) -> Precision:
    """Tell in what a back end of a processor runs a network, by its name."""
    return "bfloat16" if backend == BFLOAT16 else "float32"


def speaking(model: Path, faces: int) -> Path | bytes:
    """Give the part of a generator that runs for a face that was seen before.

    Args:
        model: all of it.
        faces: how many the avatar has.

    Returns:
        That half in ONNX, as it is before ONNX Runtime has prepared it; the file of all where that
        is not taken apart.
    """
    info = read_model(model)
    parts = parts_of(info, file_digest(model), FeatureOptions(faces), Target.PREPARED)
    if parts is None:
        return model
    halves = split_at_sound(info, frozenset(parts.again), Target.PREPARED)
    assert halves is not None, "it was taken apart just now"
    return halves.typed({spec.name: spec.shape for spec in parts.features})


def read_layers(model: Path | bytes, precision: Precision = "float32") -> list[Layer] | None:
    """Count what a network's layers do and move for one frame.

    Args:
        model: its file, or what is in it.
        precision: of its maps.

    Returns:
        None where onnx, which reads the network's layers, is not installed, or cannot tell the
        shapes of all layers.
    """
    try:
        import onnx  # noqa: PLC0415 - of the extra
    except ImportError:
        return None
    network = onnx.load(model) if isinstance(model, Path) else onnx.load_from_string(model)
    for value in network.graph.input:
        first = value.type.tensor_type.shape.dim[0]
        if not first.dim_value:
            first.dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(network, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shapes[value.name] = [extent.dim_value for extent in value.type.tensor_type.shape.dim]
    held_bytes = _cache_bytes()
    layers = []
    for node in inferred.node:
        if node.op_type not in _OPERANDS:
            continue
        wanted = (node.output[0], *node.input[:2])
        if not all(shapes.get(name) and all(shapes[name]) for name in wanted):
            return None
        made, taken, weights = (shapes[name] for name in wanted)
        operations = 2 * math.prod(made) * _OPERANDS[node.op_type](node, taken, weights)
        maps = (_NUMBER_BYTES[precision] * math.prod(shape) for shape in (made, taken))
        layers.append(Layer(operations, sum(size for size in maps if size > held_bytes)))
    return layers


def _summed_by_gemm(node: Any, taken: list[int], _: list[int]) -> int:
    is_turned = any(one.name == "transA" and one.i for one in node.attribute)
    return taken[0] if is_turned else taken[-1]


_OPERANDS: Final = {
    "Conv": lambda _, taken, weights: math.prod(weights[1:]),
    "MatMul": lambda _, taken, weights: taken[-1],
    "Gemm": _summed_by_gemm,
}
"""For each operator, how many products are added up in each number that it makes."""


def _cache_bytes() -> int:
    try:
        size = _CACHE.read_text().strip()
        return int(size.removesuffix("K")) * 2**10
    except (OSError, ValueError):
        return _CACHE_BYTES


def measure_speeds(precision: Precision = "float32") -> Speeds | None:
    """Measure both, at best, of all cores; None where they do not compute in that precision."""
    try:
        operations = _bfloat16_per_s() if precision == "bfloat16" else _float32_per_s()
    except (BackendError, MissingExtraError):
        return None
    return Speeds(operations, _bytes_per_s())


def _bfloat16_per_s() -> float:
    left = np.random.default_rng(0).random((_SIDE, _SIDE), np.float32)
    shapes = {"in": left.shape}
    found = []
    opened = OpenVINOBackend(
        _products(), precision="bfloat16", shapes=shapes, threads=available_cores()
    )
    with closing(opened) as backend:
        for _ in range(_ROUNDS):
            start_s = time.perf_counter()
            backend.run({"in": left})
            found.append(_PRODUCTS * 2 * _SIDE**3 / (time.perf_counter() - start_s))
    return max(found)


def _products() -> bytes:
    """Write a network that multiplies its input by a matrix, and what comes of it again."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 - of the extra

    names = ["in", *(f"product {number}" for number in range(1, _PRODUCTS)), "out"]
    nodes = [
        helper.make_node("MatMul", [taken, "matrix"], [made]) for taken, made in pairwise(names)
    ]
    matrix = np.random.default_rng(1).random((_SIDE, _SIDE), np.float32) / _SIDE
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [_SIDE, _SIDE])
        for name in ("in", "out")
    ]
    weights = [numpy_helper.from_array(matrix, "matrix")]
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], weights)
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return bytes(model.SerializeToString())


def _float32_per_s() -> float:
    left, right = np.random.default_rng(0).random((2, _SIDE, _SIDE), np.float32)
    out = np.empty_like(left)
    found = []
    for _ in range(_ROUNDS):
        start_s = time.perf_counter()
        np.matmul(left, right, out=out)
        found.append(2 * _SIDE**3 / (time.perf_counter() - start_s))
    return max(found)


def _bytes_per_s() -> float:
    cores = available_cores()
    sources = np.ones((cores, _COPIED_BYTES), np.uint8)
    targets = np.empty_like(sources)
    found = []
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(_ROUNDS):
            start_s = time.perf_counter()
            list(pool.map(np.copyto, targets, sources))
            found.append(2 * sources.nbytes / (time.perf_counter() - start_s))
    return max(found)
