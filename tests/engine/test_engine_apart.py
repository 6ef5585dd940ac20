"""What is seen and what is heard, convolved apart: the same pictures, and more of them is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from support.probes import AUDIO_SHAPES, write_network
from viseme.engine import read_model
from viseme.engine.samples import sample_inputs
from viseme.engine.split import Target, split_at_sound

SIZE = 160
SOUND = 16
"""Channels."""


@dataclass(frozen=True)
class Between:
    """How a face and a sound come together."""

    face: int = 512
    """Channels."""
    order: tuple[str, ...] = ("face", "sound")
    bias: bool = True
    kernel: int = 1
    maker: str = "Relu"
    """Of the face."""


def write(path: Path, between: Between) -> Path:
    rng = np.random.default_rng(5)
    taken = sum({"face": between.face, "sound": SOUND}[name] for name in between.order)
    shapes = {
        "see": (between.face, 6, 1, 1),
        "hear": (SOUND, 16, 16, 16),
        "join": (24, taken, between.kernel, between.kernel),
        "join.b": (24,),
        "last": (3, 24, 1, 1),
    }
    weights = {name: rng.normal(0, 0.02, shape) for name, shape in shapes.items()}
    weights["scale"] = np.asarray([1, 1, 80, 80])
    node = helper.make_node
    names = ["both", "join", "join.b"] if between.bias else ["both", "join"]
    nodes = [
        node("Conv", ["input", "see"], ["seen"], strides=[80, 80]),
        node(between.maker, ["seen"], ["face"]),
        node("Conv", ["audio", "hear"], ["sound"], strides=[16, 16]),
        node("Concat", list(between.order), ["both"], axis=1),
        node("Conv", names, ["joined"], name="join", pads=[between.kernel // 2] * 4),
        node("Relu", ["joined"], ["active"]),
        node("Resize", ["active", "", "scale"], ["large"], mode="nearest"),
        node("Conv", ["large", "last"], ["output"]),
    ]
    return write_network(
        path,
        nodes,
        {name: value.astype(np.float32) for name, value in weights.items()},
        inputs={"input": ("batch", 6, SIZE, SIZE), "audio": ("batch", *AUDIO_SHAPES[SIZE])},
        outputs={"output": ("batch", 3, SIZE, SIZE)},
    )


def run(network: bytes, inputs: dict[str, Any]) -> Any:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


@pytest.mark.parametrize(("face", "kept"), [(128, "joined.0.half"), (127, "face.half")])
def test_in_blocks_less_of_a_face_is_worth_it(face: int, kept: str, tmp_path: Path) -> None:
    info = read_model(write(tmp_path / "m.onnx", Between(face=face)))
    halves = split_at_sound(info, target=Target.PREPARED)
    assert halves is not None
    assert halves.features == (kept,)


@pytest.mark.parametrize(
    ("between", "kept"),
    [
        (Between(), "joined.0.half"),
        (Between(order=("sound", "face")), "joined.1.half"),
        (Between(bias=False), "joined.0.half"),
        (Between(face=511), "face.half"),
        (Between(order=("face", "sound", "sound")), "face.half"),
        (Between(kernel=3), "face.half"),
        (Between(maker="Softmax"), "face.half"),
    ],
)
def test_what_is_kept_and_what_comes_of_it(between: Between, kept: str, tmp_path: Path) -> None:
    info = read_model(write(tmp_path / "m.onnx", between))
    halves = split_at_sound(info)
    assert halves is not None
    assert halves.features == (kept,)
    sample = dict(sample_inputs(info, 1)[0])
    features = run(halves.seeing, {"input": sample["input"]})
    speaking = halves.typed({kept: (None, *features.shape[1:])})
    given = run(speaking, {"audio": sample["audio"], kept: features})
    expected = run(info.path.read_bytes(), sample)
    # As near as half precision of what is kept allows.
    assert float(np.abs(given - expected).max()) < 2e-3 * float(np.abs(expected).max())
