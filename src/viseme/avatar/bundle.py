"""An avatar, opened from its folder. The format is described in docs/bundle.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from viseme.avatar.frame_store import DEFAULT_BUDGET_BYTES, FrameStore
from viseme.avatar.geometry import Box, Geometry
from viseme.avatar.kept_frames import DEFAULT_DISK_BYTES, KeptFrames
from viseme.avatar.manifest import (
    MANIFEST_NAME,
    Manifest,
    parse_manifest,
    read_boxes,
    read_small_file,
)
from viseme.avatar.planes import Pixels, whole
from viseme.avatar.readers import ping_pong
from viseme.avatar.sources import image_files, open_frames
from viseme.errors import AvatarError

__all__ = ["Avatar", "digest", "open_bundle", "read_manifest"]

_HASH_BLOCK_BYTES = 2**20


class Avatar:
    """Someone who can be made to speak: frames, a face box for each, and two networks.

    Share one between all who use it, from any thread: they share its memory. Made by
    `load_avatar`; close it, or use it in a `with` statement, to let go of files and memory.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, boxes: tuple[Box, ...], frames: FrameStore
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.geometry = Geometry.for_input(manifest.network_size)
        self.frames = frames
        self._boxes = boxes

    @property
    def name(self) -> str:
        """The short name."""
        return self.manifest.name

    @property
    def title(self) -> str:
        """What people see it called."""
        return self.manifest.title

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in pixels."""
        return self.manifest.size

    @property
    def frame_count(self) -> int:
        """Number of frames, and of boxes."""
        return self.manifest.frame_count

    @property
    def rate_hz(self) -> int:
        """Frames a second."""
        return self.manifest.rate_hz

    @property
    def generator(self) -> Path:
        """The ONNX file of the network that paints the face."""
        return self.folder / self.manifest.files.generator

    @property
    def audio_encoder(self) -> Path:
        """The ONNX file of the network that hears the speech."""
        return self.folder / self.manifest.files.audio_encoder

    def box(self, index: int) -> Box:
        """Return the face box of frame `index`, 0 .. frame_count - 1."""
        if not 0 <= index < self.frame_count:
            raise IndexError(f"box {index} of {self.frame_count}")
        return self._boxes[index]

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Return frame `index`: uint8 [H, W, 3], B, G, R, read-only.

        Raises:
            IndexError: there is no such frame.
            AvatarError: it is damaged, or the avatar is closed.
        """
        frame = whole(self.pixels(index))
        frame.flags.writeable = False
        return frame

    def pixels(self, index: int) -> Pixels:
        """Return frame `index` as it is held, read-only; errors as of `frame`."""
        return self.frames.frame(index)

    def face_name(self, index: int) -> str:
        """Name what a network sees of frame `index`: no other face has that name."""
        return f"{self.manifest.sha256.frames} {index} {self.box(index)} {self.geometry.inner}"

    def ping_pong(self, start: int = 0) -> Iterator[int]:
        """Give frame numbers without end: forward, backward, forward; each end is shown once.

        Raises:
            AvatarError: `start` is negative.
        """
        return ping_pong(self.frame_count, start)

    def verify(self) -> None:
        """Compare every file with its SHA-256 in the manifest; loading leaves out the frames.

        Raises:
            AvatarError: a file is missing or is not the one that the manifest was made for.
        """
        for role in ("frames", "boxes", "generator", "audio_encoder"):
            _check_digest(self.folder, self.manifest, role)

    def close(self) -> None:
        """Let go of files and memory. Closing twice does nothing."""
        self.frames.close()

    def __enter__(self) -> Avatar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        width, height = self.size
        return f"<Avatar {self.name}: {self.frame_count} frames of {width}x{height}>"


def open_bundle(
    folder: Path,
    *,
    memory_budget_bytes: int = DEFAULT_BUDGET_BYTES,
    disk_budget_bytes: int = DEFAULT_DISK_BYTES,
) -> Avatar:
    """Open the bundle in a folder.

    Args:
        folder: where `avatar.json` is.
        memory_budget_bytes: how much memory decoded frames may take; see `FrameStore`.
        disk_budget_bytes: how much of the disk those of a video may take; see `KeptFrames`.

    Raises:
        AvatarError: it is no bundle, a damaged one, or one of a later version of the format.
    """
    manifest = read_manifest(folder)
    _check_files(folder, manifest)
    # Not of the frames, which may be gigabytes. A damaged network would paint without complaint.
    for role in ("boxes", "generator", "audio_encoder"):
        _check_digest(folder, manifest, role)
    boxes = read_boxes(folder / manifest.files.boxes, manifest.size, manifest.frame_count)
    path = folder / manifest.files.frames
    source = open_frames(path)
    found, expected = (*source.size, source.count), (*manifest.size, manifest.frame_count)
    if found != expected:
        source.close()
        raise AvatarError(
            f"{source.name} has {_frames_of(*found)}, and {MANIFEST_NAME} says "
            f"{_frames_of(*expected)}: the avatar is incomplete or mixed up; get it again "
            f"({folder})."
        )
    if path.is_file():
        # What was put in place of the file that the manifest tells of has another size.
        content = f"{manifest.sha256.frames} {path.stat().st_size}"
        source = KeptFrames(source, content, budget_bytes=disk_budget_bytes)
    store = FrameStore(source, budget_bytes=memory_budget_bytes)
    return Avatar(folder, manifest, boxes, store)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the bundle in a folder.

    Raises:
        AvatarError: there is none, or it is not valid.
    """
    if not folder.is_dir():
        raise AvatarError(f"There is no avatar folder at {folder}; check the path.")
    path = folder / MANIFEST_NAME
    if not path.exists():
        raise AvatarError(
            f"{folder} is not an avatar: it has no {MANIFEST_NAME}; give the folder that has it."
        )
    return parse_manifest(read_small_file(path))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder of frames as `Digests` defines it."""
    if path.is_dir():
        lines = [f"{digest(file)}  {file.name}\n" for file in image_files(path)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    result = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            result.update(block)
    return result.hexdigest()


def _check_files(folder: Path, manifest: Manifest) -> None:
    """See that every file of the manifest is there, and in the folder."""
    root = folder.resolve()
    for role, name in manifest.files:
        path = folder / name
        if not path.resolve().is_relative_to(root):
            raise AvatarError(
                f"{name} leads out of the avatar's folder; put the file itself there ({folder})."
            )
        if not path.exists():
            raise AvatarError(
                f"The avatar's file {name} is missing; get the avatar again ({folder})."
            )
        if not (path.is_file() or (role == "frames" and path.is_dir())):
            raise AvatarError(f"{name} is not a file; get the avatar again ({folder}).")
        if path.is_file() and path.stat().st_size == 0:
            raise AvatarError(
                f"The avatar's file {name} is empty; get the avatar again ({folder})."
            )


def _check_digest(folder: Path, manifest: Manifest, role: str) -> None:
    name: str = getattr(manifest.files, role)
    try:
        found = digest(folder / name)
    except OSError as error:
        raise AvatarError(
            f"The avatar's {name} cannot be read: {error.strerror or error}; check the file and "
            f"its rights ({folder})."
        ) from error
    if found != getattr(manifest.sha256, role):
        raise AvatarError(
            f"{name} is not the file that {MANIFEST_NAME} was made for (its SHA-256 differs): "
            f"get the avatar again ({folder})."
        )


def _frames_of(width: int, height: int, count: int) -> str:
    return f"{count} frames of {width}x{height}"
