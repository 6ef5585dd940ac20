"""Manifests and boxes that are wrong, on purpose or not, and links that lead outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from avatar_samples import make_bundle

from viseme.avatar import FrameFormat, load_avatar
from viseme.avatar.manifest import parse_boxes, parse_manifest
from viseme.avatar.schema import SCHEMA_PATH, schema_text
from viseme.errors import AvatarError


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../network.onnx",
        "a/../../b",
        "..",
        ".",
        "",
        "C:\\x",
        "C:/x",
        "a\\..\\b",
        "~/x",
        "a//b",
        "a/",
        "x\n",
        "x\0y",
        "con?",
        ".hidden",
    ],
)
def test_names_that_reach_outside_are_refused(bundle: Path, name: str) -> None:
    path = bundle / "avatar.json"
    document = json.loads(path.read_text())
    document["files"]["generator"] = name
    path.write_text(json.dumps(document))
    with pytest.raises(AvatarError, match=r"files\.generator: .* is not the name of a file inside"):
        load_avatar(bundle)


@pytest.mark.parametrize("name", ["generator.onnx", "frames.mp4", "boxes.json"])
def test_links_that_lead_outside_are_refused(bundle: Path, name: str) -> None:
    outside = bundle.parent / "outside"
    (bundle / name).rename(outside)
    (bundle / name).symlink_to(outside)
    with pytest.raises(AvatarError, match=f"{name} leads out of the avatar's folder"):
        load_avatar(bundle)


def test_a_link_in_the_folder_of_frames_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path, frame_format=FrameFormat(kind="png"))
    (folder / "frames" / "000003.png").unlink()
    (folder / "frames" / "000003.png").symlink_to("/etc/passwd")
    with pytest.raises(AvatarError, match=r"frames/000003\.png is a link"):
        load_avatar(folder)


def test_a_link_that_stays_inside_is_fine(bundle: Path) -> None:
    (bundle / "generator.onnx").unlink()
    (bundle / "generator.onnx").symlink_to("audio_encoder.onnx")
    with load_avatar(bundle) as avatar:
        assert avatar.generator.read_bytes() == avatar.audio_encoder.read_bytes()


def test_a_bundle_may_itself_be_reached_by_a_link(bundle: Path) -> None:
    link = bundle.parent / "link"
    link.symlink_to(bundle)
    with load_avatar(link) as avatar, load_avatar(bundle) as same:
        assert avatar.manifest == same.manifest


def manifest_text(**changes: Any) -> dict[str, Any]:
    files = {"frames": "f.mp4", "boxes": "b.json", "generator": "g", "audio_encoder": "a"}
    return {
        "format": "viseme-avatar", "version": 1, "name": "a", "title": "A", "size": [640, 480],
        "rate_hz": 25, "frame_count": 10, "network_size": 320, "files": files,
        "sha256": dict.fromkeys(files, "0" * 64),
    } | changes  # fmt: skip


def test_the_least_manifest_is_accepted() -> None:
    manifest = parse_manifest(json.dumps(manifest_text()).encode())
    assert (manifest.licence, manifest.credits, manifest.recipe) == ("", "", {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, '"format" is missing or other'),
        ({"version": 0}, "version: must be a whole number"),
        ({"version": "1"}, "version: must be a whole number"),
        ({"version": True}, "version: must be a whole number"),
        ({"version": 10**40}, "format version 1"),
        ({"extra": 1}, "extra: Extra inputs are not permitted"),
        ({"size": [640]}, "size"),
        ({"size": [640, 480, 3]}, "size"),
        ({"size": [640.5, 480]}, r"size\.0"),
        ({"size": ["640", 480]}, r"size\.0"),
        ({"size": [True, 480]}, r"size\.0"),
        ({"size": [640, -480]}, r"size\.1: .* greater than or equal to 16"),
        ({"size": [10**9, 480]}, r"size\.0: .* less than or equal to 8192"),
        ({"rate_hz": 30}, "rate_hz: Input should be 25"),
        ({"frame_count": 0}, "frame_count"),
        ({"frame_count": 10**30}, "frame_count"),
        ({"frame_count": 10.0}, "frame_count"),
        ({"network_size": 256}, "network_size: Input should be 320 or 160"),
        ({"name": "../x"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"title": None}, "title"),
        ({"files": {"frames": "f.mp4"}}, r"files\.boxes: Field required"),
        ({"sha256": {}}, r"sha256\.frames: Field required"),
        ({"recipe": []}, "recipe"),
    ],
)
def test_manifests_that_say_something_else(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AvatarError, match=message) as caught:
        parse_manifest(json.dumps(manifest_text(**changes)).encode())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 1, "format": 2}', "the key 'format' is there twice"),
        ('{"x": NaN}', "NaN is not a number"),
        ('{"x": -Infinity}', "-Infinity is not a number"),
        ('{"x": 1e999}', "1e999 is too large a number"),
        ('{"x": ' + "9" * 5000 + "}", "is not valid JSON"),
        ("[" * 200_000, "nested too deeply"),
        ("[]", '"format" is missing'),
        ("null", '"format" is missing'),
        ("", "is not valid JSON"),
        ("\ufeff{}", "is not valid JSON"),
    ],
)
@pytest.mark.usefixtures("no_garbage")
def test_json_that_leaves_doubt(text: str, message: str) -> None:
    with pytest.raises(AvatarError, match=message):
        parse_manifest(text.encode())


def test_a_manifest_too_large_to_be_one(bundle: Path) -> None:
    (bundle / "avatar.json").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(AvatarError, match=r"avatar\.json is larger than 1048576 bytes"):
        load_avatar(bundle)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([0, 0, 40], "box 1 is not four whole numbers"),
        ([0, 0, 40, 40.0], "box 1 is not four whole numbers"),
        ([0, 0, 40, True], "box 1 is not four whole numbers"),
        ("0 0 40 40", "box 1 is not four whole numbers"),
        ([0, 0, 40, 41], "box 1 is not a square: 40x41"),
        ([40, 40, 0, 0], "box 1 is too small: its side is -40"),
        ([0, 0, 0, 0], "box 1 is too small: its side is 0"),
        ([0, 0, 10**12, 10**12], "box 1 is too large for a frame of 640x480"),
        ([640, 0, 700, 60], r"box 1 \(640, 0, 700, 60\) lies outside the frame of 640x480"),
        ([0, -60, 60, 0], r"box 1 \(0, -60, 60, 0\) lies outside the frame"),
    ],
)
def test_boxes_that_cannot_be_used(box: Any, message: str) -> None:
    data = json.dumps([[0, 0, 40, 40], box]).encode()
    with pytest.raises(AvatarError, match=r"boxes\.json: " + message):
        parse_boxes(Path("boxes.json"), data, (640, 480), 2)


def test_the_schema_is_that_of_the_code() -> None:
    assert SCHEMA_PATH.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m viseme.avatar.schema"
    )


def test_the_manifest_in_the_documentation_is_valid() -> None:
    page = Path(__file__).parents[2] / "docs" / "bundle.md"
    example = page.read_text(encoding="utf-8").split("```json\n")[1].split("```")[0]
    assert parse_manifest(example.encode()).name == "anna"
