"""Leaving out layers that others can have within their weights.

A norm over a batch, as it is when a network has learned, scales and moves each channel, which the
convolution before it can do.

A convolution of one pixel that is taken by nothing but others of one pixel, as it is or beside
other channels, is linear, as they are, and so they can have its weights within theirs:

    y = W [u; V x + b] + c = [W_u, W_v V] [u; x] + (W_v b + c)

It pays where ``x`` has fewer channels than it is made to: a stem of this family has 12, made to 32,
at the full size of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from viseme.engine.onnx_wiring import EACH_ALONE, Wiring, is_convolution, mixes, numbers_of

__all__ = ["fold_mixing", "fold_norms"]

_BLOCK: Final = 16
"""Channels that the layouts for processors hold together. Numbers that are no multiple of it are
brought there by copying all, which costs more than channels of zeros."""


_EPSILON: Final = 1e-5
"""A norm's, where it does not say (ONNX, BatchNormalization)."""


def fold_norms(graph: Any) -> int:
    """Fold norms over batches into the convolutions before them.

    Args:
        graph: as of `fold_mixing`.

    Returns:
        How many there are less.
    """
    wiring = Wiring(graph)
    norms = [node for node in graph.node if _fold_norm(node, wiring)]
    for norm in norms:
        graph.node.remove(norm)
    return len(norms)


def _fold_norm(norm: Any, wiring: Wiring) -> bool:
    """Fold a norm into the convolution before it, and tell whether that could be done."""
    if norm.op_type != "BatchNormalization" or len(norm.output) != 1:
        return False
    conv = wiring.makers.get(norm.input[0])
    if conv is None or not is_convolution(conv, wiring) or wiring.takers_of(conv) != [norm]:
        return False
    if not all(wiring.shape(name) for name in norm.input[1:]):
        return False
    scale, moved, mean, variance = (wiring.values(name).astype(float) for name in norm.input[1:])
    epsilon = next((item.f for item in norm.attribute if item.name == "epsilon"), _EPSILON)
    gain = scale / np.sqrt(variance + epsilon)
    weight = wiring.values(conv.input[1]) * gain[:, None, None, None]
    bias = (wiring.bias(conv) - mean) * gain + moved
    conv.output[0] = norm.output[0]
    wiring.give(conv, weight.astype(np.float32), bias.astype(np.float32))
    return True


def fold_mixing(graph: Any) -> int:
    """Fold such convolutions of a graph into those after them.

    Args:
        graph: in ONNX's form, its nodes in the order of their running and its weights in it;
            changed.

    Returns:
        How many there are less.
    """
    count = 0
    wiring = Wiring(graph)
    for node in tuple(graph.node):
        uses = _uses_of(node, wiring)
        if uses and _fold(node, uses, wiring):
            wiring = Wiring(graph)
            count += 1
    return count


@dataclass(frozen=True, slots=True)
class _Use:
    """A convolution of one pixel that takes what another gives."""

    conv: Any
    concat: Any
    """What it comes through; None where there is nothing."""
    is_last: bool
    """Whether what is taken are the last channels, or the first."""


def _uses_of(node: Any, wiring: Wiring) -> list[_Use]:
    """Give all that a node's output is used for, where it can be folded into that and should be."""
    if not mixes(node, wiring):
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
        if numbers_of(taker)["axis"] != [1] or list(taker.input).count(name) != 1:
            return []
        if name not in (taker.input[0], taker.input[-1]):
            return []  # how many channels are before it is not written in the graph
        is_last = name == taker.input[-1]
        following = wiring.takers_of(taker)
        if not following:
            return []
        uses += [_Use(conv, taker, is_last) for conv in following]
    return uses if all(mixes(use.conv, wiring) for use in uses) else []


def _fold(node: Any, uses: list[_Use], wiring: Wiring) -> bool:
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


def _widen(name: str, wiring: Wiring, more: int) -> bool:
    """Add channels of zeros to a tensor, and tell whether all that it is made of allows that."""
    layers = []
    while True:
        maker = wiring.makers.get(name)
        if maker is None or len(wiring.takers_of(maker)) != 1:
            return False
        if maker.op_type in EACH_ALONE:
            name = maker.input[0]
            continue
        if not is_convolution(maker, wiring):
            return False
        layers.append(maker)
        groups = numbers_of(maker).get("group", [1])[0]
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
