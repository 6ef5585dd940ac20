"""The one pipeline: sound in, finished frames out, used offline and live alike."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from viseme.audio import FRAME_RATE_HZ, Latency, Samples, WindowStream
from viseme.audio.features import Encode
from viseme.audio.windows import WINDOW_SHAPE
from viseme.avatar import Avatar, Box, Geometry, crop_face, load_avatar, visual_input
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
from viseme.rendering.stage import Incoming, Stage

__all__ = ["Frame", "Networks", "PlanarFrame", "Renderer", "render"]

_WINDOWS_AHEAD = 50  # two seconds of speech; a window takes 32 KB
_FACES_AHEAD = 4  # a visual input takes 2.5 MB
_FRAMES_AHEAD = 2
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

    @property
    def backend(self) -> str:
        """What runs the generator, by name; opened now if it is not yet."""
        return self._generator.backend.name

    def warm_up(self) -> WarmUp:
        """Open the back end and run it until it is warm; else the first frames take longer."""
        return self._generator.warm_up()

    def frames(
        self, samples: Iterable[Samples], *, start_frame: int | None = None
    ) -> Generator[Frame, None, None]:
        """Give the frames of a speech as its samples come: blocks of float32 [n], 16 kHz mono.

        Sound is heard and the avatar's frames are read on a thread each. Where the generator is
        the renderer's own and runs on a processor, each of its workers makes a frame from cutting
        the face to composing; else faces are cut on a thread of their own, and frames composed on
        the consumer's, or on several where a GPU would wait for one. A consumer that pauses makes
        all others wait.

        Args:
            samples: the speech; `Incoming` where more of it may be long in coming, for an error is
                raised, and closing returns, only when nobody waits for it.
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

        with closing(self._drawn(samples, start_frame, draw)) as frames:
            yield from frames

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

        with closing(self._drawn(samples, start_frame, draw)) as frames:
            yield from frames

    def _drawn(
        self,
        samples: Iterable[Samples],
        start_frame: int | None,
        draw: Callable[[_Spoken], Result],
    ) -> Generator[Result, None, None]:
        """Give each frame, as `draw` makes it of what it was before it spoke and its new face."""
        start = self._options.start_frame if start_frame is None else start_frame
        shown = ((number, self._avatar.pixels(number)) for number in self._avatar.ping_pong(start))
        heard = self._windows(samples)
        with Stage(heard, ahead=_WINDOWS_AHEAD, name="audio", source=samples) as windows:
            own = self._own_generator()
            # To ask for its back end opens it, while the first sound is heard.
            if own is not None and own.backend.device == "cpu":
                drawn = self._on_cores(own, windows, shown, draw)
            else:
                helpers = 1 if own is None else min(_HELPERS_MAX, available_cores())
                drawn = self._in_stages(windows, shown, draw, helpers)
            with closing(drawn) as frames:
                yield from frames

    def _on_cores(
        self,
        generator: Inferencer,
        windows: Iterator[NDArray[np.float32]],
        shown: Iterator[tuple[int, Pixels]],
        draw: Callable[[_Spoken], Result],
    ) -> Generator[Result, None, None]:
        """Make each frame on one of the generator's workers, from its cutting to its composing.

        What a step has left in the cache of a core, the next one finds there.
        """

        def make(asked: tuple[int, tuple[tuple[int, Pixels], NDArray[np.float32]]]) -> Result:
            index, ((number, frame), window) = asked
            face = self._cut(number, frame)
            name = self._avatar.face_name(number)
            # Most networks need no look at a face whose features are kept.
            (prediction,) = generator.run(lambda: self._look(face)[None], window[None], (name,))
            return draw((index, face, prediction))

        with Stage(shown, ahead=_FRAMES_AHEAD, name="frames") as frames:
            asked = enumerate(zip(frames, windows, strict=False))
            # Where one at a time has all cores, faces are cut and composed beside it.
            threads = max(2, generator.workers)
            with closing(ordered_map(make, asked, workers=threads)) as made:
                yield from made

    def _in_stages(
        self,
        windows: Stage[NDArray[np.float32]],
        shown: Iterator[tuple[int, Pixels]],
        draw: Callable[[_Spoken], Result],
        helpers: int,
    ) -> Generator[Result, None, None]:
        """Make frames step by step, faces ahead of a generator that others use, too, or of a GPU.

        A generator that others use serves live streams, where a frame must not wait for the one
        after it to come: there are no helpers then.
        """
        waiting: deque[_Face] = deque()

        def seen(one: tuple[int, Pixels]) -> tuple[_Face, NDArray[np.float32]]:
            face = self._cut(*one)
            return face, self._look(face)

        cut = _each(seen, shown, helpers)
        with Stage(cut, ahead=_FACES_AHEAD, name="faces") as faces:

            def questions() -> Iterator[Question]:
                # The generator takes them in order and gives predictions in the same order. A face
                # that cannot be had is told of before there is sound for it.
                for (face, visual), window in zip(faces, windows, strict=False):
                    waiting.append(face)
                    yield Question(visual, window, self._avatar.face_name(face.number))

            def spoken() -> Generator[_Spoken, None, None]:
                asked = Incoming(questions(), windows.abandon)
                with closing(self._generator.map(asked)) as predictions:
                    for index, prediction in enumerate(predictions):
                        yield index, waiting.popleft(), prediction

            with closing(spoken()) as ready:
                yield from _each(draw, ready, helpers)

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

    def _cut(self, number: int, frame: Pixels) -> _Face:
        box = self._avatar.box(number)
        return _Face(number, frame, box, crop_face(frame, box, self._geometry))

    def _look(self, face: _Face) -> NDArray[np.float32]:
        """Give what the network sees of a face, float32 [6, S, S]."""
        return visual_input(face.crop, self._geometry)

    def _own_generator(self) -> Inferencer | None:
        """Give the generator if nobody else uses it."""
        if self._networks is None and isinstance(self._generator, Inferencer):
            return self._generator
        return None


def _each(
    function: Callable[[Item], Result], items: Iterable[Item], helpers: int
) -> Generator[Result, None, None]:
    """Give the function of each item, on this thread, or by helpers where there are several."""
    if helpers > 1:
        yield from ordered_map(function, items, workers=helpers)
    else:
        yield from map(function, items)


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
