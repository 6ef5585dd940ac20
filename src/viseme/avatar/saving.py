"""Writes a bundle: the whole of it or nothing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from viseme.avatar.bundle import Avatar, digest
from viseme.avatar.geometry import FAMILY_328, Box, Geometry
from viseme.avatar.manifest import FORMAT_VERSION, MANIFEST_NAME, parse_manifest, read_boxes
from viseme.errors import AvatarError, OutputError

__all__ = ["About", "FrameFormat", "check_place", "save_bundle", "save_variant"]

_RATE_HZ: Final = 25
_BOXES_NAME = "boxes.json"
_GENERATOR_NAME = "generator.onnx"
_AUDIO_ENCODER_NAME = "audio_encoder.onnx"

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class About:
    """What a manifest says of its avatar in words. `name`: a-z, 0-9, `-` and `_`."""

    name: str
    title: str
    licence: str = ""
    credits: str = ""
    recipe: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrameFormat:
    """How frames are stored: "video" (H.264), "png" (lossless) or "jpg"."""

    kind: Literal["video", "png", "jpg"] = "video"
    crf: int = 14
    """Of the video, 0..51; less is better. 14 cannot be told from the original by eye."""
    jpeg_quality: int = 95
    """Of JPEG, 0..100."""


def save_bundle(
    folder: str | Path,
    *,
    frames: Iterable[Picture],
    boxes: Sequence[Box],
    generator: str | Path,
    audio_encoder: str | Path,
    about: About,
    geometry: Geometry = FAMILY_328,
    frame_format: FrameFormat = FrameFormat(),
) -> Path:
    """Write an avatar's bundle into a new folder.

    The folder appears when everything is written; after an error nothing is left behind.

    Args:
        folder: where to; must not exist, or be empty.
        frames: uint8 [H, W, 3], B, G, R, all of one size; consumed one at a time.
        boxes: the face box of each frame.
        generator: the ONNX file to copy in.
        audio_encoder: the ONNX file to copy in.
        about: name, title and the like.
        geometry: the family of the generator.
        frame_format: how to store the frames.

    Returns:
        The folder.

    Raises:
        OutputError: it cannot be written, or is there already.
        AvatarError: a network is missing, or what was given makes no valid avatar.
    """
    target = Path(folder)
    _check_free(target)
    for path in (Path(generator), Path(audio_encoder)):
        if not path.is_file():
            raise AvatarError(f"The network {path} is missing; an avatar needs it.")
    with _appearing_whole(target) as work:
        frames_name, size, count = _write_frames(work, frames, frame_format)
        (work / _BOXES_NAME).write_text(_boxes_json(boxes), encoding="utf-8")
        shutil.copyfile(generator, work / _GENERATOR_NAME)
        shutil.copyfile(audio_encoder, work / _AUDIO_ENCODER_NAME)
        files = {
            "frames": frames_name,
            "boxes": _BOXES_NAME,
            "generator": _GENERATOR_NAME,
            "audio_encoder": _AUDIO_ENCODER_NAME,
        }
        facts = {
            "size": list(size),
            "rate_hz": _RATE_HZ,
            "frame_count": count,
            "network_size": geometry.inner,
            "files": files,
            "sha256": {role: digest(work / name) for role, name in files.items()},
        }
        data = _manifest_json(about, facts)
        # What is written must be what loading accepts.
        manifest = parse_manifest(data)
        read_boxes(work / _BOXES_NAME, manifest.size, manifest.frame_count)
        (work / MANIFEST_NAME).write_bytes(data)
    return target


def save_variant(
    avatar: Avatar,
    folder: str | Path,
    *,
    generator: str | Path,
    recipe: Mapping[str, JsonValue],
) -> Path:
    """Write a bundle that differs from another one by its generator.

    Args:
        avatar: the other one.
        folder: where to; must not exist, or be empty. It appears whole or not at all.
        generator: the ONNX file to copy in.
        recipe: how it was made; takes the place of the other's.

    Returns:
        The folder.

    Raises:
        OutputError: it cannot be written, or is there already.
    """
    target = Path(folder)
    _check_free(target)
    files = avatar.manifest.files
    with _appearing_whole(target) as work:
        for role, name in files:
            place = work / name
            place.parent.mkdir(parents=True, exist_ok=True)
            source = Path(generator) if role == "generator" else avatar.folder / name
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, place)
        told = avatar.manifest.model_dump(mode="json")
        told["sha256"]["generator"] = digest(work / files.generator)
        data = json.dumps({**told, "recipe": recipe}, indent=2, ensure_ascii=False).encode() + b"\n"
        parse_manifest(data)  # what is written must be what loading accepts
        (work / MANIFEST_NAME).write_bytes(data)
    return target


def check_place(folder: str | Path) -> None:
    """Find out whether a bundle can be written to a folder, before it takes hours to make it.

    Raises:
        OutputError: it cannot, or it is there already.
    """
    target = Path(folder)
    _check_free(target)
    with _unwritable(target):
        # Folders that are not there yet are made when there is something to put into them.
        nearest = next(parent for parent in target.absolute().parents if parent.exists())
        tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=nearest).cleanup()


def _check_free(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(f"{target} is there already; remove it or choose another folder.")


@contextmanager
def _appearing_whole(target: Path) -> Iterator[Path]:
    """Give a folder to write into that becomes `target` at the end, or disappears."""
    work: Path | None = None
    try:
        with _unwritable(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            work = Path(
                tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
            )
            yield work
            work.chmod(0o777 & ~_umask())  # mkdtemp makes folders that nobody else may read
            work.rename(target)
    finally:
        if work is not None and work.exists():
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _unwritable(target: Path) -> Iterator[None]:
    """Say of what the operating system refuses that it was an avatar."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The avatar cannot be written to {target}: {error.strerror or error}."
        ) from error


