"""A network in ONNX made anew for a processor: the same pictures, sooner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from viseme.engine.folding import fold_mixing, fold_norms
from viseme.engine.grouping import share_out_channels
from viseme.engine.onnx_outline import LOCATION_EXTERNAL, Model
from viseme.engine.padding import trim_padding

__all__ = ["is_plain", "rewrite", "rewritten"]


def rewritten(network: Path, *, in_groups: bool = True) -> bytes | None:
    """Give a network as a processor runs it soonest.

    Args:
        network: the file.
        in_groups: as in `rewrite`.

    Returns:
        None where that is as it is, where it keeps its weights in other files, and where it cannot
        be read.
    """
    try:
        model = Model.FromString(network.read_bytes())
    except (OSError, DecodeError):
        return None
    changed = rewrite(model, in_groups=in_groups)
    return bytes(model.SerializeToString()) if changed else None


def is_plain(graph: Any) -> bool:
    """Tell whether all that a graph needs is to be seen in it."""
    if any(tensor.data_location == LOCATION_EXTERNAL for tensor in graph.initializer):
        return False
    # Graphs in nodes take tensors without saying so.
    return not any(
        item.graphs or item.HasField("g") for node in graph.node for item in node.attribute
    )


def rewrite(model: Any, *, in_groups: bool = True) -> bool:
    """Change a model so that a processor runs it soonest, and tell whether anything was changed.

    Args:
        model: in ONNX's form, its nodes in the order of their running. One with weights in other
            files, or with nodes that have graphs of their own, stays as it is.
        in_groups: whether wide layers are to have their channels go through group by group.
    """
    graph = model.graph
    if not is_plain(graph):
        return False
    changes = fold_norms(graph) + fold_mixing(graph) + trim_padding(model)
    if in_groups:
        changes += share_out_channels(graph)
    if changes:
        del graph.value_info[:]  # which may tell of other numbers of channels
    return changes > 0
