"""The last room: finished pictures and their sound to a file or a folder, whole or not at all."""

from __future__ import annotations

from viseme.video.sound import Sound, open_sound, sound_of_samples
from viseme.video.target import OutputKind, Target
from viseme.video.writer import VideoWriter, open_video, write_video

__all__ = [
    "OutputKind",
    "Sound",
    "Target",
    "VideoWriter",
    "open_sound",
    "open_video",
    "sound_of_samples",
    "write_video",
]
