"""A call of `viseme.v1/Live` that is not our client's, as far as tests need one."""

from __future__ import annotations

import queue
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np

from support.played_network import PATIENCE_S
from viseme.wire.messages import v1
from viseme.wire.services import LIVE

RAW = v1.RawSound(rate_hz=16_000)
PIXELS = v1.PictureOutput(format=v1.PICTURE_FORMAT_BGR)
HELLO = v1.LiveRequest(hello=v1.LiveHello(raw=RAW, pictures=PIXELS))
END = v1.LiveRequest(end_of_speech=v1.EndOfSpeech())
BREAK_IN = v1.LiveRequest(interrupt=v1.Interrupt())


def sound(samples: np.ndarray[Any, Any]) -> v1.LiveRequest:
    return v1.LiveRequest(sound=samples.tobytes())


class Talk:
    """A call of `Live`, whose messages are sent one by one."""

    def __init__(
        self, to: grpc.Channel, *messages: v1.LiveRequest, timeout_s: float = PATIENCE_S
    ) -> None:
        self._messages: queue.SimpleQueue[v1.LiveRequest | None] = queue.SimpleQueue()
        start = to.stream_stream(
            LIVE.path,
            request_serializer=LIVE.request.SerializeToString,
            response_deserializer=LIVE.response.FromString,
        )
        self.answers = start(iter(self._messages.get, None), timeout=timeout_s)
        self.say(*messages)

    def say(self, *messages: v1.LiveRequest) -> None:
        for message in messages:
            self._messages.put(message)

    def hang_up(self) -> None:
        """End the client's side."""
        self._messages.put(None)

    def read(self) -> v1.LiveResponse:
        return next(self.answers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.answers.cancel()
        self.hang_up()


def pictures_of(answers: list[v1.LiveResponse]) -> list[v1.LivePicture]:
    return [answer.picture for answer in answers if answer.HasField("picture")]
