from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SampleFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SAMPLE_FORMAT_UNSPECIFIED: _ClassVar[SampleFormat]
    SAMPLE_FORMAT_U8: _ClassVar[SampleFormat]
    SAMPLE_FORMAT_S16: _ClassVar[SampleFormat]
    SAMPLE_FORMAT_S32: _ClassVar[SampleFormat]
    SAMPLE_FORMAT_F32: _ClassVar[SampleFormat]

class PictureFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PICTURE_FORMAT_UNSPECIFIED: _ClassVar[PictureFormat]
    PICTURE_FORMAT_JPEG: _ClassVar[PictureFormat]
    PICTURE_FORMAT_PNG: _ClassVar[PictureFormat]
    PICTURE_FORMAT_BGR: _ClassVar[PictureFormat]

class Container(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTAINER_UNSPECIFIED: _ClassVar[Container]
    CONTAINER_MP4: _ClassVar[Container]
    CONTAINER_WEBM: _ClassVar[Container]

class LiveCodec(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIVE_CODEC_UNSPECIFIED: _ClassVar[LiveCodec]
    LIVE_CODEC_H264: _ClassVar[LiveCodec]
    LIVE_CODEC_VP8: _ClassVar[LiveCodec]
    LIVE_CODEC_VP9: _ClassVar[LiveCodec]

class Latency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LATENCY_UNSPECIFIED: _ClassVar[Latency]
    LATENCY_EXACT: _ClassVar[Latency]
    LATENCY_LOW: _ClassVar[Latency]

class SoundBack(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SOUND_BACK_UNSPECIFIED: _ClassVar[SoundBack]
    SOUND_BACK_NONE: _ClassVar[SoundBack]
    SOUND_BACK_S16: _ClassVar[SoundBack]
    SOUND_BACK_OPUS: _ClassVar[SoundBack]

class NoticeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTICE_KIND_UNSPECIFIED: _ClassVar[NoticeKind]
    NOTICE_KIND_BEHIND: _ClassVar[NoticeKind]
    NOTICE_KIND_CLOSING: _ClassVar[NoticeKind]
SAMPLE_FORMAT_UNSPECIFIED: SampleFormat
SAMPLE_FORMAT_U8: SampleFormat
SAMPLE_FORMAT_S16: SampleFormat
SAMPLE_FORMAT_S32: SampleFormat
SAMPLE_FORMAT_F32: SampleFormat
PICTURE_FORMAT_UNSPECIFIED: PictureFormat
PICTURE_FORMAT_JPEG: PictureFormat
PICTURE_FORMAT_PNG: PictureFormat
PICTURE_FORMAT_BGR: PictureFormat
CONTAINER_UNSPECIFIED: Container
CONTAINER_MP4: Container
CONTAINER_WEBM: Container
LIVE_CODEC_UNSPECIFIED: LiveCodec
LIVE_CODEC_H264: LiveCodec
LIVE_CODEC_VP8: LiveCodec
LIVE_CODEC_VP9: LiveCodec
LATENCY_UNSPECIFIED: Latency
LATENCY_EXACT: Latency
LATENCY_LOW: Latency
SOUND_BACK_UNSPECIFIED: SoundBack
SOUND_BACK_NONE: SoundBack
SOUND_BACK_S16: SoundBack
SOUND_BACK_OPUS: SoundBack
NOTICE_KIND_UNSPECIFIED: NoticeKind
NOTICE_KIND_BEHIND: NoticeKind
NOTICE_KIND_CLOSING: NoticeKind

class ListAvatarsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAvatarsResponse(_message.Message):
    __slots__ = ("avatars",)
    AVATARS_FIELD_NUMBER: _ClassVar[int]
    avatars: _containers.RepeatedCompositeFieldContainer[Avatar]
    def __init__(self, avatars: _Optional[_Iterable[_Union[Avatar, _Mapping]]] = ...) -> None: ...

class GetAvatarRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Avatar(_message.Message):
    __slots__ = ("name", "title", "width", "height", "frame_rate_hz", "frame_count", "licence", "credits")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    width: int
    height: int
    frame_rate_hz: float
    frame_count: int
    licence: str
    credits: str
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., frame_rate_hz: _Optional[float] = ..., frame_count: _Optional[int] = ..., licence: _Optional[str] = ..., credits: _Optional[str] = ...) -> None: ...

class RawSound(_message.Message):
    __slots__ = ("rate_hz", "channels", "format")
    RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    rate_hz: int
    channels: int
    format: SampleFormat
    def __init__(self, rate_hz: _Optional[int] = ..., channels: _Optional[int] = ..., format: _Optional[_Union[SampleFormat, str]] = ...) -> None: ...

class PictureOutput(_message.Message):
    __slots__ = ("format", "jpeg_quality")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    JPEG_QUALITY_FIELD_NUMBER: _ClassVar[int]
    format: PictureFormat
    jpeg_quality: int
    def __init__(self, format: _Optional[_Union[PictureFormat, str]] = ..., jpeg_quality: _Optional[int] = ...) -> None: ...

class VideoOutput(_message.Message):
    __slots__ = ("container",)
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    container: Container
    def __init__(self, container: _Optional[_Union[Container, str]] = ...) -> None: ...

class RenderRequest(_message.Message):
    __slots__ = ("start", "sound")
    START_FIELD_NUMBER: _ClassVar[int]
    SOUND_FIELD_NUMBER: _ClassVar[int]
    start: RenderStart
    sound: bytes
    def __init__(self, start: _Optional[_Union[RenderStart, _Mapping]] = ..., sound: _Optional[bytes] = ...) -> None: ...

class RenderStart(_message.Message):
    __slots__ = ("avatar", "raw", "video", "pictures", "start_frame")
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    START_FRAME_FIELD_NUMBER: _ClassVar[int]
    avatar: str
    raw: RawSound
    video: VideoOutput
    pictures: PictureOutput
    start_frame: int
    def __init__(self, avatar: _Optional[str] = ..., raw: _Optional[_Union[RawSound, _Mapping]] = ..., video: _Optional[_Union[VideoOutput, _Mapping]] = ..., pictures: _Optional[_Union[PictureOutput, _Mapping]] = ..., start_frame: _Optional[int] = ...) -> None: ...

class RenderResponse(_message.Message):
    __slots__ = ("header", "video", "picture", "summary")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    header: RenderHeader
    video: bytes
    picture: Picture
    summary: RenderSummary
    def __init__(self, header: _Optional[_Union[RenderHeader, _Mapping]] = ..., video: _Optional[bytes] = ..., picture: _Optional[_Union[Picture, _Mapping]] = ..., summary: _Optional[_Union[RenderSummary, _Mapping]] = ...) -> None: ...

class RenderHeader(_message.Message):
    __slots__ = ("width", "height", "frame_rate_hz", "media_type", "avatar")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    frame_rate_hz: float
    media_type: str
    avatar: str
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., frame_rate_hz: _Optional[float] = ..., media_type: _Optional[str] = ..., avatar: _Optional[str] = ...) -> None: ...

class Picture(_message.Message):
    __slots__ = ("index", "time_s", "avatar_frame", "data")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FRAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    index: int
    time_s: float
    avatar_frame: int
    data: bytes
    def __init__(self, index: _Optional[int] = ..., time_s: _Optional[float] = ..., avatar_frame: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class RenderSummary(_message.Message):
    __slots__ = ("pictures", "duration_s", "next_frame", "warnings")
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    NEXT_FRAME_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    pictures: int
    duration_s: float
    next_frame: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, pictures: _Optional[int] = ..., duration_s: _Optional[float] = ..., next_frame: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class LiveRequest(_message.Message):
    __slots__ = ("hello", "sound", "interrupt", "end_of_speech", "say", "key_frame")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    SOUND_FIELD_NUMBER: _ClassVar[int]
    INTERRUPT_FIELD_NUMBER: _ClassVar[int]
    END_OF_SPEECH_FIELD_NUMBER: _ClassVar[int]
    SAY_FIELD_NUMBER: _ClassVar[int]
    KEY_FRAME_FIELD_NUMBER: _ClassVar[int]
    hello: LiveHello
    sound: bytes
    interrupt: Interrupt
    end_of_speech: EndOfSpeech
    say: Say
    key_frame: KeyFrame
    def __init__(self, hello: _Optional[_Union[LiveHello, _Mapping]] = ..., sound: _Optional[bytes] = ..., interrupt: _Optional[_Union[Interrupt, _Mapping]] = ..., end_of_speech: _Optional[_Union[EndOfSpeech, _Mapping]] = ..., say: _Optional[_Union[Say, _Mapping]] = ..., key_frame: _Optional[_Union[KeyFrame, _Mapping]] = ...) -> None: ...

class LiveVideo(_message.Message):
    __slots__ = ("codec",)
    CODEC_FIELD_NUMBER: _ClassVar[int]
    codec: LiveCodec
    def __init__(self, codec: _Optional[_Union[LiveCodec, str]] = ...) -> None: ...

class LiveHello(_message.Message):
    __slots__ = ("avatar", "raw", "pictures", "video", "start_frame", "behind_samples", "latency", "sound_back", "rest", "size")
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    START_FRAME_FIELD_NUMBER: _ClassVar[int]
    BEHIND_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    SOUND_BACK_FIELD_NUMBER: _ClassVar[int]
    REST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    avatar: str
    raw: RawSound
    pictures: PictureOutput
    video: LiveVideo
    start_frame: int
    behind_samples: int
    latency: Latency
    sound_back: SoundBack
    rest: bool
    size: PictureSize
    def __init__(self, avatar: _Optional[str] = ..., raw: _Optional[_Union[RawSound, _Mapping]] = ..., pictures: _Optional[_Union[PictureOutput, _Mapping]] = ..., video: _Optional[_Union[LiveVideo, _Mapping]] = ..., start_frame: _Optional[int] = ..., behind_samples: _Optional[int] = ..., latency: _Optional[_Union[Latency, str]] = ..., sound_back: _Optional[_Union[SoundBack, str]] = ..., rest: _Optional[bool] = ..., size: _Optional[_Union[PictureSize, _Mapping]] = ...) -> None: ...

class PictureSize(_message.Message):
    __slots__ = ("width", "height")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class Interrupt(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class KeyFrame(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EndOfSpeech(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Say(_message.Message):
    __slots__ = ("text", "voice")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    text: str
    voice: str
    def __init__(self, text: _Optional[str] = ..., voice: _Optional[str] = ...) -> None: ...

class LiveResponse(_message.Message):
    __slots__ = ("ready", "picture", "interrupted", "speech_ended", "notice", "saying", "sound", "refused")
    READY_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_ENDED_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    SAYING_FIELD_NUMBER: _ClassVar[int]
    SOUND_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    ready: LiveReady
    picture: LivePicture
    interrupted: Interrupted
    speech_ended: SpeechEnded
    notice: LiveNotice
    saying: Saying
    sound: LiveSound
    refused: Refused
    def __init__(self, ready: _Optional[_Union[LiveReady, _Mapping]] = ..., picture: _Optional[_Union[LivePicture, _Mapping]] = ..., interrupted: _Optional[_Union[Interrupted, _Mapping]] = ..., speech_ended: _Optional[_Union[SpeechEnded, _Mapping]] = ..., notice: _Optional[_Union[LiveNotice, _Mapping]] = ..., saying: _Optional[_Union[Saying, _Mapping]] = ..., sound: _Optional[_Union[LiveSound, _Mapping]] = ..., refused: _Optional[_Union[Refused, _Mapping]] = ...) -> None: ...

class LiveReady(_message.Message):
    __slots__ = ("avatar", "width", "height", "frame_rate_hz", "lookahead_samples", "media_type", "idle_timeout_s", "codec", "voices", "text_characters", "sound_rate_hz", "sound_skip_samples")
    AVATAR_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FRAME_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    VOICES_FIELD_NUMBER: _ClassVar[int]
    TEXT_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    SOUND_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    SOUND_SKIP_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    avatar: str
    width: int
    height: int
    frame_rate_hz: float
    lookahead_samples: int
    media_type: str
    idle_timeout_s: float
    codec: str
    voices: _containers.RepeatedScalarFieldContainer[str]
    text_characters: int
    sound_rate_hz: int
    sound_skip_samples: int
    def __init__(self, avatar: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., frame_rate_hz: _Optional[float] = ..., lookahead_samples: _Optional[int] = ..., media_type: _Optional[str] = ..., idle_timeout_s: _Optional[float] = ..., codec: _Optional[str] = ..., voices: _Optional[_Iterable[str]] = ..., text_characters: _Optional[int] = ..., sound_rate_hz: _Optional[int] = ..., sound_skip_samples: _Optional[int] = ...) -> None: ...

class LivePicture(_message.Message):
    __slots__ = ("index", "start_sample", "duration_samples", "avatar_frame", "data", "key_frame")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    DURATION_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    AVATAR_FRAME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    KEY_FRAME_FIELD_NUMBER: _ClassVar[int]
    index: int
    start_sample: int
    duration_samples: int
    avatar_frame: int
    data: bytes
    key_frame: bool
    def __init__(self, index: _Optional[int] = ..., start_sample: _Optional[int] = ..., duration_samples: _Optional[int] = ..., avatar_frame: _Optional[int] = ..., data: _Optional[bytes] = ..., key_frame: _Optional[bool] = ...) -> None: ...

class Saying(_message.Message):
    __slots__ = ("start_sample", "voice")
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    start_sample: int
    voice: str
    def __init__(self, start_sample: _Optional[int] = ..., voice: _Optional[str] = ...) -> None: ...

class LiveSound(_message.Message):
    __slots__ = ("index", "start_sample", "duration_samples", "data")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    DURATION_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    index: int
    start_sample: int
    duration_samples: int
    data: bytes
    def __init__(self, index: _Optional[int] = ..., start_sample: _Optional[int] = ..., duration_samples: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("code", "text", "next_sample")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NEXT_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    code: str
    text: str
    next_sample: int
    def __init__(self, code: _Optional[str] = ..., text: _Optional[str] = ..., next_sample: _Optional[int] = ...) -> None: ...

class Interrupted(_message.Message):
    __slots__ = ("next_sample", "next_index")
    NEXT_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    next_sample: int
    next_index: int
    def __init__(self, next_sample: _Optional[int] = ..., next_index: _Optional[int] = ...) -> None: ...

class SpeechEnded(_message.Message):
    __slots__ = ("next_sample", "next_index")
    NEXT_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    next_sample: int
    next_index: int
    def __init__(self, next_sample: _Optional[int] = ..., next_index: _Optional[int] = ...) -> None: ...

class LiveNotice(_message.Message):
    __slots__ = ("kind", "text", "sample", "late_samples")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    LATE_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    kind: NoticeKind
    text: str
    sample: int
    late_samples: int
    def __init__(self, kind: _Optional[_Union[NoticeKind, str]] = ..., text: _Optional[str] = ..., sample: _Optional[int] = ..., late_samples: _Optional[int] = ...) -> None: ...
