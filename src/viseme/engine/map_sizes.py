"""How large the maps of a network are, as far as its graph alone tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np

from viseme.engine.onnx_wiring import EACH_ALONE, Wiring, numbers_of

__all__ = ["Size", "map_sizes"]

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels."""

_CHANNELS: Final = 1
"""The axis of a map's channels."""
_AS_LARGE: Final = EACH_ALONE | {
    *("Add", "BatchNormalization", "Cast", "Div", "HardSigmoid", "Identity", "Mul"),
    *("PRelu", "Sigmoid", "Sub", "Tanh"),
}


def map_sizes(graph: Any) -> dict[str, Size]:
    """Find the sizes of the maps of a graph, from those of its inputs on.

    What an operator makes that is not known here has no size, and so has what is made of it alone;
    what is added to a map or put beside it has the map's.

    Args:
        graph: in ONNX's form, its nodes in the order of their running.

    Returns:
        By the tensors' names, those that are known.
    """
    wiring = Wiring(graph)
    sizes: dict[str, Size] = {}
    for value in graph.input:
        extents = [extent.dim_value for extent in value.type.tensor_type.shape.dim]
        if len(extents) == 4 and all(extents[2:]):
            sizes[value.name] = (extents[2], extents[3])
    for node in graph.node:
        size = _size_made(node, sizes, wiring)
        if size is not None and min(size) > 0:
            sizes[node.output[0]] = size
    return sizes


def _size_made(node: Any, sizes: Mapping[str, Size], wiring: Wiring) -> Size | None:
    kind = node.op_type
    if kind in _AS_LARGE or (kind == "Concat" and numbers_of(node)["axis"] == [_CHANNELS]):
        # What is spread over a map may be of one pixel.
        return max((sizes[name] for name in node.input if name in sizes), default=None)
    size = sizes.get(node.input[0]) if node.input else None
    if size is None:
        return None
    rule = _RULES.get(kind)
    return None if rule is None else rule(node, size, wiring)


def _slid_over(node: Any, size: Size, wiring: Wiring) -> Size | None:
    """Count the places of a kernel on a map (ONNX, Conv: `floor` of what is left, and one)."""
    numbers = numbers_of(node)
    pads_itself = any(item.name == "auto_pad" and item.s != b"NOTSET" for item in node.attribute)
    if pads_itself or numbers.get("ceil_mode", [0]) != [0]:
        return None
    kernel = numbers.get("kernel_shape") or list(wiring.shape(node.input[1]))[2:]
    if len(kernel) != 2:
        return None
    strides, dilations = (numbers.get(name, [1, 1]) for name in ("strides", "dilations"))
    pads = numbers.get("pads", [0, 0, 0, 0])
    height, width = (
        (size[axis] + pads[axis] + pads[axis + 2] - dilations[axis] * (kernel[axis] - 1) - 1)
        // strides[axis]
        + 1
        for axis in (0, 1)
    )
    return height, width


def _scaled(node: Any, size: Size, wiring: Wiring) -> Size | None:
    scales = [wiring.values(name) for name in node.input[1:] if wiring.shape(name) == (4,)]
    return _times(size, scales[-1][2:]) if scales else None


def _padded(node: Any, size: Size, wiring: Wiring) -> Size | None:
    """Add what is put before each of four axes, and then behind each (ONNX, Pad)."""
    pads = wiring.whole_numbers(node.input[1]) if 2 <= len(node.input) <= 3 else ()
    return (size[0] + pads[2] + pads[6], size[1] + pads[3] + pads[7]) if len(pads) == 8 else None


def _shuffled(node: Any, size: Size, _: Wiring) -> Size | None:
    (block,) = numbers_of(node).get("blocksize", [1])
    return _times(size, np.full(2, block if node.op_type == "DepthToSpace" else 1 / block))


def _times(size: Size, scales: np.ndarray[Any, Any]) -> Size:
    height, width = (int(extent * scale) for extent, scale in zip(size, scales, strict=True))
    return height, width


_RULES: Final = {
    **dict.fromkeys(("AveragePool", "Conv", "MaxPool"), _slid_over),
    **dict.fromkeys(("Resize", "Upsample"), _scaled),
    "Pad": _padded,
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), _shuffled),
}
"""By an operator's name, how large a map is that it makes of another."""
