"""The calls of our services: their paths, and the classes of what goes in and out.

A server makes its handlers of these and a client its callables, in whatever flavour of gRPC, so
there are no generated stubs, which would have no types and no asynchronous form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from google.protobuf.message import Message

from viseme.wire.messages import lipsync, v1

__all__ = [
    "GET_AVATAR",
    "HEALTH",
    "HEALTH_COMPOSITE",
    "INFER_BATCH",
    "INFER_BATCH_COMPOSITE",
    "LIST_AVATARS",
    "LIVE",
    "RENDER",
    "Call",
]

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True)
class Call(Generic[Request, Response]):
    """A method of a service."""

    service: str
    """The service's full name, package included."""
    name: str
    request: type[Request]
    response: type[Response]

    @property
    def path(self) -> str:
        """What gRPC calls it by."""
        return f"/{self.service}/{self.name}"


_LIP_SYNC: Final = "lipsync.LipSync"
_COMPOSITE: Final = "lipsync.LipSyncComposite"
_VISEME: Final = "viseme.v1.Viseme"

INFER_BATCH: Final = Call(_LIP_SYNC, "InferBatch", lipsync.BatchRequest, lipsync.BatchResponse)
HEALTH: Final = Call(_LIP_SYNC, "Health", lipsync.HealthRequest, lipsync.HealthResponse)
INFER_BATCH_COMPOSITE: Final = Call(
    _COMPOSITE,
    "InferBatchComposite",
    lipsync.CompositeBatchRequest,
    lipsync.CompositeBatchResponse,
)
HEALTH_COMPOSITE: Final = Call(_COMPOSITE, "Health", lipsync.HealthRequest, lipsync.HealthResponse)
LIST_AVATARS: Final = Call(_VISEME, "ListAvatars", v1.ListAvatarsRequest, v1.ListAvatarsResponse)
GET_AVATAR: Final = Call(_VISEME, "GetAvatar", v1.GetAvatarRequest, v1.Avatar)
RENDER: Final = Call(_VISEME, "Render", v1.RenderRequest, v1.RenderResponse)
"""A stream in both directions."""
LIVE: Final = Call(_VISEME, "Live", v1.LiveRequest, v1.LiveResponse)
"""A stream in both directions."""
