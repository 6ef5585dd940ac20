"""What a synthesizer is told when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["VoiceSettings"]


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """The same for all synthesizers; each takes what it needs."""

    models: tuple[Path, ...] = ()
    """Files of voices, for synthesizers that do not know theirs: Piper's `.onnx`."""
    timeout_s: float = 20.0
    """How long nothing may come of a program."""
