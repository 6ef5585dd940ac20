"""Features in blocks of channels: the same pictures of them, and no way there and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import pytest
from onnx import helper

from support.probes import AUDIO_SHAPES, write_network
from viseme.engine import read_model
from viseme.engine.blocked import keep_blocked, prepare_halves
from viseme.engine.onnx_runtime import OnnxRuntimeBackend, read_signature
from viseme.engine.samples import sample_inputs
from viseme.engine.split import split_at_sound

SIZE: Final = 160
MAP: Final = 32
"""Pixels of a map, each way, where both come together."""
node = helper.make_node

CORNERS: Final = {"coordinate_transformation_mode": "align_corners"}
SEE = [node("Conv", ["input", "see"], ["stem"], strides=[5, 5]), node("Relu", ["stem"], ["seen"])]
HEAR = [node("Conv", ["audio", "hear"], ["ear"]), node("Relu", ["ear"], ["heard"])]
SPEAK = [
    node("Conv", ["active", "deep"], ["inner"], pads=[1, 1, 1, 1]),
    node("Resize", ["inner", "", "larger"], ["large"], mode="linear", **CORNERS),
    node("Conv", ["large", "last"], ["output"]),
]
SAID = node("Conv", ["heard", "say"], ["said"])
ADDED = node("Add", ["said", "seen"], ["active"])
BESIDE = [
    node("Concat", ["heard", "seen"], ["both"], axis=1),
    node("Conv", ["both", "join"], ["active"]),
]
JOINS: Final = {
    "added": [SAID, ADDED],
    "added the other way round": [SAID, node("Add", ["seen", "said"], ["active"])],
    "added and cut off": [
        SAID,
        node("Add", ["said", "seen"], ["sum"]),
        node("Relu", ["sum"], ["active"]),
    ],
    "beside": BESIDE,
    "beside, with the face first": [
        node("Concat", ["seen", "heard"], ["both"], axis=1),
        node("Conv", ["both", "join"], ["active"]),
    ],
    "below": [
        node("Concat", ["heard", "seen"], ["both"], axis=2),
        node("Conv", ["both", "say"], ["taller"], strides=[2, 1]),
        node("Relu", ["taller"], ["active"]),
    ],
    "multiplied": [SAID, node("Mul", ["said", "seen"], ["active"])],
    "added with its channels where the other has columns": [
        SAID,
        node("Transpose", ["seen"], ["turned"], perm=[0, 2, 3, 1]),
        node("Add", ["said", "turned"], ["active"]),
    ],
    "added to a sum": [
        SAID,
        node("Conv", ["heard", "more"], ["again"]),
        node("Add", ["said", "again"], ["twice"]),
        node("Add", ["twice", "seen"], ["active"]),
    ],
    "added to what is cut off": [
        SAID,
        node("Relu", ["said"], ["positive"]),
        node("Add", ["positive", "seen"], ["active"]),
    ],
    "added to what goes elsewhere, too": [
        SAID,
        node("Add", ["said", "seen"], ["sum"]),
        node("Concat", ["sum", "said"], ["both"], axis=1),
        node("Conv", ["both", "join"], ["active"]),
    ],
    "added, and the sum looked at": [
        SAID,
        node("Add", ["said", "seen"], ["sum"]),
        node("ReduceMean", ["sum"], ["mean"], axes=[1], keepdims=1),
        node("Mul", ["sum", "mean"], ["active"]),
    ],
    "spread over the map": [
        node("GlobalAveragePool", ["heard"], ["loud"]),
        node("Conv", ["loud", "say"], ["said"]),
        ADDED,
    ],
    "taken twice": [
        SAID,
        node("Add", ["said", "seen"], ["sum"]),
        node("Concat", ["sum", "seen"], ["both"], axis=1),
        node("Conv", ["both", "join"], ["active"]),
    ],
}


def write(path: Path, join: str, channels: int) -> Path:
    """Write a generator where a face and a sound of so many channels come together."""
    rng = np.random.default_rng(3)
    shapes = {
        "see": (channels, 6, 5, 5),
        "hear": (channels, AUDIO_SHAPES[SIZE][0], 1, 1),
        "say": (channels, channels, 1, 1),
        "more": (channels, channels, 1, 1),
        "join": (channels, 2 * channels, 1, 1),
        "deep": (channels, channels, 3, 3),
        "last": (3, channels, 1, 1),
    }
    weights = {
        name: rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
        for name, shape in shapes.items()
    }
    weights["larger"] = np.asarray([1, 1, SIZE // MAP, SIZE // MAP])
    return write_network(
        path,
        [*SEE, *HEAR, *JOINS[join], *SPEAK],
        {name: value.astype(np.float32) for name, value in weights.items()},
        inputs={"input": ("batch", 6, SIZE, SIZE), "audio": ("batch", *AUDIO_SHAPES[SIZE])},
        outputs={"output": ("batch", 3, SIZE, SIZE)},
    )


def run(network: Path, inputs: dict[str, Any], *, prepared: bool) -> list[Any]:
    backend = OnnxRuntimeBackend(network, prepared=prepared)
    try:
        return backend.run(inputs)
    finally:
        backend.close()


def halves_of(network: Path) -> tuple[Path, Path]:
    """Write both halves beside a network."""
    halves = split_at_sound(read_model(network))
    assert halves is not None
    seeing, speaking = (network.with_name(f"{name}.onnx") for name in ("seeing", "speaking"))
    seeing.write_bytes(halves.seeing)
    _, features = read_signature(seeing)
    speaking.write_bytes(halves.typed({spec.name: spec.shape for spec in features}))
    return seeing, speaking


def orders_in(network: Path) -> list[str]:
    """List what brings maps to blocks of channels and back, but for inputs and the output."""
    graph = onnx.load(network).graph
    ends = {value.name for value in (*graph.input, *graph.output)}
    return [
        one.op_type
        for one in graph.node
        if one.op_type.startswith("Reorder") and ends.isdisjoint([*one.input, *one.output])
    ]


@pytest.mark.parametrize(
    ("join", "channels", "stays"),
    [
        ("added", 32, True),
        ("added the other way round", 32, True),
        ("added and cut off", 32, True),
        ("beside", 32, True),
        ("beside", 16, True),
        ("beside, with the face first", 32, True),
        ("added", 24, False),
        ("beside", 24, False),
        ("below", 32, False),
        ("multiplied", 32, False),
        ("added with its channels where the other has columns", MAP, False),
        ("added to a sum", 32, False),
        ("added to what is cut off", 32, False),
        ("added to what goes elsewhere, too", 32, False),
        ("added, and the sum looked at", 32, False),
        ("spread over the map", 32, False),
        ("taken twice", 32, False),
    ],
)
def test_pictures_are_the_same_and_features_stay_as_they_are(
    join: str, channels: int, stays: bool, tmp_path: Path
) -> None:
    network = write(tmp_path / "m.onnx", join, channels)
    seeing, speaking = halves_of(network)
    samples = sample_inputs(read_model(network), 2)
    inputs = {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}
    (expected,) = run(network, inputs, prepared=False)
    prepare_halves(seeing, speaking)
    _, features = read_signature(seeing)
    (made,) = run(seeing, {"input": inputs["input"]}, prepared=True)
    assert (made.dtype, len(features)) == (np.float16, 1)
    given = {"audio": inputs["audio"], features[0].name: made}
    (picture,) = run(speaking, given, prepared=True)
    # As near as half precision of what is kept allows.
    assert float(np.abs(picture - expected).max()) < 2e-3 * float(np.abs(expected).max())
    orders = [*orders_in(seeing), *orders_in(speaking)]
    assert bool(orders) != stays, orders


def test_what_was_not_prepared_stays_as_it_is(tmp_path: Path) -> None:
    seeing, speaking = halves_of(write(tmp_path / "m.onnx", "added", 32))
    sees, speaks = onnx.load(seeing), onnx.load(speaking)
    before = sees.SerializeToString(), speaks.SerializeToString()
    sizes = {"said": (MAP, MAP), "seen": (MAP, MAP)}
    assert keep_blocked(sees.graph, speaks.graph, sizes) == ()
    assert (sees.SerializeToString(), speaks.SerializeToString()) == before


def test_nothing_else_is_left_beside_them(tmp_path: Path) -> None:
    halves = halves_of(write(tmp_path / "m.onnx", "beside", 32))
    before = set(tmp_path.iterdir())
    prepare_halves(*halves)
    assert set(tmp_path.iterdir()) == before
