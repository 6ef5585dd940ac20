"""The ways from array to array that are compared, and the way of the bare bytes."""

from __future__ import annotations

import http.client
import json
import time
from abc import ABC, abstractmethod
from typing import Any, Final, NamedTuple

import grpc
import numpy as np
from numpy.typing import NDArray

from viseme.bench.echo import ANSWER_BYTES, PATH
from viseme.client import Client, ClientOptions
from viseme.client.statuses import translated
from viseme.errors import InputError, UnavailableError
from viseme.wire import encode_batch_request, services
from viseme.wire.messages import lipsync

__all__ = ["BareWay", "ClientWay", "GeneratedWay", "HttpWay", "Sample", "Way"]

Floats = NDArray[np.float32]
_FLOAT_BYTES: Final = 4
_HTTP_TIMEOUT_S: Final = 300.0
_ANSWER_CHARS: Final = 300


class Sample(NamedTuple):
    """What one batch took."""

    total_ms: float
    """From array to array."""
    server_ms: float
    """What of it the server said was its own; 0 of one that does nothing."""

    @property
    def overhead_ms(self) -> float:
        """The rest."""
        return self.total_ms - self.server_ms


class Way(ABC):
    """A way to have a batch answered."""

    name: str
    """As programs call it."""
    title: str
    """As people do."""

    @abstractmethod
    def send(self, visual: Floats, window: Floats, start: int) -> Sample:
        """Have a batch answered, and tell what it took."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""


class ClientWay(Way):
    """gRPC, through our own client."""

    name, title = "client", "viseme.Client"

    def __init__(self, address: str) -> None:
        self._client = Client(ClientOptions(address, retries=0))

    def send(self, visual: Floats, window: Floats, start: int) -> Sample:
        """Send it as bytes of arrays."""
        start_s = time.perf_counter()
        result = self._client.infer_batch(visual, window, start_frame=start)
        total_ms = 1000 * (time.perf_counter() - start_s)
        _check(result.output, visual)
        return Sample(total_ms, result.inference_time_ms)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


class GeneratedWay(Way):
    """gRPC, through the generated classes, as they are used where nobody thinks of the cost."""

    name, title = "generated", "generated classes"

    def __init__(self, address: str) -> None:
        self._address = address
        self._channel = grpc.insecure_channel(address, ClientOptions().channel_arguments())
        call = services.INFER_BATCH
        self._infer: Any = self._channel.unary_unary(
            call.path, call.request.SerializeToString, call.response.FromString
        )

    def send(self, visual: Floats, window: Floats, start: int) -> Sample:
        """Send it through a list of Python's floats."""
        start_s = time.perf_counter()
        request = lipsync.BatchRequest(batch_size=len(visual), start_frame_idx=start)
        request.visual_frames.extend(visual.reshape(-1))
        request.audio_features.extend(window.reshape(-1))
        try:
            response = self._infer(request)
        except grpc.RpcError as error:
            raise translated(error, self._address) from error
        if not response.success:
            raise InputError(response.error)
        output = np.array(response.output_frames, np.float32)
        total_ms = 1000 * (time.perf_counter() - start_s)
        _check(output, visual)
        return Sample(total_ms, response.inference_time_ms)

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()


class HttpWay(Way):
    """HTTP with JSON, a connection for each batch.

    A server soon closes one that says nothing, and others have their turns between two of these.
    """

    name, title = "http", "HTTP/JSON"

    def __init__(self, address: str) -> None:
        self._address = address

    def send(self, visual: Floats, window: Floats, start: int) -> Sample:
        """Send it as text."""
        start_s = time.perf_counter()
        body = json.dumps(
            {
                "visual_frames": visual.reshape(-1).tolist(),
                "audio_features": window.reshape(-1).tolist(),
                "batch_size": len(visual),
                "start_frame_idx": start,
            }
        )
        connection = http.client.HTTPConnection(self._address, timeout=_HTTP_TIMEOUT_S)
        try:
            connection.request(
                "POST", "/batch", body.encode(), {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnavailableError(
                f"http://{self._address}/batch did not answer as it should ({error}); look at the "
                "server's log."
            ) from error
        finally:
            connection.close()
        if not (isinstance(answer, dict) and answer.get("success")):
            raise InputError(
                f"http://{self._address}/batch answered {response.status}: {answer}"[:500]
            )
        output = np.array(answer["output_frames"], np.float32)
        total_ms = 1000 * (time.perf_counter() - start_s)
        _check(output, visual)
        return Sample(total_ms, answer["inference_time_ms"])

    def close(self) -> None:
        """Do nothing: there is no connection between two batches."""


class BareWay(Way):
    """The same bytes through gRPC, ready-made, to a server that does nothing."""

    name, title = "bare", "bare gRPC"

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address, ClientOptions().channel_arguments())
        self._move: Any = self._channel.unary_unary(PATH)

    def send(self, visual: Floats, window: Floats, start: int) -> Sample:
        """Send the bytes of a request, and take as many as an answer has."""
        request = encode_batch_request(visual, window, len(visual), start)
        answer_bytes = visual.size // 2 * _FLOAT_BYTES
        start_s = time.perf_counter()
        answer = self._move(request, metadata=((ANSWER_BYTES, str(answer_bytes)),))
        total_ms = 1000 * (time.perf_counter() - start_s)
        if len(answer) != answer_bytes:
            raise UnavailableError("The echo server answered with too few bytes.")
        return Sample(total_ms, 0.0)

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()


def _check(output: Floats, visual: Floats) -> None:
    if output.size * 2 != visual.size:
        raise UnavailableError(
            f"The server answered with {output.size} values where {visual.size // 2} were expected."
        )
