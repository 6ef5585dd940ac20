"""What is connected with what in a graph of ONNX, and what its constants are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viseme.engine.onnx_outline import ELEMENT_FLOAT, ELEMENT_INT64

__all__ = [
    "EACH_ALONE",
    "Weights",
    "Wiring",
    "copy_of",
    "is_convolution",
    "mixes",
    "numbers_of",
    "put_in_place",
]

EACH_ALONE: Final = frozenset(("Clip", "HardSwish", "LeakyRelu", "Relu"))
"""What makes of each number another, whatever its channel."""
_ONE_PIXEL: Final = {"strides": {1}, "pads": {0}, "dilations": {1}, "group": {1}}

Weights = NDArray[np.float32]


class Wiring:
    """Who makes and who takes each tensor of a graph."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.makers = {name: node for node in graph.node for name in node.output}
        self.takers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self.takers.setdefault(name, []).append(node)
        self.outputs = {value.name for value in graph.output}
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}

    def takers_of(self, node: Any) -> list[Any]:
        """Give who takes what a node makes; none where that is not all that it is for."""
        name = node.output[0]
        is_all = len(node.output) == 1 and name not in self.outputs
        return self.takers.get(name, []) if is_all else []

    def shape(self, name: str) -> tuple[int, ...]:
        """Give the shape of a constant in float32; nothing of any other tensor."""
        tensor = self._tensors.get(name)
        if tensor is None or tensor.data_type != ELEMENT_FLOAT:
            return ()
        return tuple(tensor.dims)

    def values(self, name: str) -> Weights:
        """Read a constant."""
        tensor = self._tensors[name]
        numbers = np.frombuffer(tensor.raw_data, "<f4") if tensor.raw_data else tensor.float_data
        return np.asarray(numbers, np.float32).reshape(tuple(tensor.dims))

    def whole_numbers(self, name: str) -> tuple[int, ...]:
        """Read a constant in int64; nothing of any other tensor."""
        tensor = self._tensors.get(name)
        if tensor is None or tensor.data_type != ELEMENT_INT64:
            return ()
        return tuple(np.frombuffer(tensor.raw_data, "<i8").tolist())

    def bias(self, conv: Any) -> Weights:
        """Read a convolution's, which need not have one."""
        if len(conv.input) > 2 and conv.input[2]:
            return self.values(conv.input[2])
        return np.zeros(self.shape(conv.input[1])[0], np.float32)

    def give(self, conv: Any, weight: Weights, bias: Weights) -> None:
        """Let a convolution have others, which no other node has."""
        source = conv.input[0]
        del conv.input[:]
        conv.input.append(source)
        for kind, values in (("weight", weight), ("bias", bias)):
            # Counted, since a layer may be folded into and widened, too.
            name = f"{conv.output[0]}.{kind}.{len(self.graph.initializer)}"
            conv.input.append(self.add(name, values))

    def add(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant, in int64 if it is of whole numbers and else in float32; give its name."""
        is_whole = values.dtype.kind == "i"
        element, layout = (ELEMENT_INT64, "<i8") if is_whole else (ELEMENT_FLOAT, "<f4")
        tensor = self.graph.initializer.add(name=name, data_type=element, dims=values.shape)
        tensor.raw_data = values.astype(layout).tobytes()
        self._tensors[name] = tensor
        return name


def copy_of(node: Any) -> Any:
    """Copy a node, less its name, for no two may have the same."""
    copy = type(node).FromString(node.SerializeToString())
    copy.name = ""
    return copy


def put_in_place(graph: Any, places: Mapping[str, Sequence[Any]]) -> None:
    """Put nodes in the place of others.

    Args:
        graph: in ONNX's form; changed.
        places: by what a node makes, those that take its place, if any.
    """
    nodes: list[Any] = []
    for node in graph.node:
        others = places.get(node.output[0]) if node.output else None
        # What is taken out of a message is not to be read any more.
        nodes += [type(node).FromString(node.SerializeToString())] if others is None else others
    del graph.node[:]
    graph.node.extend(nodes)


def is_convolution(node: Any, wiring: Wiring) -> bool:
    """Tell whether a node is a convolution of pictures whose weights are all constant."""
    if node.op_type != "Conv" or len(wiring.shape(node.input[1])) != 4:
        return False
    return len(node.input) < 3 or not node.input[2] or bool(wiring.shape(node.input[2]))


def mixes(node: Any, wiring: Wiring) -> bool:
    """Tell whether a node is a convolution of one pixel, with constants."""
    if not is_convolution(node, wiring) or wiring.shape(node.input[1])[2:] != (1, 1):
        return False
    numbers = numbers_of(node)
    return all(set(numbers.get(name, ())) <= only for name, only in _ONE_PIXEL.items())


def numbers_of(node: Any) -> dict[str, list[int]]:
    """Give a node's attributes, those that are whole numbers."""
    return {item.name: list(item.ints) or [item.i] for item in node.attribute}
