"""Bundles: written and read back, and damaged."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from avatar_samples import (
    FRAME_COUNT,
    HEIGHT,
    WIDTH,
    make_bundle,
    moving_boxes,
    number_of,
    numbered,
)

from viseme.avatar import (
    FAMILY_168,
    About,
    Avatar,
    Box,
    FrameFormat,
    load_avatar,
    save_bundle,
)
from viseme.avatar.bundle import digest
from viseme.avatar.saving import check_place
from viseme.errors import AvatarError, OutputError


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest of a bundle."""
    path = folder / "avatar.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def replace_boxes(folder: Path, boxes: object) -> None:
    """Put other boxes into a bundle, and their digest into its manifest."""
    path = folder / "boxes.json"
    path.write_text(json.dumps(boxes))
    renew_digest(folder, "boxes")


def renew_digest(folder: Path, role: str) -> None:
    edit(folder, lambda m: m["sha256"].update({role: digest(folder / m["files"][role])}))


# -- there and back ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["video", "png", "jpg"])
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, kind: Any) -> None:
    folder = make_bundle(tmp_path, frame_format=FrameFormat(kind=kind))
    with load_avatar(folder) as avatar:
        assert isinstance(avatar, Avatar)
        assert (avatar.name, avatar.title) == ("tiny", "Tiny")
        assert (avatar.size, avatar.frame_count, avatar.rate_hz) == ((WIDTH, HEIGHT), 30, 25)
        assert avatar.geometry == FAMILY_168
        assert avatar.generator.read_bytes() == b"stands for a network"
        assert avatar.audio_encoder == folder / "audio_encoder.onnx"
        assert avatar.manifest.recipe == {"seed": 7}
        assert [avatar.box(i) for i in range(FRAME_COUNT)] == moving_boxes(FRAME_COUNT)
        for index in (0, 29, 12, 11):
            frame = avatar.frame(index)
            assert number_of(frame) == index
            assert not frame.flags.writeable
        if kind == "png":
            np.testing.assert_array_equal(avatar.frame(7), numbered(7))
        avatar.verify()


def test_ping_pong_of_an_avatar(tmp_path: Path) -> None:
    with load_avatar(make_bundle(tmp_path, count=3)) as avatar:
        order = avatar.ping_pong(1)
        assert [next(order) for _ in range(6)] == [1, 2, 1, 0, 1, 2]


def test_an_avatar_of_one_frame(tmp_path: Path) -> None:
    with load_avatar(make_bundle(tmp_path, count=1)) as avatar:
        order = avatar.ping_pong()
        assert [next(order) for _ in range(3)] == [0, 0, 0]
        assert number_of(avatar.frame(0)) == 0


# -- saving --------------------------------------------------------------------------------------


def save(folder: Path, network: Path, **changes: Any) -> Path:
    arguments: dict[str, Any] = {
        "frames": [numbered(0), numbered(1)],
        "boxes": [Box(0, 0, 40, 40)] * 2,
        "generator": network,
        "audio_encoder": network,
        "about": About("tiny", "Tiny"),
    }
    return save_bundle(folder, **(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": []}, "at least one frame"),
        ({"frames": [numbered(0), numbered(1)[:32]]}, r"Frame 1 is uint8 \[32, 96, 3\], expected"),
        ({"frames": [numbered(0) / 255] * 2}, r"Frame 0 is float64 \[64, 96, 3\], expected"),
        ({"boxes": [Box(0, 0, 40, 40)]}, "1 boxes for 2 frames"),
        ({"boxes": [Box(0, 0, 40, 40), Box(0, 0, 40, 41)]}, "box 1 is not a square"),
        ({"about": About("No Name", "x")}, "not a valid manifest: name"),
        ({"generator": "nowhere.onnx"}, r"The network nowhere\.onnx is missing"),
    ],
)
def test_nothing_is_left_of_an_avatar_that_is_not_valid(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    network = tmp_path / "network.onnx"
    network.write_bytes(b"x")
    with pytest.raises((AvatarError, OutputError), match=message):
        save(tmp_path / "out" / "tiny", network, **changes)
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_nothing_is_left_when_the_frames_end_in_an_error(tmp_path: Path) -> None:
    def frames() -> Any:
        yield numbered(0)
        raise KeyboardInterrupt

    (tmp_path / "network.onnx").write_bytes(b"x")
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "out" / "tiny", tmp_path / "network.onnx", frames=frames())
    assert not list((tmp_path / "out").iterdir())


def test_what_is_there_is_not_overwritten(bundle: Path) -> None:
    before = (bundle / "avatar.json").read_bytes()
    with pytest.raises(OutputError, match="is there already"):
        save(bundle, bundle / "generator.onnx")
    assert (bundle / "avatar.json").read_bytes() == before


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    network = tmp_path / "network.onnx"
    network.write_bytes(b"x")
    with pytest.raises(OutputError, match="cannot be written to"):
        save(network / "tiny", network)


