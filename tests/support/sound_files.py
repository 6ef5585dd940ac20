"""Sound files made for the tests, as bytes."""

from __future__ import annotations

import io
import struct
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

RATE_HZ = 48_000


def speech(duration_s: float, rate_hz: int = RATE_HZ, channels: int = 2) -> NDArray[np.int16]:
    """A tone that swells and fades like syllables, `[n, channels]`; the same in every channel."""
    time = np.arange(round(duration_s * rate_hz)) / rate_hz
    wave = 9_000 * np.sin(2 * np.pi * 330 * time) * np.sin(2 * np.pi * 1.5 * time) ** 2
    return np.repeat(wave.astype(np.int16)[:, None], channels, axis=1)


def wav(sound: NDArray[Any], rate_hz: int = RATE_HZ, *, tag: int | None = None) -> bytes:
    """A RIFF file of `sound` `[n, channels]` as it lies in memory."""
    tag = tag if tag is not None else 3 if sound.dtype.kind == "f" else 1
    frame_bytes = sound.shape[1] * sound.itemsize
    rates = (rate_hz, rate_hz * frame_bytes, frame_bytes, 8 * sound.itemsize)
    header = struct.pack("<HHIIHH", tag, sound.shape[1], *rates)
    return riff(chunk(b"fmt ", header), chunk(b"data", sound.tobytes()))


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body


def riff(*chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WAVE" + b"".join(chunks)


def of_soundfile(sound: NDArray[np.int16], container: str, subtype: str) -> bytes:
    """A file of `sound` from libsndfile, a writer that shares no code with the reader tested."""
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, RATE_HZ, format=container, subtype=subtype)
    return buffer.getvalue()


def encoded(
    container: str,
    codec: str,
    sound: NDArray[np.int16],
    *,
    rate_hz: int = RATE_HZ,
    options: dict[str, str] | None = None,
    picture: bool = False,
) -> bytes:
    """A file of `sound` `[n, 1 or 2]` from PyAV, with one second of grey video if `picture`."""
    layout = "stereo" if sound.shape[1] == 2 else "mono"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"  # on disk, because MP4's "faststart" reads it again
        with av.open(path, "w", format=container, options=options or {}) as output:
            video = add_video(output) if picture else None
            stream = output.add_stream(codec, rate=rate_hz)
            assert isinstance(stream, av.AudioStream)
            stream.layout = layout
            if video:
                draw(output, video)
            for start in range(0, len(sound), 1_024):
                part = np.ascontiguousarray(sound[start : start + 1_024]).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
                frame.sample_rate = rate_hz
                frame.pts = start
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path.read_bytes()


def add_video(output: av.container.OutputContainer) -> av.VideoStream:
    stream = output.add_stream("mpeg4", rate=25)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
    return stream


def draw(output: av.container.OutputContainer, stream: av.VideoStream) -> None:
    for _ in range(25):
        grey = np.full((64, 64, 3), 128, dtype=np.uint8)
        output.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
    output.mux(stream.encode(None))


def silent_video() -> bytes:
    """A second of grey video, without a sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        draw(output, add_video(output))
    return buffer.getvalue()
