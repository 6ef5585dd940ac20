"""Taking a generator apart at the sound: what only sees, and what hears.

What a network makes of a face before any sound reaches it is the same each time that the face is
shown. Which nodes that is follows from the graph alone, so it works for any network of two inputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError

from viseme.engine.apart import convolve_apart
from viseme.engine.model import ModelInfo
from viseme.engine.onnx_outline import (
    ELEMENT_FLOAT,
    ELEMENT_HALF,
    Model,
    add_cast,
)
from viseme.engine.rewriting import is_plain, rewrite
from viseme.errors import ModelError

__all__ = ["SplitNetwork", "Target", "split_at_sound"]

# Done again by the half that hears, these take next to nothing, and what they make of the picture
# need not be kept beside it.
_MOVES: Final = frozenset(
    ("DepthToSpace", "Identity", "Reshape", "Slice", "SpaceToDepth", "Squeeze", "Transpose")
)


class Target(Enum):
    """What halves are written for."""

    PROCESSOR = "processor"
    """Any back end that runs on one."""
    PREPARED = "prepared"
    """ONNX Runtime on this one: it prepares them, and hands features over in blocks of channels."""
    MATRIX_UNITS = "matrix-units"
    """A GPU, or a processor in bfloat16: wide layers stay in one piece there."""


@dataclass(frozen=True, slots=True)
class SplitNetwork:
    """A generator as two networks in ONNX, to be run one after the other."""

    seeing: bytes
    """From the visual input to the features, in half precision."""
    speaking: bytes
    """From the features, the audio input and, where it needs it, the visual one, to the picture.
    Its inputs have no shapes yet but what `typed` gives them."""
    features: tuple[str, ...]
    """The names of what lies between, as both have them."""
    sees_again: bool
    """Whether the second takes the visual input, too."""

    def typed(self, shapes: dict[str, tuple[int | None, ...]]) -> bytes:
        """Give the half that speaks, with its features declared.

        Args:
            shapes: of each feature by name, as the half that sees gives it; None is an open extent.
        """
        model = Model.FromString(self.speaking)
        for value in model.graph.input:
            if value.name in shapes:
                value.type.tensor_type.elem_type = ELEMENT_HALF
                for number, length in enumerate(shapes[value.name]):
                    extent = value.type.tensor_type.shape.dim.add()
                    if length is None:
                        extent.dim_param = "batch" if number == 0 else f"{value.name}.{number}"
                    else:
                        extent.dim_value = length
        return bytes(model.SerializeToString())


def split_at_sound(
    info: ModelInfo, again: frozenset[str] = frozenset(), target: Target = Target.PROCESSOR
) -> SplitNetwork | None:
    """Take a generator apart.

    Args:
        info: the whole network.
        again: of the features those, by their names in `SplitNetwork`, that the second half makes
            again rather than is given, and all that they are made of.
        target: what the halves are for.

    Returns:
        Both halves; None where there is nothing to gain, or the file is of a kind that this does
        not take apart: weights in other files, nodes with graphs of their own.

    Raises:
        ModelError: the file cannot be read.
    """
    model = _read(info.path)
    graph = model.graph
    if not is_plain(graph):
        return None
    rewrite(model, in_groups=target is not Target.MATRIX_UNITS)
    only_seen = _reach(graph, info.visual_name) - _reach(graph, info.audio_name)
    convolve_apart(graph, only_seen, blocked=target is Target.PREPARED)
    seen = _reach(graph, info.visual_name)
    heard = _reach(graph, info.audio_name)
    moved = _moved(graph, info.visual_name) - heard
    made_again = {name for name in seen if _half(name) in again}
    not_kept = moved | _Needs(graph, made_again, stops=frozenset()).names
    speaking = _Needs(graph, (info.output_name,), stops=seen - heard - not_kept)
    features = tuple(name for name in speaking.stopped if name != info.visual_name)
    if not features or info.output_name not in heard or len(graph.output) > 1:
        return None
    seeing = _Needs(graph, features, stops=frozenset())
    sees_again = info.visual_name in speaking.names
    inputs = (info.visual_name, info.audio_name) if sees_again else (info.audio_name,)
    return SplitNetwork(
        seeing=_part(model, seeing, (info.visual_name,), gives=features),
        speaking=_part(model, speaking, inputs, takes=features),
        features=tuple(map(_half, features)),
        sees_again=sees_again,
    )


def _read(path: Path) -> Any:
    try:
        return Model.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise ModelError(f"{path} cannot be taken apart ({error}); export it again.") from error


def _reach(graph: Any, source: str) -> frozenset[str]:
    """Name what depends on a tensor, itself included; nodes are in the order of their running."""
    reached = {source}
    for node in graph.node:
        if not reached.isdisjoint(node.input):
            reached.update(node.output)
    return frozenset(reached)


def _moved(graph: Any, source: str) -> frozenset[str]:
    """Name what is a tensor's own numbers in other places, itself included."""
    moved = {source}
    for node in graph.node:
        if node.op_type in _MOVES and node.input[0] in moved:
            moved.update(node.output)
    return frozenset(moved)


class _Needs:
    """What some tensors are made of, back to the inputs of the graph or to where it is cut.

    Args:
        graph: that of all.
        wanted: the tensors.
        stops: where not to go on; those are taken as given.
    """

    def __init__(self, graph: Any, wanted: Iterable[str], stops: frozenset[str]) -> None:
        makers: dict[str, Any] = {name: node for node in graph.node for name in node.output}
        self.names: set[str] = set()
        self.stopped: dict[str, None] = {}
        """Those of `stops` that are needed, in an order that does not change."""
        waiting = list(wanted)
        while waiting:
            name = waiting.pop()
            if name in self.names:
                continue
            self.names.add(name)
            if name in stops:
                self.stopped[name] = None
            elif name in makers:
                waiting.extend(makers[name].input)


def _part(
    model: Any,
    needs: _Needs,
    inputs: tuple[str, ...],
    *,
    takes: tuple[str, ...] = (),
    gives: tuple[str, ...] = (),
) -> bytes:
    """Write a part of a model.

    Args:
        model: all of it; not changed.
        needs: what the part is of.
        inputs: those of the whole that it takes.
        takes: what it takes, in half precision, of what the whole makes by itself.
        gives: what it gives of that in place of the whole's outputs.
    """
    part = Model()
    part.CopyFrom(model)
    graph, whole = part.graph, model.graph
    given = {*inputs, *takes}
    del graph.node[:], graph.initializer[:], graph.input[:]
    for name in takes:
        add_cast(graph, _half(name), name, ELEMENT_FLOAT)
    for node in whole.node:
        if not given.issuperset(node.output) and not needs.names.isdisjoint(node.output):
            graph.node.add().CopyFrom(node)
    graph.initializer.extend(one for one in whole.initializer if one.name in needs.names)
    # Before version 4, ONNX lists what is in the file as an input, too.
    constant = {one.name for one in graph.initializer}
    graph.input.extend(one for one in whole.input if one.name in {*inputs, *constant})
    for name in takes:
        graph.input.add(name=_half(name))
    if gives:
        del graph.output[:]
    for name in gives:
        add_cast(graph, name, _half(name), ELEMENT_HALF)
        graph.output.add(name=_half(name))
    return bytes(part.SerializeToString())


def _half(name: str) -> str:
    return f"{name}.half"
