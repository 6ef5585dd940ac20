"""What a work is: something that makes frames, told to its process in plain values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from viseme.avatar import Avatar, Geometry
from viseme.engine import read_model

__all__ = ["Opener", "Spec", "Work", "geometry_of", "model_of"]


@dataclass(frozen=True, slots=True)
class Spec:
    """A work, in values that fit on a command line."""

    way: str
    """One of `WAYS`."""
    avatar: str
    speech: str
    model: str | None = None
    """Another network than the avatar's."""
    backend: str = "auto"
    size: int = 1
    """Workers, or frames in a batch."""
    compose: bool = True
    """Whether the face is put into the full frame."""

    def as_dict(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        return asdict(self)


class Work(ABC):
    """Something that makes frames."""

    backend: str
    """What runs the network in truth."""
    run_seconds: Sequence[float] = ()
    """What each run of the network in the last `make` took, where it makes whole batches."""

    @abstractmethod
    def make(self, count: int) -> int:
        """Make so many frames, and return how many: a work that makes films makes all of one."""


Opener = Callable[[Spec, Avatar, ExitStack], Work]


def model_of(spec: Spec, avatar: Avatar) -> Path:
    """Return the network that a work runs."""
    return Path(spec.model) if spec.model else avatar.generator


def geometry_of(spec: Spec, avatar: Avatar) -> Geometry:
    """Return what that network sees of a face."""
    return Geometry.for_input(read_model(model_of(spec, avatar)).size)
