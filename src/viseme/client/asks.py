"""The calls of one question and one answer: what is sent, and what is made of what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from viseme.client.answers import BatchResult, CompositeResult, ServedAvatar, ServerHealth
from viseme.errors import InputError, WireError
from viseme.wire import encode_batch_request, parse_batch_response, services
from viseme.wire.messages import lipsync, v1

__all__ = ["Ask", "avatar", "avatars", "composite_batch", "health", "infer_batch"]

Answer = TypeVar("Answer")

_VISUAL_CHANNELS = 6


@dataclass(frozen=True, slots=True)
class Ask(Generic[Answer]):
    """One call, ready to be made. None of them changes anything, so each may be repeated."""

    path: str
    """What gRPC calls it by."""
    request: bytes
    parse: Callable[[bytes], Answer]
    """Reads the response; raises `InputError` where the server refused."""


def infer_batch(
    visual: NDArray[np.floating[Any]], audio: NDArray[np.floating[Any]], start_frame: int
) -> Ask[BatchResult]:
    """Ask for faces."""
    size = _size(visual)
    shape = (len(visual), 3, size, size)

    def parse(data: bytes) -> BatchResult:
        answer = parse_batch_response(data)
        if not answer.success:
            raise _refused(answer.error)
        if answer.output.size != int(np.prod(shape)):
            raise WireError(
                f"The server answered with {answer.output.size} values where {list(shape)} were "
                "expected; is its network of another size?"
            )
        return BatchResult(answer.output.reshape(shape), answer.inference_time_ms)

    return Ask(
        services.INFER_BATCH.path,
        encode_batch_request(visual, audio, len(visual), start_frame),
        parse,
    )


def composite_batch(
    visual: NDArray[np.floating[Any]], audio: NDArray[np.floating[Any]], start_frame: int
) -> Ask[CompositeResult]:
    """Ask for finished pictures."""
    _size(visual)

    def parse(data: bytes) -> CompositeResult:
        answer = _parsed(lipsync.CompositeBatchResponse.FromString, data)
        if not answer.success:
            raise _refused(answer.error)
        return CompositeResult(
            list(answer.composited_frames),
            answer.inference_time_ms,
            answer.composite_time_ms,
            answer.total_time_ms,
        )

    return Ask(
        services.INFER_BATCH_COMPOSITE.path,
        encode_batch_request(visual, audio, len(visual), start_frame),
        parse,
    )


def health() -> Ask[ServerHealth]:
    """Ask how the server is."""

    def parse(data: bytes) -> ServerHealth:
        answer = _parsed(lipsync.HealthResponse.FromString, data)
        return ServerHealth(answer.healthy, answer.model_path, answer.cuda_available)

    return Ask(services.HEALTH.path, lipsync.HealthRequest().SerializeToString(), parse)


def avatars() -> Ask[list[ServedAvatar]]:
    """Ask who is there."""

    def parse(data: bytes) -> list[ServedAvatar]:
        answer = _parsed(v1.ListAvatarsResponse.FromString, data)
        return [ServedAvatar.of(message) for message in answer.avatars]

    return Ask(services.LIST_AVATARS.path, v1.ListAvatarsRequest().SerializeToString(), parse)


def avatar(name: str) -> Ask[ServedAvatar]:
    """Ask about one of them."""

    def parse(data: bytes) -> ServedAvatar:
        return ServedAvatar.of(_parsed(v1.Avatar.FromString, data))

    request = v1.GetAvatarRequest(name=name)
    return Ask(services.GET_AVATAR.path, request.SerializeToString(), parse)


def _size(visual: NDArray[np.floating[Any]]) -> int:
    """Give the side of the pictures, if they are what a network looks at."""
    if (
        visual.ndim != 4
        or visual.shape[1] != _VISUAL_CHANNELS
        or visual.shape[2] != visual.shape[3]
    ):
        raise InputError(
            f"The visual frames are an array of shape {list(visual.shape)}; give them as "
            "[B, 6, S, S]."
        )
    return int(visual.shape[2])


def _refused(error: str) -> InputError:
    return InputError(error or "The server refused the batch and did not say why.")


def _parsed(read: Callable[[bytes], Answer], data: bytes) -> Answer:
    try:
        return read(data)
    except DecodeError as error:
        raise WireError(f"The server's answer is damaged ({error}).") from error
