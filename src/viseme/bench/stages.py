"""The stages of the pipeline, each alone: what a frame costs in each, in time of one core.

In the pipeline they overlap, so that their shares cannot be read from a clock on the wall.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from viseme.audio import FRAME_RATE_HZ, SAMPLE_RATE_HZ, WindowStream, read
from viseme.avatar import Avatar, crop_inputs
from viseme.avatar.planes import Planes
from viseme.bench.material import FACES_MAX, make_material
from viseme.bench.work import Opener, Spec, Work, geometry_of, model_of
from viseme.compose import compose, compose_planes
from viseme.engine import AudioEncoder, FeatureOptions, Inferencer
from viseme.rendering.speech import open_speech
from viseme.video import Target, make_sound, open_video

__all__ = ["FILM_STAGES", "STAGES", "STAGE_TITLES"]

Composing = Callable[..., object]

_FRAMES = 25
"""How many the encoder is given, to and fro."""


class _Hearing(Work):
    """From the speech's file to windows."""

    backend = "onnxruntime"

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        self._speech = Path(spec.speech)
        self._encode = stack.enter_context(AudioEncoder(avatar.audio_encoder))
        self._windows = self._hear_again_and_again()
        stack.callback(self._windows.close)

    def make(self, count: int) -> int:
        return sum(1 for _ in islice(self._windows, count))

    def _hear_again_and_again(self) -> Generator[NDArray[np.float32], None, None]:
        while True:
            stream = WindowStream(self._encode)
            with open_speech(self._speech) as source:
                for block in source.samples():
                    yield from stream.push(block)
            yield from stream.flush()


class _Faces(Work):
    """From the avatar's video to what the network sees."""

    backend = "opencv"

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        self._avatar = avatar
        self._geometry = geometry_of(spec, avatar)
        self._order = avatar.ping_pong()

    def make(self, count: int) -> int:
        for index in islice(self._order, count):
            crop_inputs(self._avatar.pixels(index), self._avatar.box(index), self._geometry)
        return count


class _Network(Work):
    """From what the network sees and hears to its pictures, one after the other.

    Its faces have been shown before: the pipeline comes by each again and again.
    """

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        self._material = make_material(avatar, Path(spec.speech), geometry_of(spec, avatar))
        self._inferencer = stack.enter_context(
            Inferencer(
                model_of(spec, avatar),
                backend=spec.backend,
                threads=1,
                workers=1,
                features=FeatureOptions(avatar.frame_count),
            )
        )
        self.backend = self._inferencer.warm_up().backend
        self._names = [avatar.face_name(index) for index in islice(avatar.ping_pong(), FACES_MAX)]
        self.make(FACES_MAX)

    def make(self, count: int) -> int:
        for index in range(count):
            self._inferencer.run(
                self._material.face(index).visual[None],
                self._material.window(index)[None],
                (self._names[index % len(self._names)],),
            )
        return count


class _Composing(Work):
    """From the network's pictures to frames as they are held, for an encoder."""

    backend = "opencv"
    compose: Composing = staticmethod(compose_planes)

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        self._geometry = geometry_of(spec, avatar)
        self._frame, self._box = avatar.pixels(0), avatar.box(0)
        self._crop, visual = crop_inputs(self._frame, self._box, self._geometry)
        self._prediction = np.ascontiguousarray(visual[:3])

    def make(self, count: int) -> int:
        for _ in range(count):
            self.compose(self._frame, self._box, self._crop, self._prediction, self._geometry)
        return count


class _ComposingPixels(_Composing):
    """From the network's pictures to frames in B, G, R, for all others."""

    compose = staticmethod(compose)


class _Encoding(Work):
    """From finished frames and the speech to an MP4."""

    backend = "libx264"

    def __init__(self, spec: Spec, avatar: Avatar, stack: ExitStack) -> None:
        self._speech = read(spec.speech)
        self._size = avatar.size
        pixels = (avatar.pixels(index) for index in islice(avatar.ping_pong(), _FRAMES))
        frames = [p if isinstance(p, Planes) else Planes.of(p) for p in pixels]
        self._frames = cycle([*frames, *frames[-2:0:-1]])
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="viseme-")))

    def make(self, count: int) -> int:
        speech = np.resize(self._speech, count * SAMPLE_RATE_HZ // FRAME_RATE_HZ)
        target = Target.parse(self._folder / "film.mp4")
        with open_video(
            target,
            size=self._size,
            rate_hz=FRAME_RATE_HZ,
            sound=make_sound(iter([(speech[:, None], SAMPLE_RATE_HZ)])),
        ) as writer:
            for frame in islice(self._frames, count):
                writer.write(frame)
        return count


STAGES: Final[dict[str, Opener]] = {
    "stage-hearing": _Hearing,
    "stage-faces": _Faces,
    "stage-network": _Network,
    "stage-composing": _Composing,
    "stage-encoding": _Encoding,
    "stage-pixels": _ComposingPixels,
}
"""The stages as works, those of a film in their order; then what takes the place of composing
where frames are not for a film."""

FILM_STAGES: Final = tuple(STAGES)[:-1]

STAGE_TITLES: Final = {
    "stage-hearing": "hearing the speech",
    "stage-faces": "the avatar's frames",
    "stage-network": "the network",
    "stage-composing": "composing",
    "stage-encoding": "encoding",
    "stage-pixels": "composing in B, G, R",
}
