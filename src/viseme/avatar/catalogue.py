"""Finds avatars by name: the built-in ones and the user's own."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import platformdirs

from viseme.avatar.bundle import Avatar, open_bundle, read_manifest
from viseme.avatar.frame_store import DEFAULT_BUDGET_BYTES
from viseme.avatar.kept_frames import DEFAULT_DISK_BYTES
from viseme.avatar.manifest import MANIFEST_NAME
from viseme.errors import AvatarError

__all__ = ["SEARCH_PATH_VARIABLE", "AvatarInfo", "list_avatars", "load_avatar"]

SEARCH_PATH_VARIABLE = "VISEME_AVATARS"
"""The environment variable with folders of avatars, separated as in PATH."""


class AvatarInfo(NamedTuple):
    """What the list of avatars says of one."""

    name: str
    """What to load it by: the name of its folder."""
    title: str
    path: Path
    size: tuple[int, int]
    """Width and height of the frames in pixels."""
    frames: int
    """Number of frames."""
    built_in: bool
    fault: str | None = None
    """Why it cannot be loaded; title, size and frames are then empty."""


def load_avatar(
    name_or_path: str | Path,
    *,
    memory_budget_bytes: int = DEFAULT_BUDGET_BYTES,
    disk_budget_bytes: int = DEFAULT_DISK_BYTES,
) -> Avatar:
    """Open an avatar.

    Args:
        name_or_path: the name of one that `list_avatars` has, or the path of a bundle's folder.
        memory_budget_bytes: how much memory decoded frames may take; less than four frames'
            worth counts as four frames.
        disk_budget_bytes: how much of the disk, in the user's cache, those of a video may take,
            so that each is decoded once; where there is no room for all, or with 0, none is kept.

    Raises:
        AvatarError: there is none of that name, or its bundle is damaged.
    """
    return open_bundle(
        _find(name_or_path),
        memory_budget_bytes=memory_budget_bytes,
        disk_budget_bytes=disk_budget_bytes,
    )


def list_avatars() -> list[AvatarInfo]:
    """Return the avatars that can be loaded by name, damaged ones included with their fault.

    Built-in ones come first, then those of $VISEME_AVATARS, then those of the user's data folder.
    Where a name is there twice, the first counts.
    """
    found: dict[str, AvatarInfo] = {}
    for folder, built_in in _places():
        for path in _bundles(folder):
            if path.name not in found:
                found[path.name] = _info(path, built_in=built_in)
    return list(found.values())


def _find(name_or_path: str | Path) -> Path:
    """Return the folder of an avatar: by name if it is one, else by path."""
    path = Path(name_or_path)
    with suppress(OSError):  # a name too long for any file
        if isinstance(name_or_path, str) and path.name == name_or_path:
            for folder, _ in _places():
                if (folder / name_or_path / MANIFEST_NAME).is_file():
                    return folder / name_or_path
        if path.is_dir():
            return path
    names = ", ".join(info.name for info in list_avatars()) or "none"
    raise AvatarError(f"There is no avatar {str(name_or_path)!r}; there are: {names}.")


def _places() -> list[tuple[Path, bool]]:
    """Return the folders that hold avatars, and whether those are built in."""
    built_in = Path(str(resources.files("viseme"))) / "data" / "avatars"
    listed = os.environ.get(SEARCH_PATH_VARIABLE, "").split(os.pathsep)
    places = [(built_in, True), *((_expanded(entry), False) for entry in listed if entry)]
    with suppress(RuntimeError):  # the user has no home, as that of a service may not
        places.append((platformdirs.user_data_path("viseme") / "avatars", False))
    return places


def _expanded(entry: str) -> Path:
    return Path(os.path.expanduser(entry))  # noqa: PTH111 -- which leaves what it does not know


def _bundles(folder: Path) -> list[Path]:
    """Return the folders in `folder` that have a manifest, by name; none if it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if (path / MANIFEST_NAME).is_file())
    except OSError:
        return []


def _info(path: Path, *, built_in: bool) -> AvatarInfo:
    try:
        manifest = read_manifest(path)
    except AvatarError as error:
        return AvatarInfo(path.name, "", path, (0, 0), 0, built_in, str(error))
    return AvatarInfo(
        path.name, manifest.title, path, manifest.size, manifest.frame_count, built_in
    )
