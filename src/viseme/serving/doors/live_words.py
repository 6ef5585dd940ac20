"""What is said on the socket of a live session; docs/live.md is for those who write a client."""

from __future__ import annotations

import struct
from typing import Annotated, Any, Final, Literal, TypeAlias

import pydantic
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from viseme.errors import InputError, OverloadedError, VisemeError
from viseme.serving.live_events import (
    Behind,
    Closing,
    Interrupted,
    LiveEvent,
    LivePicture,
    LiveReady,
    LiveSound,
    PicturesChanged,
    Refused,
    Saying,
)
from viseme.serving.live_pictures import LiveVideo
from viseme.serving.live_voice import SoundBack
from viseme.serving.opus_sound import OpusSound
from viseme.serving.picture_size import PictureSize
from viseme.serving.pictures import PictureFormat, PictureOptions
from viseme.serving.raw_sound import RawSound, SampleFormat
from viseme.video.live_encoder import LiveCodec

__all__ = [
    "VERSION",
    "End",
    "Hello",
    "Interrupt",
    "KeyFrame",
    "Ping",
    "Say",
    "Stats",
    "Word",
    "error_words",
    "event_words",
    "media_message",
    "parse_word",
    "ready_words",
    "sound_message",
]

VERSION: Final = 1

MEDIA_HEADER: Final = struct.Struct("<BBHIQI")
"""Kind, flags, nothing, sequence, start and duration in samples; then the picture or the sound."""
VIDEO: Final = 1
SOUND: Final = 2
KEY_FRAME: Final = 1
AT_REST: Final = 2

_FORMATS: Final = {"s16": SampleFormat.S16, "f32": SampleFormat.F32}


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SaidSound(_Said):
    """What the binary messages of the client are."""

    rate_hz: int
    channels: int = 1
    format: Literal["s16", "f32", "opus"] = "s16"


class SaidSize(_Said):
    """The room that pictures are to fit in."""

    width: int | None = None
    height: int | None = None


class Hello(_Said):
    """Who is wanted, and how."""

    type: Literal["hello"]
    version: int
    sound: SaidSound
    avatar: str = Field(default="", max_length=64)
    codec: Literal["h264", "vp8", "vp9", "jpeg"] = "h264"
    size: SaidSize | None = None
    start_frame: int = Field(default=0, ge=0, lt=2**31)
    behind_samples: int = Field(default=0, ge=0, lt=2**31)
    rest: bool = True
    latency: Literal["exact", "low"] = "exact"
    sound_back: Literal["none", "s16", "opus"] = "s16"
    token: str = Field(default="", max_length=1024)

    @property
    def said_sound(self) -> RawSound | OpusSound:
        """What the samples are, or the packets.

        Raises:
            InputError: rate or channels are out of their range.
        """
        sound = self.sound
        if sound.format == "opus":
            return OpusSound(sound.rate_hz, sound.channels)
        return RawSound(sound.rate_hz, sound.channels, _FORMATS[sound.format])

    @property
    def sent_sound(self) -> SoundBack:
        """How the sound of texts is wanted."""
        return SoundBack(self.sound_back)

    @property
    def pictures(self) -> PictureOptions | LiveVideo:
        """How pictures are wanted."""
        if self.codec == "jpeg":
            return PictureOptions(PictureFormat.JPEG)
        return LiveVideo(LiveCodec(self.codec))

    @property
    def picture_size(self) -> PictureSize | None:
        """The room that pictures are to fit in, if any.

        Raises:
            InputError: nothing is as small or as large.
        """
        return PictureSize(self.size.width, self.size.height) if self.size else None


class Interrupt(_Said):
    """What was being said is taken back."""

    type: Literal["interrupt"]


class Say(_Said):
    """A text is to be said."""

    type: Literal["say"]
    text: str
    voice: str = Field(default="", max_length=128)


class End(_Said):
    """What was being said is complete."""

    type: Literal["end"]


class Ping(_Said):
    """Whether the server is there, and how it is."""

    type: Literal["ping"]
    id: int = Field(default=0, ge=0, lt=2**53)


class KeyFrame(_Said):
    """Decoding cannot go on without a key frame."""

    type: Literal["key_frame"]


class Stats(_Said):
    """How this conversation is."""

    type: Literal["stats"]


Word: TypeAlias = Hello | Interrupt | Say | End | Ping | KeyFrame | Stats

_WORDS: Final[TypeAdapter[Word]] = TypeAdapter(Annotated[Word, Field(discriminator="type")])


def parse_word(text: str) -> Word:
    """Read a text message of a client.

    Raises:
        InputError: it is none that is known here.
    """
    try:
        return _WORDS.validate_json(text)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        said = first["msg"].rstrip(".").lower()
        where = f"'{place}': {said}" if place else said
        raise InputError(
            f"A text message cannot be understood ({where}); docs/live.md has what can be said."
        ) from None


def ready_words(avatar: str, ready: LiveReady) -> dict[str, Any]:
    """Say what a client is to know first."""
    width, height = ready.size
    return {
        "type": "ready",
        "version": VERSION,
        "avatar": avatar,
        "width": width,
        "height": height,
        "frame_rate_hz": ready.frame_rate_hz,
        "lookahead_samples": ready.lookahead_samples,
        "media_type": ready.media_type,
        "codec": ready.codec,
        "idle_timeout_s": ready.idle_timeout_s,
        "voices": ready.voices,
        "text_characters": ready.text_characters,
        "sound_rate_hz": ready.sent_rate_hz,
        "sound_skip_samples": ready.skip_samples,
    }


def event_words(event: LiveEvent) -> dict[str, Any]:
    """Say what happens between pictures."""
    assert not isinstance(event, LivePicture | LiveSound), "these are binary messages"
    if isinstance(event, Behind):
        return {
            "type": "behind",
            "text": event.text,
            "start_sample": event.start_sample,
            "late_samples": event.late_samples,
        }
    if isinstance(event, Saying):
        return {"type": "saying", "start_sample": event.start_sample, "voice": event.voice}
    if isinstance(event, Refused):
        return {
            "type": "refused",
            "code": event.code,
            "message": event.text,
            "next_sample": event.next_sample,
        }
    if isinstance(event, PicturesChanged):
        return {
            "type": "video",
            "width": event.width,
            "height": event.height,
            "codec": event.codec,
        }
    if isinstance(event, Closing):
        return {"type": "closing", "text": event.text, "next_sample": event.next_sample}
    kind = "interrupted" if isinstance(event, Interrupted) else "ended"
    return {"type": kind, "next_sample": event.next_sample, "next_index": event.next_index}


def error_words(error: VisemeError) -> dict[str, Any]:
    """Say why it ends."""
    words: dict[str, Any] = {"type": "error", "code": error.grpc_status, "message": str(error)}
    if isinstance(error, OverloadedError):
        words["retry_after_s"] = round(error.retry_after_s, 3)
    return words


def media_message(picture: LivePicture) -> bytes:
    """Put the header before a picture."""
    flags = KEY_FRAME * picture.is_key | AT_REST * (picture.duration_samples == 0)
    header = MEDIA_HEADER.pack(
        VIDEO,
        flags,
        0,
        picture.index & 0xFFFFFFFF,
        picture.start_sample,
        picture.duration_samples,
    )
    return header + picture.data


def sound_message(sound: LiveSound) -> bytes:
    """Put the header before sound."""
    header = MEDIA_HEADER.pack(
        SOUND, 0, 0, sound.index & 0xFFFFFFFF, sound.start_sample, sound.duration_samples
    )
    return header + sound.data