def test_a_place_is_looked_at_and_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    check_place(tmp_path / "new" / "folder" / "tiny")
    for place in (file / "tiny", file / "folder" / "tiny"):
        with pytest.raises(OutputError, match="cannot be written to"):
            check_place(place)
    with pytest.raises(OutputError, match="is there already"):
        check_place(file)
    assert list(tmp_path.iterdir()) == [file]


# -- damaged -------------------------------------------------------------------------------------


def cut(path: Path, part: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])


def make_empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def make_generator_a_folder(folder: Path) -> None:
    (folder / "generator.onnx").unlink()
    (folder / "generator.onnx").mkdir()


def expect_a_frame_less(folder: Path) -> None:
    edit(folder, lambda m: m.update(frame_count=FRAME_COUNT - 1))
    replace_boxes(folder, boxes(FRAME_COUNT - 1))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "There is no avatar"),
    "empty folder": (make_empty, r"is not an avatar: it has no avatar\.json"),
    "no frames": (lambda f: (f / "frames.mp4").unlink(), r"file frames\.mp4 is missing"),
    "no boxes": (lambda f: (f / "boxes.json").unlink(), r"file boxes\.json is missing"),
    "no generator": (lambda f: (f / "generator.onnx").unlink(), r"generator\.onnx is missing"),
    "empty encoder": (
        lambda f: (f / "audio_encoder.onnx").write_bytes(b""),
        r"file audio_encoder\.onnx is empty",
    ),
    "generator is a folder": (make_generator_a_folder, r"generator\.onnx is not a file"),
    "video cut off": (
        lambda f: cut(f / "frames.mp4", 0.9),
        r"frames\.mp4 has \d+ frames of 96x64, and avatar\.json says 30 frames of 96x64",
    ),
    "video cut off at once": (
        lambda f: cut(f / "frames.mp4", 0.02),
        r"frames\.mp4 has no frames that can be found: the video is damaged",
    ),
    "other count": (
        expect_a_frame_less,
        "has 30 frames of 96x64, and avatar.json says 29 frames of 96x64",
    ),
    "other size": (
        lambda f: edit(f, lambda m: m.update(size=[640, 480])),
        "has 30 frames of 96x64, and avatar.json says 30 frames of 640x480",
    ),
    "boxes changed": (
        lambda f: (f / "boxes.json").write_text("[]"),
        r"boxes\.json is not the file that avatar\.json was made for",
    ),
    "boxes missing": (lambda f: replace_boxes(f, boxes(12)), "has 12 boxes for 30 frames"),
    "boxes are none": (lambda f: replace_boxes(f, {"0": []}), "must be a list of boxes"),
    "manifest cut off": (lambda f: cut(f / "avatar.json", 0.5), r"avatar\.json is not valid JSON"),
    "manifest is binary": (
        lambda f: (f / "avatar.json").write_bytes(bytes(range(256))),
        r"avatar\.json is not valid JSON",
    ),
    "from the future": (
        lambda f: edit(f, lambda m: m.update(version=2, more={})),
        r"avatar\.json has format version 2, and this viseme reads 1; install a newer viseme",
    ),
}


def boxes(count: int) -> list[list[int]]:
    return [list(box) for box in moving_boxes(count)]


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_named(bundle: Path, case: str) -> None:
    damage, message = DAMAGE[case]
    damage(bundle)
    with pytest.raises(AvatarError, match=message) as caught:
        load_avatar(bundle)
    assert "\n" not in str(caught.value)
    assert re.search(r"[:;] (correct|get|give|install) |; there are: ", str(caught.value))


@pytest.mark.parametrize("name", ["frames.mp4", "generator.onnx", "audio_encoder.onnx"])
def test_verify_finds_a_single_changed_byte(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[-1] ^= 1
    (bundle / name).write_bytes(bytes(data))
    with (
        pytest.raises(AvatarError, match=f"{name} is not the file"),
        load_avatar(bundle) as avatar,
    ):
        avatar.verify()


@pytest.mark.parametrize("name", ["generator.onnx", "audio_encoder.onnx"])
def test_loading_finds_a_single_changed_byte_of_a_network(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[-1] ^= 1
    (bundle / name).write_bytes(bytes(data))
    with pytest.raises(AvatarError, match=f"{name} is not the file"):
        load_avatar(bundle)


def test_verify_finds_a_changed_picture(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path, frame_format=FrameFormat(kind="png"))
    shutil.copyfile(folder / "frames" / "000003.png", folder / "frames" / "000004.png")
    with load_avatar(folder) as avatar, pytest.raises(AvatarError, match="frames is not the file"):
        avatar.verify()
