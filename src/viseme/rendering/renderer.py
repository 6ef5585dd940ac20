"""The one pipeline: sound in, finished frames out, used offline and live alike."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from viseme.audio import FRAME_RATE_HZ, Latency, Samples, WindowStream
from viseme.audio.features import Encode
from viseme.audio.windows import WINDOW_SHAPE
from viseme.avatar import Avatar, Box, Geometry, crop_inputs, load_avatar
from viseme.avatar.planes import Pixels, Planes
from viseme.compose import compose, compose_planes
from viseme.engine import (
    AudioEncoder,
    Backend,
    FeatureOptions,
    Inferencer,
    ModelInfo,
    Predictor,
    Question,
    WarmUp,
)
from viseme.engine.machine import available_cores
from viseme.engine.pool import ordered_map
from viseme.errors import ModelError
from viseme.rendering.options import RenderOptions
from viseme.rendering.speech import Speech, open_speech
from viseme.rendering.stage import Stage

__all__ = ["Frame", "Networks", "PlanarFrame", "Renderer", "render"]

_WINDOWS_AHEAD = 50  # two seconds of speech; a window takes 32 KB
_FACES_AHEAD = 4  # a visual input takes 2.5 MB
_HELPERS_MAX = 4
"""Threads each that cut and that compose, where a GPU is faster than one of them."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A finished frame."""

    image: NDArray[np.uint8]
    """uint8 [H, W, 3] in B, G, R; the caller's to keep and change."""
    index: int
    """Its number, from 0."""
    time_s: float
    """When it is shown, in seconds from the beginning of the speech."""
    avatar_frame: int
    """Which of the avatar's frames it was made from."""
    composing_s: float = 0.0
    """How many seconds it took to put the face into it."""


@dataclass(frozen=True, slots=True, eq=False)
class PlanarFrame:
    """A finished frame as encoders of video take it."""

    planes: Planes
    """The caller's to keep and change; its width and height are even, whatever the avatar's are."""
    index: int
    """This and what follows as of `Frame`."""
    time_s: float
    avatar_frame: int
    composing_s: float = 0.0


class Networks(NamedTuple):
    """Networks that others have open, for a renderer to use and to leave open."""

    generator: Predictor
    """Paints the face: an `Inferencer`, or what a server shares one out with."""
    audio_encoder: Encode
    """Hears the speech: an `AudioEncoder`, or any function that does what it does."""


class _Face(NamedTuple):
    """What is known of a frame before it speaks."""

    number: int
    frame: Pixels
    box: Box
    crop: NDArray[np.uint8]
    visual: NDArray[np.float32]


_Spoken: TypeAlias = tuple[int, _Face, NDArray[np.float32]]
"""A frame's number, what is known of it, and its new face."""


def render(
    speech: Speech, avatar: Avatar | str | Path, options: RenderOptions | None = None
) -> Generator[Frame, None, None]:
    """Make an avatar speak: a generator of its frames, 25 for each second of speech.

    Nothing is opened before the first frame is asked for. Closing the generator, or an error,
    ends all threads before control returns; memory does not grow with the length of the speech.

    Args:
        speech: a path, a file open for reading in binary mode, `(samples, rate_hz)`, or samples
            at 16 kHz; samples are [n] or [n, channels], floating point -1..1 or integers.
        avatar: a loaded one, which stays open; or a name or path, loaded for this render.
        options: see `RenderOptions`.

    Yields:
        Frames, as many as the speech has feature vectors: for T seconds between 25 T - 1.7 and
        25 T - 0.7, more for very short speech.

    Raises:
        InputError: the speech cannot be used.
        AvatarError: the avatar cannot be used.
        ModelError: a network is missing, damaged, or does not fit the other.
        BackendError: the back end does not work on this machine.
        MissingExtraError: the back end is not installed.
    """
    with open_speech(speech) as source, Renderer(avatar, options) as renderer:
        yield from renderer.frames(source.samples())


