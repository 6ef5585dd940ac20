"""Sharing out the channels of a wide layer, so that the map between is made and used in parts.

An inverted residual makes many channels of few, goes over each by itself, and makes few of them
again. The many do not meet before that, so that some can go all the way before the others:

    P f(D g(E x)) = P_1 f(D_1 g(E_1 x)) + P_2 f(D_2 g(E_2 x)) + ...

There is as much to compute, but a processor goes over one large map more slowly than over several
small ones. It is done for memory's sake in MobileNetV2 (Sandler et al. 2018, section 5.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from viseme.engine.map_sizes import map_sizes
from viseme.engine.onnx_wiring import (
    EACH_ALONE,
    Wiring,
    copy_of,
    is_convolution,
    mixes,
    numbers_of,
    put_in_place,
)

__all__ = ["share_out_channels"]

_MAP_BYTES: Final = 2**23
"""Maps that are larger are shared out: each number of them was measured to cost more."""
_CHANNELS_MIN: Final = 32
"""In a group: with fewer, what multiplies them waits for what loads them."""
_FLOAT_BYTES: Final = 4

_Layers = tuple[Any, ...]
"""An inverted residual's nodes: one that makes channels, one that goes over each, one that brings
them together, and between these what makes of each number another."""


def share_out_channels(graph: Any) -> int:
    """Share out the channels of inverted residuals whose maps are large.

    Args:
        graph: in ONNX's form, its nodes in the order of their running and its weights in it;
            changed.

    Returns:
        How many were shared out.
    """
    wiring, sizes = Wiring(graph), map_sizes(graph)
    places: dict[str, list[Any]] = {}
    """By what its last node makes, the nodes that take the place of all; none for the others."""
    for node in graph.node:
        layers = _layers_from(node, wiring)
        if not layers or node.output[0] not in sizes:
            continue
        height, width = sizes[node.output[0]]
        channels = wiring.shape(node.input[1])[0]
        groups = _groups_of(channels, _FLOAT_BYTES * height * width)
        if groups > 1:
            places |= {layer.output[0]: [] for layer in layers}
            places[layers[-1].output[0]] = list(_shared_out(layers, groups, wiring))
    put_in_place(graph, places)
    return sum(1 for nodes in places.values() if nodes)


def _groups_of(channels: int, channel_bytes: int) -> int:
    """Tell in how many groups channels go: halves of halves, until their maps are small enough."""
    groups = 1
    while (
        channels // groups * channel_bytes > _MAP_BYTES
        and channels % (2 * groups * _CHANNELS_MIN) == 0
    ):
        groups *= 2
    return groups


def _layers_from(node: Any, wiring: Wiring) -> _Layers:
    """Give the inverted residual that a node begins; nothing where it begins none."""
    if not mixes(node, wiring):
        return ()
    layers = [node]
    for is_next in (_goes_over_each, mixes):
        taker = _only_taker(layers[-1], wiring)
        while taker is not None and taker.op_type in EACH_ALONE:
            layers.append(taker)
            taker = _only_taker(taker, wiring)
        if taker is None or not is_next(taker, wiring):
            return ()
        layers.append(taker)
    return tuple(layers)


def _only_taker(node: Any, wiring: Wiring) -> Any:
    """Give the one node that takes what another makes, as its first input; None otherwise."""
    takers = wiring.takers_of(node)
    return takers[0] if len(takers) == 1 and takers[0].input[0] == node.output[0] else None


def _goes_over_each(node: Any, wiring: Wiring) -> bool:
    """Tell whether a node makes of each channel one, with a kernel of its own."""
    if not is_convolution(node, wiring):
        return False
    channels, inputs = wiring.shape(node.input[1])[:2]
    return inputs == 1 and numbers_of(node).get("group") == [channels]


def _shared_out(layers: _Layers, groups: int, wiring: Wiring) -> Iterator[Any]:
    """Make the nodes of each group, one group after the other, and of their sums."""
    channels = wiring.shape(layers[0].input[1])[0] // groups
    total = ""
    for number in range(groups):
        made = layers[0].input[0]
        for position, layer in enumerate(layers):
            part = copy_of(layer)
            part.input[0], made = made, f"{layer.output[0]}.{number}"
            part.output[0] = made
            if layer.op_type == "Conv":
                own = slice(number * channels, (number + 1) * channels)
                _take(part, own, wiring, is_last=position == len(layers) - 1)
            yield part
        if total:
            part = type(layers[0])(op_type="Add")
            # In this order ONNX Runtime ends a group before it begins the next, and adds up within
            # the group's last convolution.
            part.input.extend([made, total])
            made = layers[-1].output[0] if number == groups - 1 else f"{made}.sum"
            part.output.append(made)
            yield part
        total = made


def _take(conv: Any, own: slice, wiring: Wiring, *, is_last: bool) -> None:
    """Leave a convolution those of the channels that are its group's own."""
    weight, bias = wiring.values(conv.input[1]), wiring.bias(conv)
    if is_last:
        # What is added to all channels is added once.
        wiring.give(conv, weight[:, own], bias if own.start == 0 else 0 * bias)
        return
    wiring.give(conv, weight[own], bias[own])
    for item in conv.attribute:
        if item.name == "group" and item.i > 1:
            item.i = own.stop - own.start
