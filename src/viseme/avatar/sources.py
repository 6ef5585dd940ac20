"""Where frames come from: a folder of pictures, or a video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.avatar.frame_source import FrameSource
from viseme.avatar.image_size import image_size
from viseme.errors import AvatarError

__all__ = ["ImageFrames", "image_files", "open_frames"]

_IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


class ImageFrames(FrameSource):
    """A folder of PNG or JPEG files, one per frame."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._files = image_files(folder)
        self.count = len(self._files)
        self.entries = tuple(range(self.count))
        _, self.size = _read(self._files[0])

    def decode(self, start: int, stop: int) -> Iterator[NDArray[np.uint8]]:
        """Give frames `start` to `stop`; see `FrameSource.decode`."""
        for path in self._files[start:stop]:
            yield _decode(path, self.size)

    def close(self) -> None:
        """Do nothing: no file stays open."""


def image_files(folder: Path) -> list[Path]:
    """Return the picture files of a folder in the order of the numbers that they are named by.

    Raises:
        AvatarError: there are none, a name is no number, or one leads out of the folder.
    """
    try:
        files = [path for path in folder.iterdir() if path.suffix.lower() in _IMAGE_SUFFIXES]
    except OSError as error:
        raise AvatarError(
            f"The folder of frames cannot be read: {error.strerror or error}; check its rights "
            f"({folder})."
        ) from error
    if not files:
        raise AvatarError(
            f"The folder of frames has no PNG or JPEG files; get the avatar again ({folder})."
        )
    for path in files:
        if not (path.stem.isascii() and path.stem.isdigit()):
            raise AvatarError(
                f"{folder.name}/{path.name} is not named by a number; rename or remove it."
            )
        if path.is_symlink():
            raise AvatarError(f"{folder.name}/{path.name} is a link; put the file itself there.")
    return sorted(files, key=lambda path: (len(path.stem.lstrip("0")), path.stem.lstrip("0")))


def open_frames(path: Path) -> FrameSource:
    """Open a folder of pictures or a video.

    Raises:
        AvatarError: it is neither, or it is damaged.
    """
    if path.is_dir():
        return ImageFrames(path)
    from viseme.avatar.video_source import VideoFrames  # noqa: PLC0415 -- PyAV, where needed

    return VideoFrames(path)


def _read(path: Path) -> tuple[bytes, tuple[int, int]]:
    """Return the bytes of a picture file, and the size that it claims to have."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AvatarError(
            f"{_where(path)} cannot be read: {error.strerror or error}; check the file and its "
            "rights."
        ) from error
    size = image_size(data)
    if size is None:
        raise AvatarError(
            f"{_where(path)} is not a picture, or a damaged one; get the avatar again."
        )
    return data, size


def _decode(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    data, found = _read(path)
    if found != size:
        raise AvatarError(
            f"{_where(path)} is {found[0]}x{found[1]}, the first is {size[0]}x{size[1]}; "
            "get the avatar again."
        )
    try:
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise AvatarError(_damaged(path)) from error
    if picture is None:
        raise AvatarError(_damaged(path))
    return np.asarray(picture, np.uint8)


def _damaged(path: Path) -> str:
    return f"{_where(path)} cannot be decoded: it is damaged; get the avatar again."


def _where(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
