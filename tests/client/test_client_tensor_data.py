"""Folders of test data: written whole, read with care, the same as what the pipeline makes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.tiny_avatar import make_avatar
from viseme.audio import WindowStream
from viseme.avatar import FAMILY_328, crop_inputs, load_avatar
from viseme.client.tensor_data import built_in_data, read_tensor_data, write_tensor_data
from viseme.engine import AudioEncoder
from viseme.errors import InputError, OutputError

BABBLE = (0.1 * np.random.default_rng(3).standard_normal(16_000)).astype(np.float32)


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_avatar(tmp_path_factory.mktemp("avatars") / "anna")


def test_what_is_written_is_what_the_network_would_see_and_hear(
    avatar: Path, tmp_path: Path
) -> None:
    data = write_tensor_data(tmp_path / "data", avatar, BABBLE, 9)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "audio_input.bin",
        "metadata.json",
        "visual_input.bin",
    ]
    visual = np.fromfile(tmp_path / "data" / "visual_input.bin", "<f4").reshape(9, 6, 320, 320)
    heard = np.fromfile(tmp_path / "data" / "audio_input.bin", "<f4").reshape(9, 32, 16, 16)
    with load_avatar(avatar) as opened, AudioEncoder(opened.audio_encoder) as encode:
        stream = WindowStream(encode)
        windows = np.concatenate([stream.push(BABBLE), stream.flush()])
        order = [0, 1, 2, 3, 4, 5, 6, 5, 4]
        for i, index in enumerate(order):
            _, expected = crop_inputs(opened.frame(index), opened.box(index), FAMILY_328)
            np.testing.assert_array_equal(visual[i], expected)
            np.testing.assert_array_equal(heard[i], windows[i])
    np.testing.assert_array_equal(data.visual, visual)
    np.testing.assert_array_equal(data.windows, heard)
    assert json.loads((tmp_path / "data" / "metadata.json").read_text("utf-8")) == {
        "num_frames": 9,
        "visual_shape": [9, 6, 320, 320],
        "audio_shape": [9, 32, 16, 16],
        "format": "BGR",
        "description": "The first 9 frames of the avatar anna: reference and masked copy, 0..1, "
        "and the window of audio features of each frame.",
    }


def test_a_short_speech_gives_what_it_has_unless_more_was_asked_for(
    avatar: Path, tmp_path: Path
) -> None:
    assert len(write_tensor_data(tmp_path / "some", avatar, BABBLE[:8_000])) == 11
    expected = (
        "The speech is 11 frames long and 14 were asked for; give a longer one, or ask for fewer."
    )
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        write_tensor_data(tmp_path / "more", avatar, BABBLE[:8_000], 14)
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["some"]


def test_a_folder_with_something_in_it_is_left_alone(avatar: Path, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine", "utf-8")
    expected = f"The folder '{tmp_path}' is not empty; empty it or choose another name."
    with pytest.raises(OutputError, match=f"^{re.escape(expected)}$"):
        write_tensor_data(tmp_path, avatar, BABBLE, 1)


def test_the_built_in_frames() -> None:
    data = built_in_data()
    assert data.visual.shape == (5, 6, data.size, data.size)
    assert data.windows.shape == (5, 32, 16, 16)
    assert len(np.unique(data.windows.reshape(5, -1), axis=0)) == 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty tiny frames with a window each."""
    return written(tmp_path / "data", windows=20)


def written(folder: Path, windows: int, **changed: Any) -> Path:
    folder.mkdir()
    np.arange(20 * 6 * 4 * 4, dtype="<f4").tofile(folder / "visual_input.bin")
    np.arange(windows * 8, dtype="<f4").tofile(folder / "audio_input.bin")
    metadata = {
        "num_frames": 20,
        "visual_shape": [20, 6, 4, 4],
        "audio_shape": [windows, 2, 2, 2],
        "format": "BGR",
        "description": "tiny",
        **changed,
    }
    (folder / "metadata.json").write_text(json.dumps(metadata), "utf-8")
    return folder


