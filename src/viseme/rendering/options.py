"""How to render: everything that is not the speech, the avatar or the place of the result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from viseme.audio import Latency
from viseme.avatar.frame_store import DEFAULT_BUDGET_BYTES
from viseme.avatar.kept_frames import DEFAULT_DISK_BYTES
from viseme.engine import Backend
from viseme.engine.features import DEFAULT_FEATURE_BYTES

__all__ = ["RenderOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """Choices of a render. The defaults are right for most."""

    backend: str | Backend = "auto"
    """What runs the generator: a name, or an open back end, which the render then closes."""
    model: str | Path | None = None
    """Another generator behind the same avatar, an ONNX file."""
    audio_encoder: str | Path | None = None
    """Another audio encoder, an ONNX file."""
    start_frame: int = 0
    """The avatar's frame to begin with, counted in ping-pong order."""
    feather: int = 0
    """Pixels over which the new face is blended into the old one; 0 is the exact geometry."""
    latency: Latency = Latency.EXACT
    """What a frame waits for where the speech comes live; one that waits for less differs."""
    workers: int | None = None
    """Frames in the generator at once; None fits them to the machine."""
    threads: int | None = None
    """CPU cores for one frame; None fits them to the machine."""
    memory_budget_bytes: int = DEFAULT_BUDGET_BYTES
    """Memory for the frames of an avatar that is given by name; a loaded one has its own."""
    disk_budget_bytes: int = DEFAULT_DISK_BYTES
    """Disk for the same, in the user's cache, so that a video is decoded once; 0 keeps nothing."""
    feature_budget_bytes: int = DEFAULT_FEATURE_BYTES
    """Disk for what the generator makes of the avatar's faces before any sound, in the user's
    cache, so that it is made once; 0 keeps nothing."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense, where it is written."""
        for name in ("start_frame", "feather"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
