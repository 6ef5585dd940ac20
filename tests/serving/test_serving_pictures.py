"""Single pictures: each format is what it says, and what no format holds is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from support.tiny_avatar import picture
from viseme.errors import InputError, OutputError
from viseme.serving.pictures import PictureFormat, PictureOptions, encode_picture, media_type


def test_png_and_pixels_lose_nothing() -> None:
    image = picture(0)
    png = encode_picture(image, PictureFormat.PNG)
    assert png.startswith(b"\x89PNG")
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), 1), image)
    bgr = encode_picture(image[:, 10:], PictureFormat.BGR)
    np.testing.assert_array_equal(np.frombuffer(bgr, np.uint8).reshape(360, 390, 3), image[:, 10:])


def test_a_better_jpeg_is_nearer_and_larger() -> None:
    image = np.asarray(cv2.GaussianBlur(picture(0), (31, 31), 8), np.uint8)
    errors, sizes = [], []
    for quality in (5, 50, 95):
        jpeg = encode_picture(image, PictureFormat.JPEG, quality)
        assert jpeg.startswith(b"\xff\xd8")
        shown = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1), np.float64)
        errors.append(np.abs(shown - image).mean())
        sizes.append(len(jpeg))
    assert errors == sorted(errors, reverse=True)
    assert sizes == sorted(sizes)
    assert errors[-1] < 2


def test_media_types() -> None:
    assert [media_type(form) for form in PictureFormat] == [
        "image/jpeg",
        "image/png",
        "application/octet-stream",
    ]


@pytest.mark.parametrize("quality", [-1, 0, 101])
def test_a_quality_that_there_is_not_is_refused(quality: int) -> None:
    with pytest.raises(InputError) as caught:
        PictureOptions(PictureFormat.JPEG, quality)
    assert str(caught.value) == (
        f"The JPEG quality is {quality}, which must be from 1 to 100; leave it out for 90."
    )


def test_a_picture_that_is_too_large_for_jpeg_is_refused() -> None:
    with pytest.raises(OutputError) as caught:
        encode_picture(np.zeros((1, 70_000, 3), np.uint8), PictureFormat.JPEG)
    assert str(caught.value) == "A picture of shape [1, 70000, 3] cannot be encoded as JPEG."
