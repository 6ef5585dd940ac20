"""Convolving what is seen and what is heard apart, so that the one is done once for each face.

A convolution of one pixel over both, beside each other, is the sum of one over each:

    W [u; x] + b = W_u u + (W_x x + b)

It is as much work, but what is made of the face alone can be kept in place of the face's own
channels, of which there are fewer than are made of them.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final

from viseme.engine.onnx_wiring import EACH_ALONE, Wiring, copy_of, mixes, numbers_of, put_in_place

__all__ = ["convolve_apart"]

_CHANNELS_MIN: Final = 512
"""Of a face, to be worth it: with fewer, what is kept takes as long to be read as to be made."""
_CHANNELS_MIN_BLOCKED: Final = 128
"""Where it need not be brought to blocks of channels first, and sums can begin with it."""
_AS_MANY: Final = EACH_ALONE | {"Add", "BatchNormalization"}
"""What gives as many channels as it takes."""


def convolve_apart(graph: Any, seen: AbstractSet[str], *, blocked: bool = False) -> int:
    """Take convolutions apart that are over what is seen and what is heard.

    Args:
        graph: in ONNX's form, its nodes in the order of their running and its weights in it;
            changed.
        seen: the names of what depends on the face alone.
        blocked: whether that will be handed over in blocks of channels.

    Returns:
        How many were taken apart.
    """
    channels_min = _CHANNELS_MIN_BLOCKED if blocked else _CHANNELS_MIN
    wiring = Wiring(graph)
    places = {}
    for node in graph.node:
        joined = wiring.makers.get(node.input[0]) if mixes(node, wiring) else None
        if joined is None or joined.op_type != "Concat" or len(joined.input) != 2:
            continue
        is_seen = [name in seen for name in joined.input]
        channels = _channels_of(joined.input[is_seen.index(True)], wiring) if any(is_seen) else 0
        if numbers_of(joined)["axis"] == [1] and not all(is_seen) and channels >= channels_min:
            places[node.output[0]] = _apart(node, joined, channels, is_seen[0], wiring)
    put_in_place(graph, places)
    return len(places)


def _channels_of(name: str, wiring: Wiring) -> int:
    """Count the channels of a tensor by what makes it; 0 where that does not tell."""
    maker = wiring.makers.get(name)
    while maker is not None and maker.op_type in _AS_MANY:
        maker = wiring.makers.get(maker.input[0])
    if maker is None or maker.op_type != "Conv":
        return 0
    return (*wiring.shape(maker.input[1]), 0)[0]


def _apart(node: Any, joined: Any, channels: int, seen_first: bool, wiring: Wiring) -> list[Any]:
    """Make a convolution over each input, and the sum of both."""
    weight, bias = wiring.values(node.input[1]), wiring.bias(node)
    end = channels if seen_first else weight.shape[1] - channels
    parts = []
    for number, own in enumerate((slice(end), slice(end, None))):
        part = copy_of(node)
        part.input[0] = joined.input[number]
        part.output[0] = f"{node.output[0]}.{number}"
        is_seen = seen_first == (number == 0)
        # What is kept has the bias within it.
        wiring.give(part, weight[:, own], bias if is_seen else 0 * bias)
        parts.append(part)
    total = type(node)(op_type="Add", input=[part.output[0] for part in parts])
    total.output.append(node.output[0])
    return [*parts, total]
