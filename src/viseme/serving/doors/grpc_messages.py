"""Messages of `viseme.v1` to what the server works with, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from viseme.audio import Latency
from viseme.avatar import Avatar
from viseme.errors import InputError
from viseme.serving.clips import ClipHeader, ClipPart, ClipPicture, ClipRequest
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
from viseme.serving.picture_size import PictureSize
from viseme.serving.pictures import JPEG_QUALITY, PictureFormat, PictureOptions
from viseme.serving.raw_sound import RawSound, SampleFormat
from viseme.video import StreamKind
from viseme.video.live_encoder import LiveCodec
from viseme.wire.messages import v1

__all__ = [
    "avatar_message",
    "clip_message",
    "clip_request",
    "event_message",
    "live_latency",
    "live_output",
    "picture_options",
    "raw_sound",
    "ready_message",
    "sound_back",
]

Meaning = TypeVar("Meaning")

# Zero stands for "not said", and each proto names what is taken then.
_SAMPLE_FORMATS: Final[Mapping[int, SampleFormat]] = {
    v1.SAMPLE_FORMAT_UNSPECIFIED: SampleFormat.S16,
    v1.SAMPLE_FORMAT_U8: SampleFormat.U8,
    v1.SAMPLE_FORMAT_S16: SampleFormat.S16,
    v1.SAMPLE_FORMAT_S32: SampleFormat.S32,
    v1.SAMPLE_FORMAT_F32: SampleFormat.F32,
}
_PICTURE_FORMATS: Final[Mapping[int, PictureFormat]] = {
    v1.PICTURE_FORMAT_UNSPECIFIED: PictureFormat.JPEG,
    v1.PICTURE_FORMAT_JPEG: PictureFormat.JPEG,
    v1.PICTURE_FORMAT_PNG: PictureFormat.PNG,
    v1.PICTURE_FORMAT_BGR: PictureFormat.BGR,
}
_LIVE_CODECS: Final[Mapping[int, LiveCodec]] = {
    v1.LIVE_CODEC_UNSPECIFIED: LiveCodec.H264,
    v1.LIVE_CODEC_H264: LiveCodec.H264,
    v1.LIVE_CODEC_VP8: LiveCodec.VP8,
    v1.LIVE_CODEC_VP9: LiveCodec.VP9,
}
_LATENCIES: Final[Mapping[int, Latency]] = {
    v1.LATENCY_UNSPECIFIED: Latency.EXACT,
    v1.LATENCY_EXACT: Latency.EXACT,
    v1.LATENCY_LOW: Latency.LOW,
}
_SOUNDS_BACK: Final[Mapping[int, SoundBack]] = {
    v1.SOUND_BACK_UNSPECIFIED: SoundBack.S16,
    v1.SOUND_BACK_NONE: SoundBack.NONE,
    v1.SOUND_BACK_S16: SoundBack.S16,
    v1.SOUND_BACK_OPUS: SoundBack.OPUS,
}
_CONTAINERS: Final[Mapping[int, StreamKind]] = {
    v1.CONTAINER_UNSPECIFIED: StreamKind.MP4,
    v1.CONTAINER_MP4: StreamKind.MP4,
    v1.CONTAINER_WEBM: StreamKind.WEBM,
}


def avatar_message(name: str, avatar: Avatar) -> v1.Avatar:
    """Describe an avatar by the name that it has here."""
    width, height = avatar.size
    return v1.Avatar(
        name=name,
        title=avatar.title,
        width=width,
        height=height,
        frame_rate_hz=avatar.rate_hz,
        frame_count=avatar.frame_count,
        licence=avatar.manifest.licence,
        credits=avatar.manifest.credits,
    )


def raw_sound(message: v1.RawSound) -> RawSound:
    """Read what samples are.

    Raises:
        InputError: the format is unknown, or rate or channels are out of their range.
    """
    form = _known(_SAMPLE_FORMATS, message.format, "sample format")
    return RawSound(message.rate_hz, message.channels or 1, form)


def picture_options(message: v1.PictureOutput) -> PictureOptions:
    """Read how pictures are to come.

    Raises:
        InputError: the format is unknown, or the quality is out of its range.
    """
    form = _known(_PICTURE_FORMATS, message.format, "picture format")
    return PictureOptions(form, message.jpeg_quality or JPEG_QUALITY)


def live_output(message: v1.LiveHello) -> PictureOptions | LiveVideo:
    """Read what the pictures of a live session are to be.

    Raises:
        InputError: a format is unknown, or the quality is out of its range.
    """
    if message.WhichOneof("output") == "video":
        return LiveVideo(_known(_LIVE_CODECS, message.video.codec, "codec"))
    return picture_options(message.pictures)


def live_size(message: v1.LiveHello) -> PictureSize | None:
    """Read the room that the pictures of a live session are to fit in, if any.

    Raises:
        InputError: nothing is as small or as large.
    """
    if not message.HasField("size"):
        return None
    return PictureSize(message.size.width or None, message.size.height or None)


def live_latency(message: v1.LiveHello) -> Latency:
    """Read what the pictures of a live session are to wait for.

    Raises:
        InputError: it is unknown.
    """
    return _known(_LATENCIES, message.latency, "latency")


def sound_back(message: v1.LiveHello) -> SoundBack:
    """Read how the sound of texts is to come.

    Raises:
        InputError: it is unknown.
    """
    return _known(_SOUNDS_BACK, message.sound_back, "way for the sound back")


def clip_request(message: v1.RenderStart) -> ClipRequest:
    """Read what is to be rendered.

    Raises:
        InputError: a value is unknown or out of its range.
    """
    return ClipRequest(
        avatar=message.avatar,
        output=(
            picture_options(message.pictures)
            if message.WhichOneof("output") == "pictures"
            else _known(_CONTAINERS, message.video.container, "container")
        ),
        start_frame=message.start_frame,
        raw=raw_sound(message.raw) if message.HasField("raw") else None,
    )


def clip_message(part: ClipPart) -> v1.RenderResponse:
    """Write a part of a clip."""
    if isinstance(part, bytes):
        return v1.RenderResponse(video=part)
    if isinstance(part, ClipPicture):
        picture = v1.Picture(
            index=part.index,
            time_s=part.time_s,
            avatar_frame=part.avatar_frame,
            data=part.data,
        )
        return v1.RenderResponse(picture=picture)
    if isinstance(part, ClipHeader):
        header = v1.RenderHeader(
            width=part.width,
            height=part.height,
            frame_rate_hz=part.frame_rate_hz,
            media_type=part.media_type,
            avatar=part.avatar,
        )
        return v1.RenderResponse(header=header)
    summary = v1.RenderSummary(
        pictures=part.pictures,
        duration_s=part.duration_s,
        next_frame=part.next_frame,
        warnings=part.warnings,
    )
    return v1.RenderResponse(summary=summary)


def ready_message(avatar: str, ready: LiveReady) -> v1.LiveResponse:
    """Write what a client is to know of a live session first."""
    width, height = ready.size
    message = v1.LiveReady(
        avatar=avatar,
        width=width,
        height=height,
        frame_rate_hz=ready.frame_rate_hz,
        lookahead_samples=ready.lookahead_samples,
        media_type=ready.media_type,
        codec=ready.codec,
        idle_timeout_s=ready.idle_timeout_s,
        voices=ready.voices,
        text_characters=ready.text_characters,
        sound_rate_hz=ready.sent_rate_hz,
        sound_skip_samples=ready.skip_samples,
    )
    return v1.LiveResponse(ready=message)


def event_message(event: LiveEvent) -> v1.LiveResponse:
    """Write what a live session gives."""
    if isinstance(event, LivePicture):
        picture = v1.LivePicture(
            index=event.index,
            start_sample=event.start_sample,
            duration_samples=event.duration_samples,
            avatar_frame=event.avatar_frame,
            data=event.data,
            key_frame=event.is_key,
        )
        return v1.LiveResponse(picture=picture)
    assert not isinstance(event, PicturesChanged), "nobody asks for that here"
    if isinstance(event, LiveSound | Saying | Refused):
        return _text_message(event)
    if isinstance(event, Behind | Closing):
        return v1.LiveResponse(notice=_notice(event))
    following = {"next_sample": event.next_sample, "next_index": event.next_index}
    if isinstance(event, Interrupted):
        return v1.LiveResponse(interrupted=v1.Interrupted(**following))
    return v1.LiveResponse(speech_ended=v1.SpeechEnded(**following))


def _text_message(event: LiveSound | Saying | Refused) -> v1.LiveResponse:
    if isinstance(event, Saying):
        saying = v1.Saying(start_sample=event.start_sample, voice=event.voice)
        return v1.LiveResponse(saying=saying)
    if isinstance(event, Refused):
        refused = v1.Refused(code=event.code, text=event.text, next_sample=event.next_sample)
        return v1.LiveResponse(refused=refused)
    sound = v1.LiveSound(
        index=event.index,
        start_sample=event.start_sample,
        duration_samples=event.duration_samples,
        data=event.data,
    )
    return v1.LiveResponse(sound=sound)


def _notice(event: Behind | Closing) -> v1.LiveNotice:
    if isinstance(event, Closing):
        kind = v1.NOTICE_KIND_CLOSING
        return v1.LiveNotice(kind=kind, text=event.text, sample=event.next_sample)
    return v1.LiveNotice(
        kind=v1.NOTICE_KIND_BEHIND,
        text=event.text,
        sample=event.start_sample,
        late_samples=event.late_samples,
    )


def _known(meanings: Mapping[int, Meaning], number: int, what: str) -> Meaning:
    if number not in meanings:
        raise InputError(
            f"The {what} {number} is not known here, only 0 to {max(meanings)}; choose one of "
            "these."
        )
    return meanings[number]
