"""A folder of PNGs: frame_000000.png and on, without loss, with the sound beside them."""

from __future__ import annotations

from pathlib import Path

import av
import cv2

from viseme.avatar.planes import Pixels, whole
from viseme.errors import OutputError
from viseme.video.sinks import Format, Sink
from viseme.video.sound import Block
from viseme.video.tracks import SoundRecipe, SoundTrack

__all__ = ["SOUND_NAME", "PngFolderSink", "frame_name"]

SOUND_NAME = "sound.wav"
_WAVE_OPTIONS = {
    "fflags": "+bitexact",
    "rf64": "auto",  # a plain wave file ends at 4 GB, six hours of 48 kHz stereo
}


def frame_name(index: int) -> str:
    """Return the name of the file that picture `index` is in."""
    return f"frame_{index:06d}.png"


class PngFolderSink(Sink):
    """Pictures as PNG files and the sound as a 16-bit wave file, in one folder."""

    def __init__(self, folder: Path, form: Format) -> None:
        folder.mkdir()
        self._folder = folder
        self._count = 0
        self._wave: av.container.OutputContainer | None = None
        if form.channels:
            path = f"file:{folder / SOUND_NAME}"
            self._wave = av.open(path, "w", format="wav", options=_WAVE_OPTIONS)
            self._sound = SoundTrack(self._wave, form, SoundRecipe("pcm_s16le"))

    def picture(self, picture: Pixels) -> None:
        """Write the next picture."""
        image = whole(picture)
        # Level 1: three times as fast as the default for a tenth more on the disk.
        done, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise OutputError(f"A picture of shape {image.shape} cannot be written as PNG.")
        # Python writes it, which unlike OpenCV says why when it cannot.
        (self._folder / frame_name(self._count)).write_bytes(data.data)
        self._count += 1

    def sound(self, block: Block) -> None:
        """Write the next stretch of sound."""
        self._sound.write(block)

    def close(self, *, finish: bool) -> None:
        """Close the sound file."""
        if self._wave is None:
            return
        try:
            if finish:
                self._sound.flush()
        finally:
            self._wave.close()
