"""Leaving out layers that only mix channels for others that mix them again.

A convolution of one pixel that is taken by nothing but others of one pixel, as it is or beside
other channels, is linear, as they are, and so they can have its weights within theirs:

    y = W [u; V x + b] + c = [W_u, W_v V] [u; x] + (W_v b + c)

It pays where ``x`` has fewer channels than it is made to: a stem of this family has 12, made to 32,
at the full size of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from viseme.engine.onnx_outline import ELEMENT_FLOAT, LOCATION_EXTERNAL, Model

__all__ = ["fold_mixing", "folded"]

_BLOCK: Final = 16
"""Channels that the layouts for processors hold together. Numbers that are no multiple of it are
brought there by copying all, which costs more than channels of zeros."""
_EACH_ALONE: Final = frozenset(("Clip", "HardSwish", "LeakyRelu", "Relu"))
"""What makes of each number another, whatever its channel."""
_ONE_PIXEL: Final = {"strides": {1}, "pads": {0}, "dilations": {1}, "group": {1}}

Weights = NDArray[np.float32]


def folded(network: Path) -> bytes | None:
    """Give a network in ONNX without such layers.

    Returns:
        None where it has none, keeps its weights in other files, or cannot be read.
    """
    try:
        model = Model.FromString(network.read_bytes())
    except (OSError, DecodeError):
        return None
    if any(tensor.data_location == LOCATION_EXTERNAL for tensor in model.graph.initializer):
        return None
    return bytes(model.SerializeToString()) if fold_mixing(model.graph) else None


def fold_mixing(graph: Any) -> int:
    """Fold such convolutions of a graph into those after them.

    Args:
        graph: in ONNX's form, its nodes in the order of their running and its weights in it;
            changed.

    Returns:
        How many there are less.
    """
    if any(item.graphs or item.HasField("g") for node in graph.node for item in node.attribute):
        return 0  # graphs in nodes take tensors without saying so
    count = 0
    wiring = _Wiring(graph)
    for node in tuple(graph.node):
        uses = _uses_of(node, wiring)
        if uses and _fold(node, uses, wiring):
            wiring = _Wiring(graph)
            count += 1
    if count:
        del graph.value_info[:]  # which may tell of other numbers of channels
    return count


class _Wiring:
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
            tensor = self.graph.initializer.add(name=name, data_type=ELEMENT_FLOAT)
            tensor.dims.extend(values.shape)
            tensor.raw_data = values.astype("<f4").tobytes()
            self._tensors[name] = tensor
            conv.input.append(name)


@dataclass(frozen=True, slots=True)
class _Use:
    """A convolution of one pixel that takes what another gives."""

    conv: Any
    concat: Any
    """What it comes through; None where there is nothing."""
    is_last: bool
    """Whether what is taken are the last channels, or the first."""


def _uses_of(node: Any, wiring: _Wiring) -> list[_Use]:
    """Give all that a node's output is used for, where it can be folded into that and should be."""
    if not _mixes(node, wiring):
        return []
    outputs, inputs = wiring.shape(node.input[1])[:2]
    if -(-inputs // _BLOCK) >= -(-outputs // _BLOCK):
        return []
    uses = []
    name = node.output[0]
    for taker in wiring.takers_of(node):
        if taker.op_type != "Concat":
            uses.append(_Use(taker, None, is_last=True))
            continue
        if _numbers(taker)["axis"] != [1] or list(taker.input).count(name) != 1:
            return []
        if name not in (taker.input[0], taker.input[-1]):
            return []  # how many channels are before it is not written in the graph
        is_last = name == taker.input[-1]
        following = wiring.takers_of(taker)
        if not following:
            return []
        uses += [_Use(conv, taker, is_last) for conv in following]
    return uses if all(_mixes(use.conv, wiring) for use in uses) else []


def _fold(node: Any, uses: list[_Use], wiring: _Wiring) -> bool:
    """Fold a node into those that use it, and tell whether that could be done."""
    source = node.input[0]
    own, bias = wiring.values(node.input[1])[:, :, 0, 0], wiring.bias(node)
    outputs, inputs = own.shape
    missing = -inputs % _BLOCK
    if missing and not _widen(source, wiring, missing):
        return False
    own = np.pad(own, ((0, 0), (0, missing)))
    for use in uses:
        weight = wiring.values(use.conv.input[1])[:, :, 0, 0]
        taken = slice(-outputs, None) if use.is_last else slice(outputs)
        others = weight[:, :-outputs] if use.is_last else weight[:, outputs:]
        mixed = weight[:, taken].astype(float) @ own
        parts = (others, mixed) if use.is_last else (mixed, others)
        moved = wiring.bias(use.conv) + weight[:, taken].astype(float) @ bias
        joined = np.concatenate(parts, axis=1).astype(np.float32)
        wiring.give(use.conv, joined[:, :, None, None], moved.astype(np.float32))
        through = use.conv if use.concat is None else use.concat
        for position, name in enumerate(through.input):
            if name == node.output[0]:
                through.input[position] = source
    wiring.graph.node.remove(node)
    return True


def _widen(name: str, wiring: _Wiring, more: int) -> bool:
    """Add channels of zeros to a tensor, and tell whether all that it is made of allows that."""
    layers = []
    while True:
        maker = wiring.makers.get(name)
        if maker is None or len(wiring.takers_of(maker)) != 1:
            return False
        if maker.op_type in _EACH_ALONE:
            name = maker.input[0]
            continue
        if not _is_known(maker, wiring):
            return False
        layers.append(maker)
        groups = _numbers(maker).get("group", [1])[0]
        if groups == 1:
            break
        if wiring.shape(maker.input[1])[:2] != (groups, 1):
            return False
        name = maker.input[0]
    for layer in layers:
        weight, bias = wiring.values(layer.input[1]), wiring.bias(layer)
        wider = np.pad(weight, ((0, more), (0, 0), (0, 0), (0, 0)))
        wiring.give(layer, wider, np.pad(bias, (0, more)))
        for item in layer.attribute:
            if item.name == "group" and item.i > 1:
                item.i += more
    return True


def _is_known(node: Any, wiring: _Wiring) -> bool:
    """Tell whether a node is a convolution of pictures whose weights are all constant."""
    if node.op_type != "Conv" or len(wiring.shape(node.input[1])) != 4:
        return False
    return len(node.input) < 3 or not node.input[2] or bool(wiring.shape(node.input[2]))


def _mixes(node: Any, wiring: _Wiring) -> bool:
    """Tell whether a node is a convolution of one pixel, with constants."""
    if not _is_known(node, wiring) or wiring.shape(node.input[1])[2:] != (1, 1):
        return False
    numbers = _numbers(node)
    return all(set(numbers.get(name, ())) <= only for name, only in _ONE_PIXEL.items())


def _numbers(node: Any) -> dict[str, list[int]]:
    """Give a node's attributes, those that are whole numbers."""
    return {item.name: list(item.ints) or [item.i] for item in node.attribute}
