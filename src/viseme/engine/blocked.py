"""Features in blocks of channels, as the convolutions of a processor take and give them.

ONNX Runtime convolves on a CPU in a layout of its own, which it calls NCHWc: eight or sixteen
channels of a pixel lie side by side. It brings there what goes into convolutions, and back what
comes out of them. Nobody looks at what one half of a network hands to the other, so that it can
stay there, and be put beside another map, or be where a convolution begins to add up, as it is.

It is the format of the networks that ONNX Runtime writes itself once it has prepared them. What it
has not prepared in the way that is known here stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from viseme.engine.map_sizes import Size, map_sizes
from viseme.engine.onnx_outline import ATTRIBUTE_STRING, Model
from viseme.engine.onnx_runtime import write_prepared
from viseme.engine.onnx_wiring import Wiring, numbers_of

__all__ = ["keep_blocked", "prepare_halves"]

_LAYOUT: Final = "com.microsoft.nchwc"
_INTO, _OUT_OF = "ReorderInput", "ReorderOutput"
_BLOCK: Final = 16
"""Channels in a block at most: of a multiple of these no block is in part empty."""
_SUM: Final = 3
"""The input of a convolution in blocks with what its sums begin with."""


def prepare_halves(seeing: Path, speaking: Path) -> None:
    """Make files of both halves what ONNX Runtime would make of them, with features in blocks.

    They are of use to this version of it on this processor alone.

    Raises:
        ModelError: ONNX Runtime cannot read one of them.
        OSError: they cannot be written.
    """
    sizes = map_sizes(Model.FromString(speaking.read_bytes()).graph)
    models = {}
    for half in (seeing, speaking):
        written = half.with_suffix(".prepared")
        write_prepared(half, written)
        models[half] = Model.FromString(written.read_bytes())
        written.unlink()
    keep_blocked(models[seeing].graph, models[speaking].graph, sizes)
    for half, model in models.items():
        half.write_bytes(model.SerializeToString())


def keep_blocked(seeing: Any, speaking: Any, sizes: Mapping[str, Size]) -> tuple[str, ...]:
    """Hand features over in blocks, as many of them as may be.

    Args:
        seeing: the graph that makes them, as ONNX Runtime has prepared it; changed.
        speaking: the one that takes them; changed, too.
        sizes: of its maps by name, from before it was prepared.

    Returns:
        The names of the features that are in blocks now.
    """
    kept = []
    for value in speaking.input:
        if (given := _given(seeing, value.name)) and _take(speaking, value, sizes):
            cast, reorder = given
            cast.input[0] = reorder.input[0]
            kept.append(value.name)
    for graph in (seeing, speaking):
        _sweep(graph)
    return tuple(kept)


def _given(seeing: Any, feature: str) -> tuple[Any, Any] | None:
    """Find what makes half precision of a feature, and what took it out of its blocks before."""
    makers = Wiring(seeing).makers
    cast = makers.get(feature)
    reorder = makers.get(cast.input[0]) if cast is not None else None
    return (cast, reorder) if _is(reorder, _OUT_OF) else None


def _take(speaking: Any, feature: Any, sizes: Mapping[str, Size]) -> bool:
    """Let what takes a feature take it in blocks; tell whether it could be done."""
    wiring = Wiring(speaking)
    casts = wiring.takers.get(feature.name, [])
    takers = wiring.takers.get(casts[0].output[0], []) if len(casts) == 1 else []
    channels = feature.type.tensor_type.shape.dim[1].dim_value
    if len(takers) != 1 or not channels or channels % _BLOCK:
        return False
    (cast,), (taker,) = casts, takers
    if taker.op_type == "Concat":
        return _put_beside(taker, cast, wiring)
    if taker.op_type == "Add":
        found = {sizes.get(name) for name in taker.input}
        # What is spread over a map is not where its sums can begin.
        is_as_large = len(found) == 1 and None not in found
        return is_as_large and _begin_with(taker, cast, channels, wiring)
    return False


def _put_beside(joined: Any, cast: Any, wiring: Wiring) -> bool:
    """Put a feature beside maps in blocks."""
    others = [wiring.makers.get(name) for name in joined.input if name != cast.output[0]]
    ends = _into_blocks(joined, wiring)
    if numbers_of(joined)["axis"] != [1] or not ends:
        return False
    if not all(_is(one, _OUT_OF) and _channels_of(one) % _BLOCK == 0 for one in others):
        return False
    sources = {one.output[0]: one.input[0] for one in others if one is not None}
    for number, name in enumerate(joined.input):
        joined.input[number] = sources.get(name, name)
    _give_in_place(joined, ends, wiring)
    return True


def _begin_with(total: Any, cast: Any, channels: int, wiring: Wiring) -> bool:
    """Let a convolution begin its sums with a feature that was added to them."""
    reorder: Any = next(wiring.makers.get(name) for name in total.input if name != cast.output[0])
    if not _is(reorder, _OUT_OF) or _channels_of(reorder) != channels:
        return False
    conv: Any = wiring.makers.get(reorder.input[0])
    if not _is(conv, "Conv") or len(conv.input) > _SUM or "activation" in _named(conv):
        return False
    if len(wiring.takers_of(conv)) != 1 or wiring.takers_of(reorder) != [total]:
        return False
    last = total
    after = wiring.takers_of(total)
    if [node.op_type for node in after] == ["Relu"]:
        (last,) = after
    ends = _into_blocks(last, wiring)
    if not ends:
        return False
    conv.input.extend([""] * (_SUM - len(conv.input)))
    conv.input.append(cast.output[0])
    if last is not total:
        conv.attribute.add(name="activation", s=b"Relu", type=ATTRIBUTE_STRING)
    _give_in_place(conv, ends, wiring)
    return True


def _into_blocks(node: Any, wiring: Wiring) -> Sequence[Any]:
    """Give all that takes what a node makes, if all of it does no more than bring it to blocks."""
    takers = wiring.takers_of(node)
    return takers if all(_is(taker, _INTO) for taker in takers) else ()


def _give_in_place(node: Any, others: Sequence[Any], wiring: Wiring) -> None:
    """Give what a node makes to all who took what others made."""
    for other in others:
        for taker in wiring.takers.get(other.output[0], []):
            for number, name in enumerate(taker.input):
                if name == other.output[0]:
                    taker.input[number] = node.output[0]


def _sweep(graph: Any) -> None:
    """Leave out what nobody takes any more, and let each node come after what it takes.

    The order of the others is kept, for it is that of their running.
    """
    makers = Wiring(graph).makers
    kept: list[Any] = []
    done: set[str] = set()
    needed = {value.name for value in graph.output}
    for node in reversed(graph.node):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)

    def keep(node: Any) -> None:
        if node.output[0] in done:
            return
        done.update(node.output)
        for name in node.input:
            if name in makers:
                keep(makers[name])
        # What is taken out of a message is not to be read any more.
        kept.append(type(node).FromString(node.SerializeToString()))

    for node in graph.node:
        if not needed.isdisjoint(node.output):
            keep(node)
    del graph.node[:]
    graph.node.extend(kept)


def _is(node: Any, kind: str) -> bool:
    if node is None or node.domain != _LAYOUT or node.op_type != kind:
        return False
    # What it has turned, too, so that channels come last, is put beside nothing else.
    return numbers_of(node).get("channels_last", [0]) == [0]


def _channels_of(reorder: Any) -> int:
    return int(numbers_of(reorder)["channels"][0])


def _named(node: Any) -> set[str]:
    return {item.name for item in node.attribute}
