"""Faces and windows for trying a server out: from any avatar and speech, and in a folder.

The folder is the one that existing clients are tested with: `visual_input.bin` and
`audio_input.bin`, float32 in little-endian order without a header, and `metadata.json`, which says
their shapes. Ours have a window for each frame, which is what the networks were trained with; a
client of the contract sends that of the first frame of its batch for all of it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from viseme.audio import WindowStream
from viseme.audio.windows import WINDOW_SHAPE
from viseme.avatar import Avatar, Geometry, crop_inputs, load_avatar
from viseme.engine import AudioEncoder, read_model
from viseme.errors import InputError, ModelError
from viseme.rendering.speech import Speech, open_speech
from viseme.video.target import Target, output_errors

__all__ = ["TensorData", "built_in_data", "read_tensor_data", "write_tensor_data"]

VISUAL_NAME: Final = "visual_input.bin"
AUDIO_NAME: Final = "audio_input.bin"
METADATA_NAME: Final = "metadata.json"
FRAMES_DEFAULT: Final = 25
"""As many as the largest batch has."""
BUILT_IN_FRAMES: Final = 5
FRAMES_OF_A_WINDOW: Final = 16
"""Where there are fewer windows than frames, so many frames share one."""

_FLOAT: Final = np.dtype("<f4")
_METADATA_BYTES_MAX: Final = 2**20
_DEMO: Final = "demo"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TensorData:
    """Frames and what they hear, in memory or mapped into it from a folder."""

    name: str
    """Where it is from."""
    visual: Floats = field(repr=False)
    """float32 [N, 6, S, S], 0..1, B G R: reference and masked copy."""
    windows: Floats = field(repr=False)
    """float32 [W, 32, 16, 16], or another network's shape; W is N, or one for 16 frames, or 1."""

    def __len__(self) -> int:
        return len(self.visual)

    @property
    def size(self) -> int:
        """The side of the faces in pixels."""
        return int(self.visual.shape[2])

    def batch(self, start: int, count: int) -> tuple[Floats, Floats]:
        """Give `count` frames from `start` on, over and over, and the window of the first.

        Returns:
            float32 [count, 6, S, S] and float32 [32, 16, 16], both contiguous.
        """
        numbers = np.arange(start, start + count) % len(self)
        return self.visual[numbers], np.array(self.windows[self._window_of(int(numbers[0]))])

    def _window_of(self, frame: int) -> int:
        if len(self.windows) == len(self):
            return frame
        return frame // FRAMES_OF_A_WINDOW if len(self.windows) > 1 else 0


def built_in_data() -> TensorData:
    """Make five frames of the built-in avatar, with the speech that comes along.

    Raises:
        AvatarError: it is not installed.
    """
    with (
        as_file(files("viseme") / "data" / "speech" / "demo.flac") as speech,
        closing(_frames(_DEMO, speech)) as frames,
    ):
        pairs = list(islice(frames, BUILT_IN_FRAMES))
    return TensorData(
        "built-in frames",
        np.stack([visual for visual, _ in pairs]),
        np.stack([window for _, window in pairs]),
    )


def write_tensor_data(
    out: str | Path, avatar: str | Path, speech: Speech | None = None, frames: int | None = None
) -> TensorData:
    """Write a folder of test data, which appears when it is complete.

    Args:
        out: the folder; must not exist, or be empty.
        avatar: a name or path.
        speech: as for `render`; the speech that comes along where None.
        frames: how many; where None, 25 or as many as the speech has.

    Returns:
        What was written.

    Raises:
        OutputError: it cannot be written.
        InputError: the speech cannot be used, or is too short.
        AvatarError, ModelError: the avatar cannot be used.
    """
    target = Target.parse(f"{out}/")
    with ExitStack() as stack:
        if speech is None:
            built_in = files("viseme") / "data" / "speech" / "demo.flac"
            speech = stack.enter_context(as_file(built_in))
        with target.staged() as folder, output_errors(target.path):
            folder.mkdir()
            size, count = _write_frames(folder, avatar, speech, frames or FRAMES_DEFAULT)
            if frames is not None and count < frames:
                raise InputError(
                    f"The speech is {count} frames long and {frames} were asked for; give a "
                    "longer one, or ask for fewer."
                )
            (folder / METADATA_NAME).write_text(_metadata(size, count, avatar), "utf-8")
    return read_tensor_data(target.path)


