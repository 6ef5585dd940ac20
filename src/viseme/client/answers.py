"""What a client's calls give, in small immutable pieces without a library's types in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from viseme.wire.messages import v1

__all__ = ["BatchResult", "CompositeResult", "ServedAvatar", "ServerHealth"]


@dataclass(frozen=True, slots=True, eq=False)
class BatchResult:
    """Faces from the network."""

    output: NDArray[np.float32]
    """float32 [B, 3, S, S], 0..1, B G R. A view of the message that brought it: read-only, and of
    other servers than viseme's it may begin at any byte; `output.copy()` is an array like any
    other."""
    inference_time_ms: float
    """What the server took for it, by its own clock."""


@dataclass(frozen=True, slots=True)
class CompositeResult:
    """Finished pictures of the server's avatar."""

    pictures: list[bytes]
    """B PNG files of the avatar's full size."""
    inference_time_ms: float
    composite_time_ms: float
    """What putting the faces back and writing PNG took."""
    total_time_ms: float
    """The whole call inside the server."""


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """How a server is."""

    healthy: bool
    """Whether it takes requests now."""
    model_path: str
    """The network that it serves."""
    cuda_available: bool
    """Whether a CUDA device runs it."""


@dataclass(frozen=True, slots=True)
class ServedAvatar:
    """An avatar that a server has; see `Avatar` in viseme.proto."""

    name: str
    title: str
    size: tuple[int, int]
    """Width and height of its pictures in pixels."""
    frame_rate_hz: float
    frame_count: int
    licence: str
    credits: str

    @classmethod
    def of(cls, message: v1.Avatar) -> Self:
        """Read it from its message."""
        return cls(
            message.name,
            message.title,
            (message.width, message.height),
            message.frame_rate_hz,
            message.frame_count,
            message.licence,
            message.credits,
        )
