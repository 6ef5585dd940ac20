"""Contact sheets: pictures in rows, each with a caption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["contact_sheet", "write_sheet"]

CAPTION_HEIGHT = 26
GAP = 6
PAPER = 250
INK = (40, 40, 40)

Picture = NDArray[np.uint8]


def contact_sheet(rows: Sequence[Sequence[tuple[Picture, str]]]) -> Picture:
    """Lay pictures of one size out in rows, each with its caption underneath; uint8, B, G, R."""
    height, width = rows[0][0][0].shape[:2]
    columns = max(len(row) for row in rows)
    cell_height = height + CAPTION_HEIGHT + GAP
    sheet = np.full(
        (cell_height * len(rows) + GAP, (width + GAP) * columns + GAP, 3), PAPER, np.uint8
    )
    for r, row in enumerate(rows):
        for c, (picture, caption) in enumerate(row):
            top, left = GAP + r * cell_height, GAP + c * (width + GAP)
            sheet[top : top + height, left : left + width] = picture
            _write_caption(sheet, caption, left + width // 2, top + height + CAPTION_HEIGHT - 8)
    return sheet


def write_sheet(path: Path, rows: Sequence[Sequence[tuple[Picture, str]]]) -> None:
    """Write a contact sheet as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(".png", contact_sheet(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    path.write_bytes(encoded.tobytes())


def _write_caption(sheet: Picture, caption: str, centre: int, baseline: int) -> None:
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.5
    (width, _), _ = cv2.getTextSize(caption, font, size, 1)
    place = (centre - width // 2, baseline)
    cv2.putText(sheet, caption, place, font, size, INK, 1, cv2.LINE_AA)
