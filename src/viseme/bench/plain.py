"""The plain reference: what a good engineer writes in an afternoon, to measure ourselves by.

ONNX Runtime as it comes, on the CPU, one frame after the other; OpenCV cuts and pastes, PyAV
encodes with the settings of our own files. It shares no code with what it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from viseme import audio
from viseme.avatar import Avatar, Box, Geometry

__all__ = ["PlainReference", "encode_plainly", "hear_plainly"]

Picture = NDArray[np.uint8]

RATE_HZ = 25
X264_OPTIONS = {
    "preset": "veryfast",
    "crf": "18",
    "x264-params": "b-adapt=0:bframes=4:subme=1:rc-lookahead=5:sync-lookahead=0:partitions=none",
}
SOUND_RATE_HZ, SOUND_BIT_RATE = 48_000, 96_000


class PlainReference:
    """A network in ONNX Runtime's default session."""

    def __init__(self, model: Path, geometry: Geometry) -> None:
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        by_channels = sorted(
            self._session.get_inputs(),
            key=lambda tensor: tensor.shape[1:] != [6, geometry.inner, geometry.inner],
        )
        self._visual, self._audio = (tensor.name for tensor in by_channels)
        self._geometry = geometry
        self._frames: dict[int, Picture] = {}
        """All that were seen, whatever memory they take."""

    def infer(
        self, visual: NDArray[np.float32], window: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Predict one frame: ``[6, S, S]`` and ``[32, 16, 16]`` to ``[3, S, S]``."""
        inputs = {self._visual: visual[None], self._audio: window[None]}
        return np.asarray(self._session.run(None, inputs)[0][0], np.float32)

    def speak(self, frame: Picture, box: Box, window: NDArray[np.float32]) -> Picture:
        """Cut the face out of a frame, predict it, and paste it into a copy."""
        side, inner = self._geometry.crop, self._geometry.inner_slice
        frame = frame.copy()
        face = frame[max(0, box.y1) : box.y2, max(0, box.x1) : box.x2]
        crop = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
        reference = crop[inner, inner].transpose(2, 0, 1) / np.float32(255)
        masked = reference.copy()
        masked[:, slice(*self._geometry.mask_rows), slice(*self._geometry.mask_cols)] = 0
        picture = self.infer(np.concatenate([reference, masked]), window)
        crop[inner, inner] = np.clip(picture * np.float32(255), 0, 255).transpose(1, 2, 0)
        size = (face.shape[1], face.shape[0])
        face[:] = cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC)
        return frame

    def render(self, speech: Path, avatar: Avatar) -> Iterator[Picture]:
        """Make an avatar speak: the sound as a whole first, then frame by frame."""
        mel = audio.mel_spectrogram(audio.read(speech))
        features = audio.features(mel, hear_plainly(avatar))
        for index, window in zip(avatar.ping_pong(), audio.windows(features), strict=False):
            yield self.picture(avatar, index, window)

    def picture(self, avatar: Avatar, index: int, window: NDArray[np.float32]) -> Picture:
        """Make one picture of an avatar."""
        if index not in self._frames:
            self._frames[index] = avatar.frame(index)
        return self.speak(self._frames[index], avatar.box(index), window)


def hear_plainly(avatar: Avatar) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Open an avatar's audio encoder: patches ``[b, 1, 80, 16]`` to features ``[b, 512]``."""
    encoder = onnxruntime.InferenceSession(avatar.audio_encoder, providers=["CPUExecutionProvider"])
    (name,) = (tensor.name for tensor in encoder.get_inputs())
    return lambda patches: np.asarray(encoder.run(None, {name: patches})[0])


def encode_plainly(frames: Iterable[Picture], speech: Path, out: Path, avatar: Avatar) -> int:
    """Write frames of an avatar and the speech as H.264 and AAC, and return how many."""
    count = 0
    with av.open(str(out), "w") as container, av.open(str(speech)) as sound:
        video = container.add_stream("libx264", rate=RATE_HZ, options=X264_OPTIONS)
        video.width, video.height = avatar.size
        video.pix_fmt = "yuv420p"
        voice = container.add_stream("aac", rate=SOUND_RATE_HZ)
        voice.bit_rate = SOUND_BIT_RATE
        for image in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            count += 1
        container.mux(video.encode(None))
        for frame in sound.decode(audio=0):
            container.mux(voice.encode(frame))
        container.mux(voice.encode(None))
    return count
