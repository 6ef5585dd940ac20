"""The other end of the line: a server's calls as methods, and the existing client's test."""

from viseme.errors import MissingExtraError

try:
    import grpc as _grpc  # noqa: F401 - only to say what is missing, and once
except ModuleNotFoundError as error:
    raise MissingExtraError(
        f"{error.name} is not installed; install it with `pip install viseme[serve]`."
    ) from error

from viseme.client.answers import BatchResult, CompositeResult, ServedAvatar, ServerHealth
from viseme.client.async_client import AsyncClient
from viseme.client.async_live import AsyncLive
from viseme.client.client import Client
from viseme.client.clips import (
    ClipHeader,
    ClipOptions,
    ClipPart,
    ClipPicture,
    ClipSummary,
    VideoPiece,
)
from viseme.client.live import Live
from viseme.client.options import ClientOptions
from viseme.client.sounds import LiveVideo, Pictures, RawSound, Sound, Video
from viseme.client.speeches import (
    Interrupted,
    LiveEvent,
    LiveNotice,
    LiveOptions,
    LivePicture,
    LiveReady,
    LiveSound,
    Refused,
    Saying,
    SpeechEnded,
)

__all__ = [
    "AsyncClient",
    "AsyncLive",
    "BatchResult",
    "Client",
    "ClientOptions",
    "ClipHeader",
    "ClipOptions",
    "ClipPart",
    "ClipPicture",
    "ClipSummary",
    "CompositeResult",
    "Interrupted",
    "Live",
    "LiveEvent",
    "LiveNotice",
    "LiveOptions",
    "LivePicture",
    "LiveReady",
    "LiveSound",
    "LiveVideo",
    "Pictures",
    "RawSound",
    "Refused",
    "Saying",
    "ServedAvatar",
    "ServerHealth",
    "Sound",
    "SpeechEnded",
    "Video",
    "VideoPiece",
]
