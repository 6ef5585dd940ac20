"""Single pictures as clients get them: a JPEG or PNG file each, or the bytes of their pixels."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.errors import InputError, OutputError

__all__ = ["JPEG_QUALITY", "PictureFormat", "PictureOptions", "encode_picture", "media_type"]

JPEG_QUALITY = 90
"""What is taken where nobody chose: no difference is seen beside the video codecs' own."""
_PNG_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]
"""Three times as fast as the default for a tenth more of bytes, and somebody waits."""


class PictureFormat(StrEnum):
    """What the bytes of a picture are."""

    JPEG = "jpeg"
    """A JPEG file."""
    PNG = "png"
    """A PNG file, without loss."""
    BGR = "bgr"
    """The pixels, row by row, as blue, green, red."""


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """How single pictures are encoded."""

    format: PictureFormat = PictureFormat.JPEG
    jpeg_quality: int = JPEG_QUALITY
    """1 (small) to 100 (good); of no meaning in the other formats."""

    def __post_init__(self) -> None:
        """Refuse what no encoder knows.

        Raises:
            InputError: the quality is out of its range.
        """
        if not 1 <= self.jpeg_quality <= 100:
            raise InputError(
                f"The JPEG quality is {self.jpeg_quality}, which must be from 1 to 100; leave it "
                f"out for {JPEG_QUALITY}."
            )


def encode_picture(
    image: NDArray[np.uint8], form: PictureFormat, quality: int = JPEG_QUALITY
) -> bytes:
    """Encode a picture.

    Args:
        image: uint8 [H, W, 3], B, G, R.
        form: what the bytes are to be.
        quality: of JPEG alone, 1 to 100.

    Raises:
        OutputError: the picture has a size that the format does not hold.
    """
    if form is PictureFormat.BGR:
        return image.tobytes()
    options = _PNG_FAST if form is PictureFormat.PNG else [cv2.IMWRITE_JPEG_QUALITY, quality]
    done = False
    encoded: Any = b""
    with contextlib.suppress(cv2.error):  # in place of saying no, as some versions do
        done, encoded = cv2.imencode(f".{form.value}", image, options)
    if not done:
        raise OutputError(
            f"A picture of shape {list(image.shape)} cannot be encoded as {form.name}."
        )
    return bytes(encoded)


def media_type(form: PictureFormat) -> str:
    """Give what a picture's bytes are by their MIME type."""
    return "application/octet-stream" if form is PictureFormat.BGR else f"image/{form.value}"