def _umask() -> int:
    """Return the umask; the system tells it only by setting another."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _manifest_json(about: About, facts: dict[str, object]) -> bytes:
    document = {
        "format": "viseme-avatar",
        "version": FORMAT_VERSION,
        "name": about.name,
        "title": about.title,
        **facts,
        "licence": about.licence,
        "credits": about.credits,
        "recipe": about.recipe,
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _boxes_json(boxes: Sequence[Box]) -> str:
    """Return `boxes.json`, one box per line."""
    lines = ",\n".join(json.dumps([int(value) for value in box]) for box in boxes)
    return f"[\n{lines}\n]\n"


def _write_frames(
    work: Path, frames: Iterable[Picture], frame_format: FrameFormat
) -> tuple[str, tuple[int, int], int]:
    """Write the frames and return their name in the bundle, their size and their number."""
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise OutputError("An avatar needs at least one frame.")
    size = (first.shape[1], first.shape[0])
    checked = (_checked(frame, size, i) for i, frame in enumerate(chain([first], iterator)))
    if frame_format.kind == "video":
        from viseme.avatar.video_target import write_frames  # noqa: PLC0415 -- PyAV, where needed

        return (
            "frames.mp4",
            size,
            write_frames(work / "frames.mp4", checked, size, frame_format.crf),
        )
    (work / "frames").mkdir()
    return "frames", size, _write_images(work / "frames", checked, frame_format)


def _checked(frame: Picture, size: tuple[int, int], index: int) -> Picture:
    if frame.dtype != np.uint8 or frame.shape != (size[1], size[0], 3):
        raise OutputError(
            f"Frame {index} is {frame.dtype} {list(frame.shape)}, "
            f"expected uint8 {[size[1], size[0], 3]} as the first."
        )
    return frame


def _write_images(folder: Path, frames: Iterable[Picture], frame_format: FrameFormat) -> int:
    options = [cv2.IMWRITE_JPEG_QUALITY, frame_format.jpeg_quality]
    count = 0
    for count, frame in enumerate(frames, start=1):
        _, data = cv2.imencode(
            f".{frame_format.kind}", frame, options if frame_format.kind == "jpg" else []
        )
        (folder / f"{count - 1:06d}.{frame_format.kind}").write_bytes(data.tobytes())
    return count
