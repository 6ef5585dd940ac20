"""The same pictures, the same bytes: what x264 must be told for that."""

from __future__ import annotations

from typing import Final

import cv2

__all__ = ["steady_x264"]

_AVX512_SKX: Final = 256
"""`cv::CPU_AVX512_SKX`, which Python has no name for: the part of AVX-512 that x264 wants."""


def steady_x264(params: str) -> str:
    """Add to `x264-params` what makes the bytes depend on the pictures alone.

    The AVX-512 code of x264 for its tree of macroblocks reads memory that nobody has filled, where
    their number in a row is no multiple of eight. Without it the bytes are those of processors
    that lack AVX-512, and it takes no longer; a live picture takes less. Only a processor that has
    all of AVX2 may be told so.
    """
    return f"{params}:asm=avx2" if cv2.checkHardwareSupport(_AVX512_SKX) else params
