"""What a live session gives: pictures, and what there is to say between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "Behind",
    "Closing",
    "Interrupted",
    "LiveEvent",
    "LivePicture",
    "LiveReady",
    "LiveSound",
    "PicturesChanged",
    "Refused",
    "Saying",
    "SpeechEnded",
]


@dataclass(frozen=True, slots=True)
class LiveReady:
    """What a client is to know before the first picture."""

    size: tuple[int, int]
    """Width and height of the pictures in pixels."""
    frame_rate_hz: float
    """Pictures a second of sound."""
    lookahead_samples: int
    """How much sound after a picture's start it needs, in samples of the client's sound."""
    media_type: str
    """That of the pictures."""
    codec: str
    """What browsers call the codec of a stream of video; empty of single pictures."""
    idle_timeout_s: float
    """How long nothing may go either way before the session ends."""
    voices: tuple[str, ...] = ()
    """By which texts can be said, that which is taken where none is asked for first."""
    text_characters: int = 0
    """How long a text may be."""
    sent_rate_hz: int = 0
    """Samples a second that come of the sound which is sent, once it is decoded."""
    skip_samples: int = 0
    """How many of these come before a text's first."""


@dataclass(frozen=True, slots=True)
class LivePicture:
    """A picture; positions are counted in samples of the client's sound."""

    index: int
    """Its number in the session, from 0, without gaps."""
    start_sample: int
    """With which sample it is to be seen."""
    duration_samples: int
    """For how many samples; the next one of the same speech begins where it ends. 0 of one that
    shows the avatar at rest: it is to be seen when it comes."""
    avatar_frame: int
    """Which of the avatar's own frames it is made of."""
    data: bytes
    """The picture, encoded."""
    is_key: bool = True
    """Whether decoding can begin with it, as with any single picture."""


@dataclass(frozen=True, slots=True)
class Saying:
    """A text begins to be said."""

    start_sample: int
    """The position of its first sample."""
    voice: str


@dataclass(frozen=True, slots=True)
class LiveSound:
    """Sound of a text; it comes before the pictures of its time."""

    index: int
    """Its number among the session's sounds, from 0."""
    start_sample: int
    duration_samples: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A text is not said, or not to its end."""

    code: str
    """The name of a gRPC status."""
    text: str
    next_sample: int = 0
    """How much sound there is until then."""


@dataclass(frozen=True, slots=True)
class PicturesChanged:
    """The pictures after this are of another size, and the next one begins decoding anew."""

    width: int
    height: int
    codec: str
    """As of `LiveReady`."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The last picture of a speech has been given."""

    next_sample: int
    """The position of the sound that came after its end."""
    next_index: int
    """Number of the next picture."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What was being said is forgotten."""

    next_sample: int
    """The position of the sound that came after the interrupt."""
    next_index: int
    """Number of the next picture."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Pictures are made later than they are due; the next one is that which is late."""

    text: str
    start_sample: int
    """That of the picture."""
    late_samples: int
    """By how much it is late."""


@dataclass(frozen=True, slots=True)
class Closing:
    """The server is about to end; what is being said may be finished."""

    text: str
    next_sample: int
    """How much sound had come until then."""


LiveEvent: TypeAlias = (
    LivePicture
    | PicturesChanged
    | LiveSound
    | Saying
    | Refused
    | SpeechEnded
    | Interrupted
    | Behind
    | Closing
)
