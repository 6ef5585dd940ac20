"""Leaving out what a convolution makes of nothing but its own padding.

A convolution that pads more than its kernel reaches makes places that see no number of the map:
there it makes its bias. The same comes of convolving the rest, and putting those places around it:

    y = pad(W x) + b

The family's hearing ends with one: a kernel of three pixels over 16 x 16 with a padding of three
and a stride of two makes 10 x 10, of which a row and a column are of nothing. The fewer places are
the lesser gain: what multiplies on matrix units does so only where padding is within the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from viseme.engine.map_sizes import map_sizes
from viseme.engine.onnx_wiring import Wiring, copy_of, is_convolution, numbers_of, put_in_place

__all__ = ["trim_padding"]

_OWN_DOMAIN: Final = ("", "ai.onnx")
"""What ONNX calls its own operators."""
_OPSET_MIN: Final = 11
"""The first version of ONNX's operators in which `Pad` takes its numbers as an input."""


def trim_padding(model: Any) -> int:
    """Let convolutions of a model pad no more than their kernels reach.

    Args:
        model: in ONNX's form, the nodes of its graph in the order of their running and its weights
            in it; changed.

    Returns:
        How many were changed.
    """
    versions = [one.version for one in model.opset_import if one.domain in _OWN_DOMAIN]
    if not versions or max(versions) < _OPSET_MIN:
        return 0
    graph = model.graph
    wiring, sizes = Wiring(graph), map_sizes(graph)
    places = {}
    for node in graph.node:
        size = sizes.get(node.input[0]) if node.input else None
        if size is None or node.output[0] not in sizes or not is_convolution(node, wiring):
            continue
        axes = [_axis_of(node, axis, extent, wiring) for axis, extent in enumerate(size)]
        sees_nothing = any(axis.before or axis.behind for axis in axes)
        # With strides beyond its kernel the first place left may begin within the map, and there
        # may be none.
        if sees_nothing and all(axis.left > 0 and axis.pads[0] >= 0 for axis in axes):
            places[node.output[0]] = _trimmed(node, axes, wiring)
    put_in_place(graph, places)
    return len(places)


class _Axis(NamedTuple):
    """The places of a kernel along an axis of a map."""

    before: int
    """How many see nothing but the padding before the map."""
    behind: int
    """The same behind it."""
    left: int
    """How many see some of the map."""
    pads: tuple[int, int]
    """What is to be padded, before and behind, for those that are left."""


def _axis_of(conv: Any, axis: int, extent: int, wiring: Wiring) -> _Axis:
    numbers = numbers_of(conv)
    stride, dilation = (numbers.get(name, [1, 1])[axis] for name in ("strides", "dilations"))
    reach = dilation * (wiring.shape(conv.input[1])[2 + axis] - 1) + 1
    pads = numbers.get("pads", [0, 0, 0, 0])
    start, end = pads[axis], pads[axis + 2]
    count = (extent + start + end - reach) // stride + 1
    before = max(0, (start - reach) // stride + 1)
    behind = max(0, count - math.ceil((extent + start) / stride))
    first = before * stride - start
    last = (count - behind - 1) * stride - start
    left = count - before - behind
    return _Axis(before, behind, left, (-first, max(0, last + reach - extent)))


def _trimmed(conv: Any, axes: Sequence[_Axis], wiring: Wiring) -> list[Any]:
    """Make a convolution of what sees the map, what puts the rest around it, and its bias."""
    made = conv.output[0]
    inner, pad, total = copy_of(conv), type(conv)(op_type="Pad"), type(conv)(op_type="Add")
    inner.output[0] = f"{made}.inner"
    for item in inner.attribute:
        if item.name == "pads":
            item.ints[:] = [axis.pads[end] for end in (0, 1) for axis in axes]
    around = [0, 0, *(axis.before for axis in axes), 0, 0, *(axis.behind for axis in axes)]
    pad.input.extend([inner.output[0], wiring.add(f"{made}.around", np.array(around))])
    pad.output.append(f"{made}.padded")
    total.input.extend(
        [pad.output[0], wiring.add(f"{made}.moved", wiring.bias(conv)[:, None, None])]
    )
    total.output.append(made)
    del inner.input[2:]
    return [inner, pad, total]
