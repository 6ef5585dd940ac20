"""The halves of a network that has more to keep than there is room for."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from support.probes import AUDIO_SHAPES, write_network
from viseme.engine import FeatureOptions, ModelInfo, read_model
from viseme.engine.choice import DEVIATION_MAX
from viseme.engine.parts import Parts, parts_of
from viseme.engine.samples import sample_inputs

FACES = 3
LARGE, SMALL = 2 * 80 * 80, 4 * 40 * 40
CHECK_BYTES = 8


@pytest.fixture
def info(tmp_path: Path) -> ModelInfo:
    """Write a generator with something large to keep near the picture, and small further on."""
    rng = np.random.default_rng(0)
    path = write_network(
        tmp_path / "m.onnx",
        [
            helper.make_node("ReduceMean", ["audio"], ["heard"], axes=[1, 2, 3]),
            helper.make_node(
                "Conv", ["input", "stem"], ["wide"], kernel_shape=[2, 2], strides=[2, 2]
            ),
            helper.make_node(
                "Conv", ["wide", "deep"], ["small"], kernel_shape=[2, 2], strides=[2, 2]
            ),
            helper.make_node("Mul", ["small", "heard"], ["spoken"]),
            helper.make_node("DepthToSpace", ["spoken"], ["there"], blocksize=2),
            helper.make_node("Conv", ["wide", "narrow"], ["beside"]),
            helper.make_node("Mul", ["beside", "heard"], ["more"]),
            helper.make_node("Add", ["there", "more"], ["both"]),
            helper.make_node("Conv", ["both", "last"], ["many"]),
            helper.make_node("DepthToSpace", ["many"], ["large"], blocksize=2),
            helper.make_node("Sigmoid", ["large"], ["output"]),
        ],
        {
            "stem": rng.normal(0, 0.3, (4, 6, 2, 2)).astype(np.float32),
            "deep": rng.normal(0, 0.3, (4, 4, 2, 2)).astype(np.float32),
            "narrow": rng.normal(0, 0.3, (2, 4, 1, 1)).astype(np.float32),
            "last": rng.normal(0, 0.3, (12, 2, 1, 1)).astype(np.float32),
        },
        inputs={"input": ("batch", 6, 160, 160), "audio": ("batch", *AUDIO_SHAPES[160])},
        outputs={"output": ("batch", 3, 160, 160)},
    )
    return read_model(path)


def room_for(numbers: int, folder: Path) -> FeatureOptions:
    return FeatureOptions(FACES, budget_bytes=FACES * (2 * numbers + CHECK_BYTES), folder=folder)


def run(network: Path, inputs: dict[str, Any]) -> list[Any]:
    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    return list(session.run(None, inputs))


def picture_of(parts: Parts, info: ModelInfo) -> tuple[Any, Any]:
    """Draw a sample with both halves, and with the whole."""
    (sample,) = sample_inputs(info, 1)
    names = [spec.name for spec in parts.features]
    made = dict(zip(names, run(parts.seeing, {"input": sample["input"]}), strict=True))
    taken = sample if parts.sees_again else {"audio": sample["audio"]}
    (picture,) = run(parts.speaking, {**taken, **made})
    (expected,) = run(info.path, sample)
    return picture, expected


def test_what_is_largest_is_made_again_where_there_is_no_room_for_it(
    info: ModelInfo, tmp_path: Path
) -> None:
    found = {}
    for numbers in (LARGE + SMALL, LARGE + SMALL - 1):
        parts = parts_of(info, "it", room_for(numbers, tmp_path / "cache"))
        assert parts is not None
        names = tuple(spec.name for spec in parts.features)
        found[numbers] = (names, parts.sees_again, parts.again)
        picture, expected = picture_of(parts, info)
        assert float(np.abs(picture - expected).max()) < DEVIATION_MAX
        assert not np.array_equal(expected, np.full_like(expected, expected.flat[0]))
    assert found == {
        LARGE + SMALL: (("beside.half", "small.half"), False, ()),
        LARGE + SMALL - 1: (("small.half",), True, ("beside.half",)),
    }


@pytest.mark.parametrize("numbers", [0, 1])
def test_where_there_is_no_room_for_the_least_it_stays_whole(
    info: ModelInfo, tmp_path: Path, numbers: int
) -> None:
    assert parts_of(info, "it", room_for(numbers, tmp_path)) is None
    assert parts_of(info, "it", FeatureOptions(FACES, budget_bytes=0, folder=tmp_path)) is None
    assert parts_of(info, "it", FeatureOptions(0, folder=tmp_path)) is None


def test_files_are_written_once_and_those_of_long_ago_go(info: ModelInfo, tmp_path: Path) -> None:
    for number in range(9):
        old = tmp_path / "halves" / f"old-{number}"
        old.mkdir(parents=True)
        os.utime(old, (number, number))
    options = FeatureOptions(FACES, folder=tmp_path)
    first = parts_of(info, "it", options)
    assert first is not None
    written = first.speaking.stat().st_mtime_ns
    assert parts_of(info, "it", options) == first
    assert first.speaking.stat().st_mtime_ns == written
    left = {folder.name for folder in (tmp_path / "halves").iterdir()}
    assert left == {first.speaking.parent.parent.name, *(f"old-{number}" for number in range(2, 9))}


def test_a_place_that_cannot_be_written_keeps_it_whole(info: ModelInfo, tmp_path: Path) -> None:
    (tmp_path / "halves").write_text("no folder")
    assert parts_of(info, "it", FeatureOptions(FACES, folder=tmp_path)) is None


def test_many_at_once_get_the_same(info: ModelInfo, tmp_path: Path) -> None:
    options = FeatureOptions(FACES, folder=tmp_path / "cache")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: parts_of(info, "it", options), range(8)))
    assert found[0] is not None
    assert set(found) == {found[0]}
    (folder,) = (tmp_path / "cache" / "halves").iterdir()
    assert [path.name for path in folder.iterdir()] == ["0"]  # and nothing that was not needed
