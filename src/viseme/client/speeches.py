"""A live stream: what is said to the server, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from viseme.client.sounds import LiveVideo, Pictures, RawSound
from viseme.errors import InputError, WireError
from viseme.wire.messages import v1

__all__ = [
    "Interrupted",
    "LiveEvent",
    "LiveNotice",
    "LiveOptions",
    "LivePicture",
    "LiveReady",
    "LiveSound",
    "Refused",
    "Saying",
    "SpeechEnded",
    "end_of_speech",
    "hello",
    "interrupt",
    "key_frame",
    "live_event",
    "ready_of",
    "say",
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
    size: tuple[int, int] | None = None
    """Width and height in pixels of the room that pictures are to fit in, 0 for any; None for the
    avatar's own size."""
    rest: bool = False
    """Whether pictures go on when there is no sound: the avatar at rest, 25 a second."""
    start_frame: int = 0
    """The avatar's frame to begin with, 0 or more."""
    behind_samples: int = 0
    """How late pictures may come before a notice tells of it, in samples of the sound: how much
    later than `LiveReady.lookahead_samples` it is played. 0 asks for no notice."""
    latency: Literal["exact", "low"] = "exact"
    """What a picture waits for; `low` takes some 320 ms less, and the mouth is a little less like
    that of the speech."""
    sound_back: Literal["none", "s16", "opus"] = "s16"
    """How the sound of texts comes: not at all, as 16-bit samples of one channel at the rate of
    `raw`, or as packets of Opus without a container."""


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
    voices: tuple[str, ...] = ()
    """By whom texts can be said, the one that is taken where none is named first; empty where the
    server has nothing to speak with."""
    text_characters: int = 0
    """How long a text may be."""
    sound_rate_hz: int = 0
    """Samples a second of the sound of texts, once it is decoded."""
    sound_skip_samples: int = 0
    """How many of these come of a decoder of Opus before a text's first, and are left out."""


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
    """For how many samples; 0 of the avatar at rest, which is to be seen when it comes."""
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
    """Answers an end of speech, and a text that was said: all of its pictures have come."""

    next_sample: int
    next_index: int


@dataclass(frozen=True, slots=True)
class Saying:
    """A text begins to be said."""

    start_sample: int
    """The position of its first sample."""
    voice: str


@dataclass(frozen=True, slots=True)
class LiveSound:
    """The next sound of a text; it comes before the pictures of its time."""

    data: bytes
    """It, as `LiveOptions.sound_back` wants it."""
    index: int
    """Its number among the sounds of this call, from 0."""
    start_sample: int
    """Its position, counted as all are, however it is encoded."""
    duration_samples: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A text is not said, or not to its end; the call goes on."""

    code: str
    """The name of a gRPC status, such as `INVALID_ARGUMENT`."""
    text: str
    """What is wrong and what to do."""
    next_sample: int


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

_SOUNDS_BACK: Final = {
    "none": v1.SOUND_BACK_NONE,
    "s16": v1.SOUND_BACK_S16,
    "opus": v1.SOUND_BACK_OPUS,
}

LiveEvent: TypeAlias = (
    LivePicture | LiveSound | Saying | Refused | Interrupted | SpeechEnded | LiveNotice
)


def hello(options: LiveOptions) -> v1.LiveRequest:
    """Say who is wanted; the first message."""
    message = v1.LiveHello(
        avatar=options.avatar,
        raw=options.raw.message(),
        start_frame=options.start_frame,
        behind_samples=options.behind_samples,
        latency=_LATENCIES[options.latency],
        sound_back=_SOUNDS_BACK[options.sound_back],
        rest=options.rest,
    )
    if options.size is not None:
        message.size.CopyFrom(v1.PictureSize(width=options.size[0], height=options.size[1]))
    if isinstance(options.pictures, LiveVideo):
        message.video.CopyFrom(options.pictures.message())
    else:
        message.pictures.CopyFrom(options.pictures.message())
    return v1.LiveRequest(hello=message)


def sound(samples: bytes) -> v1.LiveRequest:
    """Send the next samples."""
    return v1.LiveRequest(sound=samples)


def say(text: str, voice: str) -> v1.LiveRequest:
    """Have a text said.

    Raises:
        InputError: it has half a surrogate pair, which no message can hold.
    """
    try:
        return v1.LiveRequest(say=v1.Say(text=text, voice=voice))
    except UnicodeEncodeError as error:
        raise InputError(f"The text is not Unicode ({error}); send whole characters.") from None


def interrupt() -> v1.LiveRequest:
    """Take back what was being said."""
    return v1.LiveRequest(interrupt=v1.Interrupt())


def key_frame() -> v1.LiveRequest:
    """Ask for a picture that decoding can begin with."""
    return v1.LiveRequest(key_frame=v1.KeyFrame())


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
        tuple(ready.voices),
        ready.text_characters,
        ready.sound_rate_hz,
        ready.sound_skip_samples,
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
    return _text_event(response)


def _text_event(response: v1.LiveResponse) -> LiveEvent | None:
    kind = response.WhichOneof("message")
    if kind == "saying":
        return Saying(response.saying.start_sample, response.saying.voice)
    if kind == "sound":
        heard = response.sound
        return LiveSound(heard.data, heard.index, heard.start_sample, heard.duration_samples)
    if kind == "refused":
        refused = response.refused
        return Refused(refused.code, refused.text, refused.next_sample)
    return None