@pytest.mark.parametrize(("windows", "heard"), [(20, 17), (2, 1), (1, 0)])
def test_a_batch_hears_the_window_of_its_first_frame(
    tmp_path: Path, windows: int, heard: int
) -> None:
    data = read_tensor_data(written(tmp_path / "data", windows))
    visual, window = data.batch(17, 5)
    everything = np.arange(20 * 6 * 4 * 4, dtype=np.float32).reshape(20, 6, 4, 4)
    np.testing.assert_array_equal(visual, everything[[17, 18, 19, 0, 1]])
    np.testing.assert_array_equal(window.reshape(-1), np.arange(8 * heard, 8 * heard + 8))


def test_shapes_may_be_those_of_one_frame(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", 20, visual_shape=[6, 4, 4], audio_shape=[2, 2, 2])
    data = read_tensor_data(folder)
    assert (data.visual.shape, data.windows.shape) == ((20, 6, 4, 4), (20, 2, 2, 2))


def cut(name: str, size: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:size])

    return change


def replaced(data: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "metadata.json").write_bytes(data)

    return change


def said(**changed: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "metadata.json"
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changed}), "utf-8")

    return change


BAD = "{folder}/metadata.json cannot be used: {fault}; make the folder again."


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda folder: (folder / "metadata.json").unlink(),
            "{folder} has no metadata.json, so it is no test data; make some with "
            "`viseme testdata {folder}`.",
        ),
        (
            lambda folder: (folder / "visual_input.bin").unlink(),
            "{folder}/visual_input.bin cannot be read: No such file or directory; make the folder "
            "again.",
        ),
        (
            cut("visual_input.bin", 1000),
            "{folder}/visual_input.bin has 1000 bytes, which is no whole number of [6, 4, 4] "
            "float32 (384 bytes each): it is cut off, or metadata.json is of another.",
        ),
        (
            cut("visual_input.bin", 384 * 3),
            "{folder}/visual_input.bin has 3 frames and metadata.json says 20; make the folder "
            "again.",
        ),
        (
            cut("audio_input.bin", 0),
            "{folder}/audio_input.bin has 0 bytes, which is no whole number of [2, 2, 2] float32 "
            "(32 bytes each): it is cut off, or metadata.json is of another.",
        ),
        (
            cut("audio_input.bin", 32 * 7),
            "{folder}/audio_input.bin has 7 windows for 20 frames; there should be one for each, "
            "one for 16, or one for all.",
        ),
        (replaced(b"[1]"), BAD.replace("{fault}", "it is no JSON object")),
        (
            said(num_frames=0),
            BAD.replace("{fault}", "num_frames is 0 where a number of 1 or more was expected"),
        ),
        (
            said(num_frames=True),
            BAD.replace("{fault}", "num_frames is True where a number of 1 or more was expected"),
        ),
        (
            said(format="RGB"),
            BAD.replace("{fault}", "format is 'RGB', and networks want 'BGR'"),
        ),
        (
            said(visual_shape="6,4,4"),
            BAD.replace("{fault}", "visual_shape is '6,4,4' where 3 or 4 numbers were expected"),
        ),
        (
            said(audio_shape=[20, 2, -2, 2]),
            BAD.replace(
                "{fault}", "audio_shape is [20, 2, -2, 2] where 3 or 4 numbers were expected"
            ),
        ),
        (
            said(visual_shape=[20, 3, 4, 4]),
            BAD.replace("{fault}", "visual_shape is [20, 3, 4, 4]; give [N, 6, S, S]"),
        ),
        (
            replaced(b" " * (2**20 + 1)),
            "{folder}/metadata.json is larger than 1048576 bytes; is it the right one?",
        ),
    ],
)
def test_a_damaged_folder(folder: Path, change: Callable[[Path], None], sentence: str) -> None:
    change(folder)
    expected = sentence.replace("{folder}", str(folder))
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        read_tensor_data(folder)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000])
@pytest.mark.usefixtures("no_garbage")
def test_metadata_that_is_no_json(folder: Path, data: bytes) -> None:
    replaced(data)(folder)
    start = re.escape(f"{folder}/metadata.json cannot be used: it is not JSON (")
    with pytest.raises(InputError, match=f"^{start}.*make the folder again\\.$"):
        read_tensor_data(folder)


def test_a_folder_that_is_a_file(folder: Path) -> None:
    path = folder / "visual_input.bin"
    with pytest.raises(InputError, match="cannot be read: Not a directory; check the path"):
        read_tensor_data(path)
