"""The contract of existing clients, `lipsync`: tensors in, tensors or finished pictures out.

A request that does not fit is no error of gRPC there: it has the status OK, `success` false and
the sentence. A message that cannot be read, a limit, the end of the server and a network that
fails have a status, as they have everywhere.
"""

from __future__ import annotations

import time
from concurrent.futures import CancelledError
from typing import NamedTuple

import grpc
import numpy as np

from viseme.engine import Tensor
from viseme.errors import AvatarError, InputError
from viseme.serving.doors.grpc_calls import Arrival, Calls
from viseme.serving.limits import Guest
from viseme.serving.tensor_desk import TensorDesk, TensorRequest
from viseme.wire.messages import lipsync
from viseme.wire.services import HEALTH, HEALTH_COMPOSITE, INFER_BATCH, INFER_BATCH_COMPOSITE
from viseme.wire.tensors import BatchTensors, encode_batch_response, parse_batch_request

__all__ = ["lip_sync_composite_handlers", "lip_sync_handlers"]

_NOTHING = np.empty(0, np.float32)


class _Prediction(NamedTuple):
    request: TensorRequest
    faces: Tensor
    """[B, 3, S, S]."""
    milliseconds: float
    """From the request's arrival at the scheduler to its last frame."""


def lip_sync_handlers(calls: Calls) -> grpc.GenericRpcHandler:
    """Answer `lipsync.LipSync`."""
    tensors = calls.house.tensors

    def infer_batch(arrival: Arrival, guest: Guest, data: bytes) -> bytes:
        batch = parse_batch_request(data)
        try:
            done = _predict(tensors, arrival, guest, batch)
        except InputError as error:
            sentence = _refused(arrival, error)
            return encode_batch_response(_NOTHING, 0.0, success=False, error=sentence)
        return encode_batch_response(done.faces, done.milliseconds, success=True)

    return calls.service(
        calls.unary(INFER_BATCH, infer_batch),
        calls.public(HEALTH, lambda _: _health(calls)),
    )


def lip_sync_composite_handlers(calls: Calls) -> grpc.GenericRpcHandler:
    """Answer `lipsync.LipSyncComposite`."""
    tensors = calls.house.tensors

    def infer_batch_composite(arrival: Arrival, guest: Guest, data: bytes) -> bytes:
        start_s = time.monotonic()
        batch = parse_batch_request(data)
        try:
            tensors.check_composite()
            done = _predict(tensors, arrival, guest, batch)
        except (AvatarError, InputError) as error:
            sentence = _refused(arrival, error)
            return lipsync.CompositeBatchResponse(error=sentence).SerializeToString()
        predicted_s = time.monotonic()
        files = []
        for file in tensors.compose(done.request, done.faces):
            if arrival.gone:
                raise CancelledError
            files.append(file)
        end_s = time.monotonic()
        return lipsync.CompositeBatchResponse(
            composited_frames=files,
            inference_time_ms=done.milliseconds,
            composite_time_ms=1000 * (end_s - predicted_s),
            total_time_ms=1000 * (end_s - start_s),
            success=True,
        ).SerializeToString()

    return calls.service(
        calls.unary(INFER_BATCH_COMPOSITE, infer_batch_composite),
        calls.public(HEALTH_COMPOSITE, lambda _: _health(calls)),
    )


def _predict(
    tensors: TensorDesk, arrival: Arrival, guest: Guest, batch: BatchTensors
) -> _Prediction:
    request = tensors.checked(batch.visual, batch.audio, batch.batch_size, batch.start_frame_idx)
    arrival.visit.fields["frames"] = len(request)
    guest.claim(frames=len(request))
    start_s = time.monotonic()
    faces = arrival.wait_for(tensors.submit(request, arrival.deadline_s))
    return _Prediction(request, faces, 1000 * (time.monotonic() - start_s))


def _refused(arrival: Arrival, error: AvatarError | InputError) -> str:
    """Give the sentence, and write down what the status does not tell."""
    arrival.visit.fields["refused"] = str(error)
    return str(error)


def _health(calls: Calls) -> bytes:
    served = calls.house.cast.tensors
    return lipsync.HealthResponse(
        healthy=not calls.house.desk.admission.draining,
        model_path=str(served.report.model),
        # The device of what runs it, not of what was asked for: a fallback is told here.
        cuda_available=served.scheduler.inferencer.backend.device == "gpu",
    ).SerializeToString()