class Renderer:
    """An avatar with its networks open, ready for any number of speeches, one at a time.

    `render` is this for one speech. Use it as a context manager: it opens what it needs on
    entering and closes it on leaving, except an avatar or networks that were given open. With
    networks that are given, what the options say of networks does not count.
    """

    def __init__(
        self,
        avatar: Avatar | str | Path,
        options: RenderOptions | None = None,
        *,
        networks: Networks | None = None,
    ) -> None:
        self._options = options or RenderOptions()
        self._given = avatar
        self._networks = networks
        self._helpers = 1
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Load the avatar where it is not, and read both networks.

        Raises:
            AvatarError, ModelError, BackendError, MissingExtraError: as `render`.
        """
        with ExitStack() as stack:
            if isinstance(self._options.backend, Backend):
                stack.callback(self._options.backend.close)
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def avatar(self) -> Avatar:
        """The avatar that speaks."""
        return self._avatar

    @property
    def latency(self) -> Latency:
        """What a frame waits for."""
        return self._options.latency

    def warm_up(self) -> WarmUp:
        """Open the back end and run it until it is warm; the first frame does so otherwise."""
        return self._generator.warm_up()

    def frames(
        self, samples: Iterable[Samples], *, start_frame: int | None = None
    ) -> Generator[Frame, None, None]:
        """Give the frames of a speech as its samples come: blocks of float32 [n], 16 kHz mono.

        Sound and faces are prepared on a thread each, predictions are made by the generator's
        workers, and frames are composed on the consumer's thread, so that a consumer that pauses
        makes all others wait. Where the generator is the renderer's own and on a GPU, several
        threads prepare faces and compose.

        Args:
            samples: the speech.
            start_frame: in place of the options' own, so that the avatar's movement goes on from
                one speech to the next.
        """

        def draw(spoken: _Spoken) -> Frame:
            index, face, prediction = spoken
            start_s = time.perf_counter()
            image = compose(
                face.frame,
                face.box,
                face.crop,
                prediction,
                self._geometry,
                feather=self._options.feather,
            )
            return Frame(image, *_told(index, face, start_s))

        with closing(self._spoken(samples, start_frame, self._avatar.frame)) as spoken:
            yield from self._each(draw, spoken)

    def planar_frames(
        self, samples: Iterable[Samples], *, start_frame: int | None = None
    ) -> Generator[PlanarFrame, None, None]:
        """Give the same frames for an encoder of video, as it takes them; see `frames`.

        Of frames that are held in planes only the box around the face is ever converted, and what
        lies outside it stays what it was in the avatar's own video.
        """

        def draw(spoken: _Spoken) -> PlanarFrame:
            index, face, prediction = spoken
            start_s = time.perf_counter()
            planes = compose_planes(
                face.frame,
                face.box,
                face.crop,
                prediction,
                self._geometry,
                feather=self._options.feather,
            )
            return PlanarFrame(planes, *_told(index, face, start_s))

        with closing(self._spoken(samples, start_frame, self._avatar.pixels)) as spoken:
            yield from self._each(draw, spoken)

    def _spoken(
        self,
        samples: Iterable[Samples],
        start_frame: int | None,
        pixels: Callable[[int], Pixels],
    ) -> Generator[_Spoken, None, None]:
        """Give each frame's number, what it was before it spoke, and its new face.

        Of the avatar's frames, that of a number is what `pixels` gives for it.
        """
        start = self._options.start_frame if start_frame is None else start_frame
        waiting: deque[_Face] = deque()
        with ExitStack() as stack:
            windows = stack.enter_context(
                Stage(self._windows(samples), ahead=_WINDOWS_AHEAD, name="audio")
            )
            faces = stack.enter_context(
                Stage(self._faces(start, pixels), ahead=_FACES_AHEAD, name="faces")
            )

            def questions() -> Iterator[Question]:
                # The generator takes them in order and gives predictions in the same order.
                for window, face in zip(windows, faces, strict=False):
                    waiting.append(face)
                    yield Question(face.visual, window, self._avatar.face_name(face.number))

            predictions = stack.enter_context(closing(self._generator.map(questions())))
            self._helpers = self._helpers_for(self._generator)
            for index, prediction in enumerate(predictions):
                yield index, waiting.popleft(), prediction

    def _open(self, stack: ExitStack) -> None:
        options = self._options
        if isinstance(self._given, Avatar):
            self._avatar = self._given
        else:
            self._avatar = stack.enter_context(
                load_avatar(
                    self._given,
                    memory_budget_bytes=options.memory_budget_bytes,
                    disk_budget_bytes=options.disk_budget_bytes,
                )
            )
        self._generator, self._encode = self._networks or self._open_networks(stack)
        self._geometry = _geometry(self._generator.info)

    def _open_networks(self, stack: ExitStack) -> Networks:
        options = self._options
        generator = stack.enter_context(
            Inferencer(
                options.model or self._avatar.generator,
                backend=options.backend,
                threads=options.threads,
                workers=options.workers,
                features=FeatureOptions(
                    self._avatar.frame_count, budget_bytes=options.feature_budget_bytes
                ),
            )
        )
        encoder = AudioEncoder(options.audio_encoder or self._avatar.audio_encoder)
        return Networks(generator, stack.enter_context(encoder))

    def _windows(self, samples: Iterable[Samples]) -> Iterator[NDArray[np.float32]]:
        """Give the window of each frame, float32 [32, 16, 16]."""
        stream = WindowStream(self._encode, after=self.latency.after)
        for block in samples:
            yield from stream.push(block)
        yield from stream.flush()

    def _faces(self, start: int, pixels: Callable[[int], Pixels]) -> Iterator[_Face]:
        """Give the avatar's frames in their order from a place in it, without end."""

        def cut(shown: tuple[int, Pixels]) -> _Face:
            index, frame = shown
            box = self._avatar.box(index)
            crop, visual = crop_inputs(frame, box, self._geometry)
            return _Face(index, frame, box, crop, visual)

        shown = ((index, pixels(index)) for index in self._avatar.ping_pong(start))
        yield from self._each(cut, shown)

    def _each(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[Result, None, None]:
        """Give the function of each item, on this thread, or by helpers as soon as there are."""
        rest = iter(items)
        for item in rest:
            if self._helpers > 1:
                yield from ordered_map(function, chain((item,), rest), workers=self._helpers)
                return
            yield function(item)

    def _helpers_for(self, generator: Predictor) -> int:
        """Tell how many threads each are to cut and to compose beside a generator that is open.

        A network that others have open serves live streams, where a frame must not wait for the
        one after it to come.
        """
        if self._networks is not None or not isinstance(generator, Inferencer):
            return 1
        return min(_HELPERS_MAX, available_cores()) if generator.backend.device == "gpu" else 1


def _told(index: int, face: _Face, start_s: float) -> tuple[int, float, int, float]:
    """Return what a finished frame tells of itself, its composing begun at a time."""
    return index, index / FRAME_RATE_HZ, face.number, time.perf_counter() - start_s


def _geometry(info: ModelInfo) -> Geometry:
    """Return the geometry of a generator, if it hears what the audio encoder says."""
    if info.audio_shape != WINDOW_SHAPE:
        found, expected = list(info.audio_shape), list(WINDOW_SHAPE)
        raise ModelError(
            f"{info.path} hears windows of {found}, and the audio encoder gives "
            f"{expected}: use a generator that was trained with such an encoder."
        )
    return Geometry.for_input(info.size)
