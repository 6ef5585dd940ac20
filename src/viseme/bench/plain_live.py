"""The plain reference for live streams: a thread for each, and all of them in one session.

`python -m viseme.bench.plain_live AVATAR` is a process of its own, as the real server is, and is
asked in the same way; of the contract it knows what the bench says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any, Final

import av
import cv2
import grpc
import numpy as np
from numpy.typing import NDArray

from viseme.audio import FRAME_RATE_HZ, LOOKAHEAD_SAMPLES, SAMPLE_RATE_HZ, WindowStream
from viseme.avatar import Avatar, load_avatar
from viseme.bench.plain import PlainReference, hear_plainly
from viseme.bench.processes import serve_until_ended
from viseme.wire import services
from viseme.wire.messages import v1

__all__ = ["LIVE_ENCODERS", "PlainLiveServer"]

Picture = NDArray[np.uint8]
Encoder = Callable[[Picture], bytes]

_VPX: Final = {
    "deadline": "realtime",
    "lag-in-frames": "0",
    "error-resilient": "1",
    "cpu-used": "8",
}
LIVE_ENCODERS: Final = {
    "h264": (
        "libx264",
        {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "forced-idr": "1",
            "sc_threshold": "0",
            "x264-params": "8x8dct=1:cabac=1:deblock=0,0:partitions=i8x8,i4x4",
        },
    ),
    "vp8": ("libvpx", _VPX),
    "vp9": ("libvpx-vp9", _VPX),
}
"""The encoder of each codec, with the settings of our own streams."""
_CRF: Final = "25"
_VPX_BITS_PER_PIXEL: Final = 2.0
_KEY_FRAME_EVERY_S: Final = 2
_STREAMS_MAX: Final = 64
_SAMPLES_A_FRAME: Final = SAMPLE_RATE_HZ // FRAME_RATE_HZ


class PlainLiveServer:
    """Makes an avatar speak along with all who call, on a free port of loopback."""

    def __init__(self, avatar: Avatar) -> None:
        self._avatar = avatar
        self._reference = PlainReference(avatar.generator, avatar.geometry)
        self._hear = hear_plainly(avatar)
        self._warm_up()
        self._pool = ThreadPoolExecutor(_STREAMS_MAX, "viseme-plain")
        call = services.LIVE
        handler = grpc.stream_stream_rpc_method_handler(
            self._live, call.request.FromString, call.response.SerializeToString
        )
        self._server = grpc.server(
            self._pool,
            handlers=[grpc.method_handlers_generic_handler(call.service, {call.name: handler})],
        )
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        """End it."""
        self._server.stop(None).wait()
        self._pool.shutdown()

    def _warm_up(self) -> None:
        for window in WindowStream(self._hear).push(np.zeros(SAMPLE_RATE_HZ, np.float32)):
            self._reference.picture(self._avatar, 0, window)

    def _live(
        self, requests: Iterator[v1.LiveRequest], context: grpc.ServicerContext
    ) -> Iterator[v1.LiveResponse]:
        """Answer sound with the pictures that it completes."""
        encode = _encoder(next(requests).hello, self._avatar.size)
        yield v1.LiveResponse(
            ready=v1.LiveReady(
                avatar=self._avatar.name,
                width=self._avatar.size[0],
                height=self._avatar.size[1],
                frame_rate_hz=FRAME_RATE_HZ,
                lookahead_samples=LOOKAHEAD_SAMPLES,
            )
        )
        frames = enumerate(self._avatar.ping_pong())
        for window in self._windows(requests):
            number, index = next(frames)
            picture = self._reference.picture(self._avatar, index, window)
            yield v1.LiveResponse(
                picture=v1.LivePicture(
                    index=number,
                    start_sample=number * _SAMPLES_A_FRAME,
                    duration_samples=_SAMPLES_A_FRAME,
                    avatar_frame=index,
                    data=encode(picture),
                )
            )

    def _windows(self, requests: Iterator[v1.LiveRequest]) -> Iterator[NDArray[np.float32]]:
        stream = WindowStream(self._hear)
        for request in requests:
            samples = np.frombuffer(request.sound, "<i2").astype(np.float32) / np.float32(32768)
            yield from stream.push(samples)
        yield from stream.flush()


def _encoder(hello: v1.LiveHello, size: tuple[int, int]) -> Encoder:
    """Open what encodes pictures as they are asked for."""
    if hello.WhichOneof("output") == "pictures":
        quality = [cv2.IMWRITE_JPEG_QUALITY, hello.pictures.jpeg_quality]
        return lambda picture: cv2.imencode(".jpg", picture, quality)[1].tobytes()
    codec = v1.LiveCodec.Name(hello.video.codec).removeprefix("LIVE_CODEC_").lower()
    name, options = LIVE_ENCODERS[codec]
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = *size, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FRAME_RATE_HZ), FRAME_RATE_HZ
    context.gop_size, context.max_b_frames = _KEY_FRAME_EVERY_S * FRAME_RATE_HZ, 0
    context.thread_count = 1
    if codec == "h264":
        context.options = {**options, "crf": _CRF}
    else:
        context.options = options
        context.bit_rate = int(_VPX_BITS_PER_PIXEL * size[0] * size[1])

    def encode(picture: Picture) -> bytes:
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
        return b"".join(bytes(packet) for packet in context.encode(frame))

    return encode


if __name__ == "__main__":
    with load_avatar(sys.argv[1]) as speaker:
        serve_until_ended(PlainLiveServer(speaker))