def read_tensor_data(folder: str | Path) -> TensorData:
    """Open a folder of test data; its tensors are read as they are used.

    Raises:
        InputError: a file is missing, cut off or damaged, or they do not fit each other.
    """
    path = Path(folder)
    metadata = _read_metadata(path)
    count = metadata.get("num_frames")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise _damaged(path, f"num_frames is {count!r} where a number of 1 or more was expected")
    if metadata.get("format", "BGR") != "BGR":
        raise _damaged(path, f"format is {metadata['format']!r}, and networks want 'BGR'")
    visual_shape = _shape(path, metadata, "visual_shape")
    if visual_shape[0] != 6 or visual_shape[1] != visual_shape[2]:
        raise _damaged(path, f"visual_shape is {metadata['visual_shape']}; give [N, 6, S, S]")
    visual = _mapped(path / VISUAL_NAME, visual_shape)
    windows = _mapped(path / AUDIO_NAME, _shape(path, metadata, "audio_shape"))
    if len(visual) != count:
        raise InputError(
            f"{path / VISUAL_NAME} has {len(visual)} frames and {METADATA_NAME} says {count}; "
            "make the folder again."
        )
    if len(windows) not in (count, -(-count // FRAMES_OF_A_WINDOW), 1):
        raise InputError(
            f"{path / AUDIO_NAME} has {len(windows)} windows for {count} frames; there should be "
            f"one for each, one for {FRAMES_OF_A_WINDOW}, or one for all."
        )
    return TensorData(str(folder), visual, windows)


def _frames(avatar: str | Path, speech: Speech) -> Generator[tuple[Floats, Floats], None, None]:
    """Give the visual input and the window of each frame of a speech."""
    with load_avatar(avatar) as opened, AudioEncoder(opened.audio_encoder) as encode:
        geometry = _geometry(opened)
        numbers = opened.ping_pong()
        for window in _windows(speech, encode):
            index = next(numbers)
            _, visual = crop_inputs(opened.frame(index), opened.box(index), geometry)
            yield visual, window


def _windows(speech: Speech, encode: AudioEncoder) -> Iterator[Floats]:
    stream = WindowStream(encode)
    with open_speech(speech) as source:
        for block in source.samples():
            yield from stream.push(block)
    yield from stream.flush()


def _geometry(avatar: Avatar) -> Geometry:
    info = read_model(avatar.generator)
    if info.audio_shape != WINDOW_SHAPE:
        raise ModelError(
            f"{info.path} hears windows of {list(info.audio_shape)}, and the audio encoder gives "
            f"{list(WINDOW_SHAPE)}: use a generator that was trained with such an encoder."
        )
    return Geometry.for_input(info.size)


def _write_frames(folder: Path, avatar: str | Path, speech: Speech, frames: int) -> tuple[int, int]:
    """Write both files, and give the side of the faces and how many there are."""
    size = count = 0
    with (
        (folder / VISUAL_NAME).open("wb") as visuals,
        (folder / AUDIO_NAME).open("wb") as audio,
        closing(_frames(avatar, speech)) as pairs,
    ):
        for visual, window in islice(pairs, frames):
            visuals.write(np.ascontiguousarray(visual, _FLOAT).data)
            audio.write(np.ascontiguousarray(window, _FLOAT).data)
            size, count = visual.shape[1], count + 1
    return size, count


def _metadata(size: int, count: int, avatar: str | Path) -> str:
    document = {
        "num_frames": count,
        "visual_shape": [count, 6, size, size],
        "audio_shape": [count, *WINDOW_SHAPE],
        "format": "BGR",
        "description": f"The first {count} frames of the avatar {Path(avatar).name}: reference and "
        "masked copy, 0..1, and the window of audio features of each frame.",
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _read_metadata(folder: Path) -> dict[str, Any]:
    path = folder / METADATA_NAME
    try:
        with path.open("rb") as file:
            data = file.read(_METADATA_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise InputError(
            f"{folder} has no {METADATA_NAME}, so it is no test data; make some with "
            f"`viseme testdata {folder}`."
        ) from error
    except (OSError, ValueError) as error:
        fault = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"{path} cannot be read: {fault}; check the path.") from error
    if len(data) > _METADATA_BYTES_MAX:
        raise InputError(f"{path} is larger than {_METADATA_BYTES_MAX} bytes; is it the right one?")
    try:
        metadata = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(folder, f"it is not JSON ({error})") from error
    if not isinstance(metadata, dict):
        raise _damaged(folder, "it is no JSON object")
    return metadata


def _shape(folder: Path, metadata: dict[str, Any], key: str) -> tuple[int, int, int]:
    """Give the shape of one frame's tensor; that of all frames has their number before it."""
    value = metadata.get(key)
    extents = value[-3:] if isinstance(value, list) and len(value) in (3, 4) else []
    if len(extents) != 3 or not all(type(extent) is int and extent > 0 for extent in extents):
        raise _damaged(folder, f"{key} is {value!r} where 3 or 4 numbers were expected")
    return extents[0], extents[1], extents[2]


def _mapped(path: Path, shape: tuple[int, int, int]) -> Floats:
    """Map a file of tensors into memory: float32 [n, *shape], read-only."""
    one = _FLOAT.itemsize
    for extent in shape:
        one *= extent
    try:
        size = path.stat().st_size
        if size == 0 or size % one:
            raise InputError(
                f"{path} has {size} bytes, which is no whole number of {list(shape)} float32 "
                f"({one} bytes each): it is cut off, or {METADATA_NAME} is of another."
            )
        return np.memmap(path, _FLOAT, "r", shape=(size // one, *shape))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}; make the folder again."
        ) from error


def _damaged(folder: Path, fault: str) -> InputError:
    return InputError(f"{folder / METADATA_NAME} cannot be used: {fault}; make the folder again.")
