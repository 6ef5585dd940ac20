"""From speech to a finished file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from viseme.audio import FRAME_RATE_HZ, Samples
from viseme.avatar import Avatar
from viseme.avatar.planes import Pixels
from viseme.errors import OutputError
from viseme.rendering import Renderer, RenderOptions, Speech
from viseme.rendering.speech import open_speech
from viseme.rendering.stage import Stage
from viseme.video.sound import make_sound
from viseme.video.target import OutputKind, Target
from viseme.video.writer import open_video

__all__ = ["Progress", "RenderReport", "render_file"]

_FRAMES_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a render is."""

    frames: int
    """Frames written so far."""
    total: int
    """About how many there will be."""


@dataclass(frozen=True, slots=True)
class RenderReport:
    """What came of a render."""

    out: Path
    avatar: str
    backend: str
    """What ran the generator."""
    size: tuple[int, int]
    """Width and height of the pictures."""
    frames: int
    """Pictures in the file, those held at the end included."""
    start_up_s: float
    """Time taken to open the networks."""
    elapsed_s: float
    """Time taken from then on, until the file was complete."""

    @property
    def duration_s(self) -> float:
        """How long the video is."""
        return self.frames / FRAME_RATE_HZ

    @property
    def real_time_factor(self) -> float:
        """Seconds of work for a second of video, starting up left out; below 1 is fast enough."""
        return self.elapsed_s / self.duration_s


def render_file(
    speech: Speech,
    avatar: Avatar | str | Path,
    out: str | os.PathLike[str],
    options: RenderOptions | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> RenderReport:
    """Make an avatar speak, into a video file with the speech as its sound.

    The file appears when it is complete; after an error or an interrupt nothing is left, and
    what stood there before stands there still.

    Args:
        speech: as for `render`.
        avatar: as for `render`.
        out: `.mp4`, `.webm`, or a name without an ending for a folder of PNGs.
        options: see `RenderOptions`.
        progress: called on the caller's thread once the network is open, and after each frame.

    Raises:
        OutputError: the result cannot be written.
        VisemeError: as `render`.
    """
    target = Target.parse(out)
    _check_is_not_speech(target.path, speech)
    report = progress or _ignore
    begin_s = time.perf_counter()
    with (
        open_speech(speech, twice=True) as source,
        Renderer(avatar, options) as renderer,
        closing(source.pieces()) as pieces,
    ):
        sound = make_sound(pieces)
        lasts_s = source.length_s()
        total = _expected_frames(lasts_s)
        # Composing on that thread, encoding on this one.
        with Stage(
            _pictures(renderer, target.kind, source.samples()),
            ahead=_FRAMES_AHEAD,
            name="frames",
        ) as pictures:
            # While the first sound is heard.
            backend = renderer.backend
            opened_s = time.perf_counter()
            report(Progress(0, total))
            with open_video(
                target,
                size=renderer.avatar.size,
                rate_hz=FRAME_RATE_HZ,
                sound=sound,
                lasts_s=lasts_s,
            ) as writer:
                for done, picture in enumerate(pictures, start=1):
                    writer.write(picture)
                    report(Progress(done, total))
        return RenderReport(
            out=target.path,
            avatar=renderer.avatar.name,
            backend=backend,
            size=renderer.avatar.size,
            frames=writer.pictures,
            start_up_s=opened_s - begin_s,
            elapsed_s=time.perf_counter() - opened_s,
        )


def _pictures(
    renderer: Renderer, kind: OutputKind, samples: Iterable[Samples]
) -> Generator[Pixels, None, None]:
    """Give the finished pictures in the form that costs their encoder the least."""
    if kind is OutputKind.PNG_FOLDER:
        with closing(renderer.frames(samples)) as frames:
            yield from (frame.image for frame in frames)
    else:
        with closing(renderer.planar_frames(samples)) as frames:
            yield from (frame.planes for frame in frames)


def _check_is_not_speech(path: Path, speech: Speech) -> None:
    if not isinstance(speech, str | Path):
        return
    try:
        same = path.samefile(speech)
    except OSError:
        return  # one of them does not exist
    if same:
        raise OutputError(f"'{path}' is the speech itself; choose another name for the result.")


def _expected_frames(length_s: float) -> int:
    # Between 25 T - 1.7 and 25 T - 0.7: the middle will do for a bar.
    return max(1, round(length_s * FRAME_RATE_HZ - 1.2))


def _ignore(_: Progress) -> None:
    """Report to nobody."""
