"""A live stream: what is said to the server, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from viseme.client.sounds import LiveVideo, Pictures, RawSound
from viseme.errors import WireError
from viseme.wire.messages import v1

__all__ = [
    "Interrupted",
    "LiveEvent",
    "LiveNotice",
    "LiveOptions",
    "LivePicture",
    "LiveReady",
    "SpeechEnded",
    "end_of_speech",
    "hello",
    "interrupt",
    "live_event",
    "ready_of",
    "sound",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """Who is to speak along, and how the pictures are wanted."""

    raw: RawSound
    """What the samples are that will be pushed."""
    avatar: str = ""
    """Who speaks; the server's first avatar where none is named."""
    pictures: Pictures | LiveVideo = field(default_factory=Pictures)
    """Each a file of its own, or in a stream of video."""
    start_frame: int = 0
    """The avatar's frame to begin with, 0 or more."""
    behind_samples: int = 0
    """How late pictures may come before a notice tells of it, in samples of the sound: how much
    later than `LiveReady.lookahead_samples` it is played. 0 asks for no notice."""
    latency: Literal["exact", "low"] = "exact"
    """What a picture waits for; `low` takes some 320 ms less, and the mouth is a little less like
    that of the speech."""


@dataclass(frozen=True, slots=True)
class LiveReady:
    """What the server says before all else; positions are samples of the client's own sound."""

    avatar: str
    frame_rate_hz: float
    lookahead_samples: int
    """How much sound after its start a picture waits for: play it this much later, or more."""
    media_type: str
    size: tuple[int, int]
    """Width and height in pixels."""
    idle_timeout_s: float
    """Seconds without any message after which the server ends the call; 0 for never."""
    codec: str = ""
    """What browsers call the codec of a stream of video; empty of single pictures."""


@dataclass(frozen=True, slots=True)
class LivePicture:
    """The next picture."""

    data: bytes
    """It, in the format that was asked for."""
    index: int
    """Its number in this call, from 0."""
    start_sample: int
    """The sample with which it is to be seen."""
    duration_samples: int
    avatar_frame: int
    is_key: bool = True
    """Whether decoding can begin with it, as with any single picture."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Answers an interrupt: no picture of earlier sound comes after this."""

    next_sample: int
    next_index: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Answers an end of speech: all of its pictures have come."""

    next_sample: int
    next_index: int


@dataclass(frozen=True, slots=True)
class LiveNotice:
    """Something that one may want to know; the call goes on."""

    kind: str
    """`behind`, `closing`, or `unspecified` for one that is newer than this client."""
    text: str
    sample: int
    """Of `behind`, the `start_sample` of the picture that is late; of `closing`, how much sound
    had come."""
    late_samples: int
    """By how much the picture is late, of `behind`; see `LiveOptions.behind_samples`."""


_LATENCIES: Final = {"exact": v1.LATENCY_EXACT, "low": v1.LATENCY_LOW}

LiveEvent: TypeAlias = LivePicture | Interrupted | SpeechEnded | LiveNotice


def hello(options: LiveOptions) -> v1.LiveRequest:
    """Say who is wanted; the first message."""
    message = v1.LiveHello(
        avatar=options.avatar,
        raw=options.raw.message(),
        start_frame=options.start_frame,
        behind_samples=options.behind_samples,
        latency=_LATENCIES[options.latency],
    )
    if isinstance(options.pictures, LiveVideo):
        message.video.CopyFrom(options.pictures.message())
    else:
        message.pictures.CopyFrom(options.pictures.message())
    return v1.LiveRequest(hello=message)


def sound(samples: bytes) -> v1.LiveRequest:
    """Send the next samples."""
    return v1.LiveRequest(sound=samples)


def interrupt() -> v1.LiveRequest:
    """Take back what was being said."""
    return v1.LiveRequest(interrupt=v1.Interrupt())


def end_of_speech() -> v1.LiveRequest:
    """Say that no more sound belongs to this speech."""
    return v1.LiveRequest(end_of_speech=v1.EndOfSpeech())


def ready_of(response: v1.LiveResponse | None) -> LiveReady:
    """Read the first message.

    Raises:
        WireError: there is none, or it is another.
    """
    if response is None or response.WhichOneof("message") != "ready":
        raise WireError("The live stream began with something else than `ready`; try again.")
    ready = response.ready
    return LiveReady(
        ready.avatar,
        ready.frame_rate_hz,
        ready.lookahead_samples,
        ready.media_type,
        (ready.width, ready.height),
        ready.idle_timeout_s,
        ready.codec,
    )


def live_event(response: v1.LiveResponse) -> LiveEvent | None:
    """Read any later message; None of a kind that is newer than this client."""
    kind = response.WhichOneof("message")
    if kind == "picture":
        picture = response.picture
        return LivePicture(
            picture.data,
            picture.index,
            picture.start_sample,
            picture.duration_samples,
            picture.avatar_frame,
            picture.key_frame,
        )
    if kind == "interrupted":
        return Interrupted(response.interrupted.next_sample, response.interrupted.next_index)
    if kind == "speech_ended":
        return SpeechEnded(response.speech_ended.next_sample, response.speech_ended.next_index)
    if kind == "notice":
        notice = response.notice
        name = v1.NoticeKind.DESCRIPTOR.values_by_number.get(notice.kind)
        word = name.name.removeprefix("NOTICE_KIND_").lower() if name else "unspecified"
        return LiveNotice(word, notice.text, notice.sample, notice.late_samples)
    return None
