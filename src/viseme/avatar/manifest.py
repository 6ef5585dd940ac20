"""What `avatar.json` and `boxes.json` say, and the checks they must pass.

The models here are the one definition of the format: `manifest.schema.json` is generated from
them, and docs/bundle.md describes them in words.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    WithJsonSchema,
)

from viseme.avatar.geometry import Box
from viseme.errors import AvatarError

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST_NAME",
    "Digests",
    "Files",
    "Manifest",
    "parse_boxes",
    "parse_manifest",
    "read_boxes",
    "read_small_file",
]

FORMAT_VERSION: Final = 1
MANIFEST_NAME: Final = "avatar.json"

_MAX_MANIFEST_BYTES = 2**20
_MAX_BOXES_BYTES = 2**25
_ADVICE = "correct it, or get the avatar again"
_FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$"


def _file_name_inside(name: str) -> str:
    """Let through plain relative names only: nothing absolute, no `..`, no drive, no backslash."""
    if not re.fullmatch(_FILE_NAME.removesuffix("$"), name):
        raise ValueError(f"{name!r} is not the name of a file inside the bundle")
    return name


FileName = Annotated[
    str,
    AfterValidator(_file_name_inside),
    WithJsonSchema({"type": "string", "pattern": _FILE_NAME}),
]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Pixels = Annotated[int, Field(ge=16, le=8192)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Files(_Model):
    """The names of the bundle's files, relative to its folder."""

    frames: FileName = Field(
        description="A video, or a folder of PNG or JPEG files whose names are their numbers."
    )
    boxes: FileName = Field(description="The face boxes, JSON.")
    generator: FileName = Field(description="The network that paints the face, ONNX.")
    audio_encoder: FileName = Field(description="The network that hears the speech, ONNX.")


class Digests(_Model):
    """The SHA-256 of each file, in lower-case hexadecimal digits.

    That of a folder of frames is taken over one line per file in order, each with the file's own
    SHA-256, two spaces, its name and a line feed (what `sha256sum` prints).
    """

    frames: Digest
    boxes: Digest
    generator: Digest
    audio_encoder: Digest


class Manifest(_Model):
    """The manifest of an avatar's bundle, `avatar.json`."""

    format: Literal["viseme-avatar"]
    version: Literal[1] = Field(description="The version of this format.")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="A short name.")
    title: str = Field(max_length=200, description="What people see it called.")
    size: tuple[Pixels, Pixels] = Field(
        strict=False, description="Width and height of the frames in pixels."
    )
    rate_hz: Literal[25] = Field(description="Frames a second, as the networks produce them.")
    frame_count: int = Field(ge=1, le=1_000_000, description="Number of frames, and of boxes.")
    network_size: Literal[320, 160] = Field(
        description="Side of the generator's input; it decides the geometry of the crop."
    )
    files: Files
    sha256: Digests
    licence: str = Field(default="", max_length=2000, description="What one may do with it.")
    credits: str = Field(default="", max_length=2000, description="Whom to thank for it.")
    recipe: dict[str, JsonValue] = Field(
        default_factory=dict, description="How it was made, in the maker's own words and numbers."
    )


def read_small_file(path: Path, max_bytes: int = _MAX_MANIFEST_BYTES) -> bytes:
    """Read a file of at most `max_bytes`.

    Raises:
        AvatarError: it is missing, unreadable, not a file or too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise AvatarError(
            f"The avatar's {path.name} cannot be read: {error.strerror or error}; check the file "
            f"and its rights ({path})."
        ) from error
    if len(data) > max_bytes:
        raise AvatarError(
            f"The avatar's {path.name} is larger than {max_bytes} bytes; {_ADVICE} ({path})."
        )
    return data


def parse_manifest(data: bytes, name: str = MANIFEST_NAME) -> Manifest:
    """Make a manifest of the bytes of `avatar.json`.

    Raises:
        AvatarError: the bytes are no manifest, or one of a later version of the format.
    """
    document = _strict_json(data, name)
    if not isinstance(document, dict) or document.get("format") != "viseme-avatar":
        raise AvatarError(
            f'{name} is not the manifest of an avatar: "format" is missing or other; {_ADVICE}.'
        )
    version = document.get("version")
    if type(version) is not int or version < 1:
        raise AvatarError(
            f"{name} is not a valid manifest: version: must be a whole number; {_ADVICE}."
        )
    if version > FORMAT_VERSION:
        raise AvatarError(
            f"{name} has format version {version}, and this viseme reads {FORMAT_VERSION}; "
            "install a newer viseme."
        )
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        fault = first["msg"].removeprefix("Value error, ")
        raise AvatarError(
            f"{name} is not a valid manifest: {where}: {fault}; {_ADVICE}."
        ) from error


def parse_boxes(path: Path, data: bytes, size: tuple[int, int], count: int) -> tuple[Box, ...]:
    """Make boxes of the bytes of `boxes.json`: a list of `[x1, y1, x2, y2]`, one per frame.

    Args:
        path: where the bytes are from, for the messages.
        data: the bytes.
        size: width and height of the frames.
        count: the number of frames.

    Raises:
        AvatarError: the bytes are no such list, or a box cannot be used on such frames.
    """
    entries = _strict_json(data, path.name)
    if not isinstance(entries, list):
        raise AvatarError(f"{path.name} must be a list of boxes, one per frame; {_ADVICE}.")
    if len(entries) != count:
        raise AvatarError(f"{path.name} has {len(entries)} boxes for {count} frames; {_ADVICE}.")
    boxes = []
    for index, entry in enumerate(entries):
        if (
            not isinstance(entry, list)
            or len(entry) != 4
            or not all(type(value) is int for value in entry)
        ):
            raise AvatarError(f"{path.name}: box {index} is not four whole numbers; {_ADVICE}.")
        box = Box(*entry)
        fault = box.fault(*size)
        if fault is not None:
            raise AvatarError(f"{path.name}: box {index} {fault}; {_ADVICE}.")
        boxes.append(box)
    return tuple(boxes)


def read_boxes(path: Path, size: tuple[int, int], count: int) -> tuple[Box, ...]:
    """Read `boxes.json`; see `parse_boxes`."""
    return parse_boxes(path, read_small_file(path, _MAX_BOXES_BYTES), size, count)


def _strict_json(data: bytes, name: str) -> Any:
    """Parse JSON that leaves no doubt: no key twice, no NaN or infinity, no other encoding."""
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
    except (ValueError, RecursionError) as error:
        fault = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise AvatarError(f"{name} is not valid JSON: {fault}; {_ADVICE}.") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return result


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value
