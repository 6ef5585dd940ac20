"""Video files: H.264 and AAC in MP4, VP9 and Opus in WebM."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import av

from viseme.avatar.planes import Pixels
from viseme.video.sinks import Format, Sink
from viseme.video.sound import Block
from viseme.video.steady import steady_x264
from viseme.video.tracks import PictureRecipe, PictureTrack, SoundRecipe, SoundTrack

__all__ = ["MP4", "MP4_LONG", "WEBM", "ContainerRecipe", "ContainerSink", "Writable"]


class Writable(Protocol):
    """What takes bytes in order; nothing more, so a container cannot go back in it."""

    def write(self, data: bytes, /) -> int:
        """Take some bytes, and tell how many: all."""


@dataclass(frozen=True, slots=True)
class ContainerRecipe:
    """A kind of video file."""

    name: str
    picture: PictureRecipe
    sound: SoundRecipe
    options: dict[str, str] = field(default_factory=dict)


MP4 = ContainerRecipe(
    name="mp4",
    # crf 18 is where losses stop being seen. On pictures in which little moves, veryfast takes the
    # time of superfast for less than half the size; two thirds of that time, and fewer bytes,
    # without what it looks for in vain there: places for B-frames, finer motion, smaller blocks,
    # what comes later. With each further thread it takes longer in all, and more bytes.
    picture=PictureRecipe(
        "libx264",
        {
            "preset": "veryfast",
            "crf": "18",
            "x264-params": steady_x264(
                "b-adapt=0:bframes=4:subme=1:rc-lookahead=5:sync-lookahead=0:partitions=none"
            ),
        },
        threads=2,
    ),
    # An AAC packet has 1024 samples: at 8 kHz that would be three frames of video.
    sound=SoundRecipe("aac", bit_rate_per_channel=96_000, rates_hz=(44_100, 48_000)),
    # The index goes to the front, so that playing starts before the whole has been fetched.
    options={"movflags": "+faststart"},
)
# An index of every picture and packet of sound is held until the file is closed, some 18 MiB for
# an hour. In fragments, of ten seconds at most, one of the fragments is enough; editors know less
# well what to do with such a file than players do.
MP4_LONG = replace(
    MP4, options={"movflags": "+frag_keyframe+delay_moov+default_base_moof+global_sidx"}
)
WEBM = ContainerRecipe(
    name="webm",
    # The realtime deadline takes half the time of `good`; b=0 lets crf alone decide.
    picture=PictureRecipe(
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "crf": "24", "b": "0"},
        threads=4,
    ),
    sound=SoundRecipe("libopus", bit_rate_per_channel=64_000, rates_hz=(48_000,)),
)


class ContainerSink(Sink):
    """A video file: one stream of pictures and, where there is sound, one of sound."""

    def __init__(self, out: Path | Writable, form: Format, recipe: ContainerRecipe) -> None:
        self._container = av.open(
            f"file:{out}" if isinstance(out, Path) else out,  # so that no name is a protocol
            "w",
            format=recipe.name,
            # No date, version or random identifier inside: the same input, the same bytes.
            options={"fflags": "+bitexact", **recipe.options},
        )
        self._pictures = PictureTrack(self._container, form, recipe.picture)
        self._sound = SoundTrack(self._container, form, recipe.sound) if form.channels else None

    def picture(self, picture: Pixels) -> None:
        """Write the next picture."""
        self._pictures.write(picture)

    def sound(self, block: Block) -> None:
        """Write the next stretch of sound."""
        assert self._sound is not None, "this file was opened without sound"
        self._sound.write(block)

    def close(self, *, finish: bool) -> None:
        """Flush the encoders where asked, and close the file."""
        try:
            if finish:
                self._pictures.flush()
                if self._sound is not None:
                    self._sound.flush()
        finally:
            self._container.close()
