"""Both halves of a generator on a GPU, and what lies between in its memory.

What the first half makes of a face never leaves the device: it is kept there, and the second half
takes that of each row by itself, since rows of a run may be of any faces. So a face that was seen
before is not sent there again either, unless the second half looks at it, too.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from viseme.engine.backend import Tensor
from viseme.engine.bound import BoundBackend, BoundOptions, Values, output_shapes
from viseme.engine.features import GUESTS_MIN, FeatureOptions, bytes_of_one
from viseme.engine.guests import PLACES_MAX, Guests
from viseme.engine.model import ModelInfo
from viseme.engine.onnx_runtime import device_of, new_value, translated
from viseme.engine.parts import Parts
from viseme.engine.split_backend import Halves, SplitBackend
from viseme.errors import BackendError

__all__ = ["DeviceHalves", "DevicePlaces", "DeviceShelf", "open_on_device"]


class Seeing:
    """The first half: from a face to features that stay on the device. For any thread.

    Args:
        info: the whole network.
        model: the half's ONNX file.
        how: it runs.

    Raises:
        ModelError, BackendError: as of a `BoundBackend`.
    """

    def __init__(self, info: ModelInfo, model: Path, how: BoundOptions) -> None:
        session, self.name = how.open(how.content_of(model))
        """Where it runs; of the name of its back end all but the precision."""
        self.shapes = output_shapes(session, {info.visual_name: (1, *info.visual_shape)}, {}, 1)
        """Of one face's features, by name."""
        self._visual_name = info.visual_name
        self._device = device_of(self.name)
        self._session: Any = session

    def see(self, visual: Tensor) -> Values:
        """Make the features of one face, ``[1, 6, S, S]``; the memory is theirs alone.

        Raises:
            BackendError: it is closed, or ONNX Runtime fails.
        """
        session = self._session
        if session is None:
            raise BackendError(f"The back end {self.name!r} is closed; open another.")
        made = {n: new_value(shape, np.float16, self._device) for n, shape in self.shapes.items()}
        with translated("ONNX Runtime failed to run the network", BackendError):
            binding = session.io_binding()
            binding.bind_cpu_input(self._visual_name, np.ascontiguousarray(visual))
            for name, value in made.items():
                binding.bind_ortvalue_output(name, value)
            session.run_with_iobinding(binding)
        return tuple(made.values())

    def close(self) -> None:
        """Let go of the session; calls under way hold it until they end."""
        self._session = None


class DeviceHalves(Halves[Values]):
    """Both halves in ONNX Runtime with bound tensors.

    Args:
        info: the whole network, of any batch.
        seeing: the first.
        speaking: the second, that takes what each row brings.
        sees_again: whether it takes the visual input, too.
    """

    def __init__(
        self, info: ModelInfo, seeing: Seeing, speaking: BoundBackend, *, sees_again: bool
    ) -> None:
        self.name = speaking.name
        self.device = speaking.device
        self.precision = speaking.precision
        self._seeing = seeing
        self._speaking = speaking
        self._taken = (info.audio_name, *((info.visual_name,) if sees_again else ()))

    def see(self, visual: Tensor) -> Values:
        """Make the features of one face, ``[1, 6, S, S]``."""
        return self._seeing.see(visual)

    def speak(self, rows: Sequence[Values], inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Make pictures of the features of each row, and of all inputs."""
        return self._speaking.run({name: inputs[name] for name in self._taken}, rows)

    def close(self) -> None:
        """Let go of both halves."""
        self._seeing.close()
        self._speaking.close()


class DeviceShelf:
    """The features of faces that have names, in a device's memory; for any thread.

    Args:
        faces: of how many they are kept, those shown last.
    """

    def __init__(self, faces: int) -> None:
        self._faces = faces
        self._kept: OrderedDict[str, Values] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, face: str) -> Values | None:
        """Give what was put there for a face; None if nothing was."""
        with self._lock:
            known = self._kept.get(face)
            if known is not None:
                self._kept.move_to_end(face)
            return known

    def put(self, face: str, row: Values) -> None:
        """Keep what belongs to a face."""
        with self._lock:
            self._kept[face] = row
            while len(self._kept) > self._faces:
                self._kept.popitem(last=False)

    def close(self) -> None:
        """Let go of all of them."""
        with self._lock:
            self._faces = 0
            self._kept.clear()


class DevicePlaces:
    """Places in a device's memory, each taken when it is first written to."""

    def __init__(self) -> None:
        self._rows: dict[int, Values] = {}

    def read(self, place: int) -> Values | None:
        """Give what is in a place."""
        return self._rows.get(place)

    def write(self, place: int, row: Values) -> bool:
        """Put features in a place, whoever still has those that were there."""
        self._rows[place] = row
        return True


def open_on_device(
    info: ModelInfo, parts: Parts, options: FeatureOptions, how: BoundOptions
) -> SplitBackend[Values] | None:
    """Open both halves of a network on a GPU.

    Args:
        info: the whole network.
        parts: its halves, written for a GPU.
        options: how much is kept of faces, here of the device's memory.
        how: the network runs.

    Returns:
        None where the device has no memory for it, or is not to be had.

    Raises:
        BackendError, ModelError: a half cannot be opened.
    """
    taken = {info.audio_name: (1, *info.audio_shape)}
    if parts.sees_again:
        taken[info.visual_name] = (1, *info.visual_shape)
    with contextlib.ExitStack() as opened:
        seeing = Seeing(info, parts.seeing, how)
        opened.callback(seeing.close)
        speaking = BoundBackend(parts.speaking, shapes=taken, how=how, brought=seeing.shapes)
        opened.callback(speaking.close)
        if speaking.name.removesuffix("-fp16") != seeing.name:
            return None
        item_bytes = bytes_of_one(list(seeing.shapes.values()))
        guests = min(options.guests_beside(item_bytes, 2 * options.budget_bytes), PLACES_MAX)
        is_room = options.faces > 0 or guests >= GUESTS_MIN
        if not is_room or not _reserve(item_bytes * (options.faces + guests), speaking.device):
            return None
        opened.pop_all()
    halves = DeviceHalves(info, seeing, speaking, sees_again=parts.sees_again)
    return SplitBackend(
        info.visual_name,
        halves,
        kept=DeviceShelf(options.faces),
        guests=Guests(DevicePlaces() if guests else None, guests),
    )


def _reserve(count_bytes: int, device: str) -> bool:
    """Find out whether a device has as much memory, by taking it.

    What is let go of at once ONNX Runtime holds for the values that it is asked for later.
    """
    with contextlib.suppress(BackendError):
        new_value((count_bytes,), np.uint8, device)
        return True
    return False
