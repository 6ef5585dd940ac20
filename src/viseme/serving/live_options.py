"""What a client says of its live session before it begins."""

from __future__ import annotations

from dataclasses import dataclass, field

from viseme.serving.live_pictures import LiveVideo
from viseme.serving.live_voice import SoundBack
from viseme.serving.opus_sound import OpusSound
from viseme.serving.picture_size import PictureSize
from viseme.serving.pictures import PictureOptions
from viseme.serving.raw_sound import RawSound

__all__ = ["LiveOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """What a client says of its session before it begins."""

    sound: RawSound | OpusSound
    """What the bytes of its sound are."""
    pictures: PictureOptions | LiveVideo = field(default_factory=PictureOptions)
    """What the bytes of its pictures are to be."""
    size: PictureSize | None = None
    """The room that the pictures are to fit in; None for the avatar's own size."""
    start_frame: int = 0
    """The avatar's frame to begin with, 0 or more, in the order in which they are played."""
    behind_samples: int = 0
    """How late a picture may be without a word, in samples of the sound; 0 for any time."""
    rests: bool = False
    """Whether pictures go on when there is no sound: the avatar at rest, 25 a second."""
    sound_back: SoundBack = SoundBack.S16
    """How the sound of texts is sent."""
    stall_s: float = 30.0
    """How long pictures may wait to be taken, and the session for anything to come or go."""
