"""The presenter: the painted parts, put together for a frame and a pose of the mouth."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import skia
from numpy.typing import NDArray

from viseme.studio.mouth import REST, MouthPose
from viseme.studio.presenter import palette as pal
from viseme.studio.presenter.background import paint_background
from viseme.studio.presenter.eyes import draw_brows, draw_eyes
from viseme.studio.presenter.hair import paint_back_hair, paint_front_hair
from viseme.studio.presenter.head import paint_face
from viseme.studio.presenter.lips import CHIN_Y, jaw_drop
from viseme.studio.presenter.motion import HEIGHT, WIDTH, Idle, idle
from viseme.studio.presenter.mouth import draw_mouth
from viseme.studio.presenter.paint import blob, rgba
from viseme.studio.presenter.place import CROP_SIZE, Box, face_box, mouth_box
from viseme.studio.presenter.torso import neck_path, paint_torso
from viseme.studio.presenter.warp import SkinMesh

__all__ = ["Presenter"]

CACHE_BYTES = 280 * 2**20
"""What the layers kept for `crop` may take: enough for all frames of the clip."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class _Still:
    """The two pictures of a frame's region that no pose changes: behind the mouth and before it."""

    behind: Any
    before: Any
    size: int

    @property
    def cost(self) -> int:
        return 2 * 4 * self.size * self.size


class Presenter:
    """The built-in avatar. Drawing is deterministic; one instance serves one thread."""

    def __init__(self, cache_bytes: int = CACHE_BYTES) -> None:
        self._background = paint_background()
        self._back_hair = paint_back_hair()
        self._front_hair = paint_front_hair()
        self._torso = paint_torso()
        self._neck = neck_path()
        self._skin = SkinMesh(paint_face())
        self._stills: OrderedDict[int, _Still] = OrderedDict()
        self._stills_cost = 0
        self._cache_bytes = cache_bytes

    def frame(self, index: int, pose: MouthPose = REST) -> Picture:
        """Draw frame `index` (0 .. FRAME_COUNT - 1): uint8 [720, 1280, 3] BGR."""
        state = idle(index)
        pixels, surface = _surface(WIDTH, HEIGHT)
        canvas = surface.getCanvas()
        self._draw_behind(canvas, state)
        self._draw_moving(canvas, state, pose)
        canvas.drawImage(self._before(state, (0, 0, WIDTH, HEIGHT)), 0, 0)
        # The face box comes from where `crop` takes it: smooth edges depend on the surface that
        # they are drawn on by a few grey levels, and the two must not differ.
        x1, y1, x2, y2 = face_box(index)
        pixels[y1:y2, x1:x2, :3] = self._cut(index, pose)
        return np.ascontiguousarray(pixels[..., :3])

    def box(self, index: int) -> Box:
        """Return the face box (x1, y1, x2, y2) of a frame, a square, in its pixels."""
        return face_box(index)

    def mouth_box(self, index: int) -> Box:
        """Return the box of the crop's pixels that holds the lips whatever the pose."""
        return mouth_box(index)

    def crop(self, index: int, pose: MouthPose) -> Picture:
        """Draw the face box of a frame alone: uint8 [328, 328, 3] BGR.

        Equal to cutting `box(index)` out of `frame(index, pose)` and resizing it, but the layers
        that no pose changes are kept from call to call.
        """
        whole = cv2.resize(
            self._cut(index, pose), (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_CUBIC
        )
        return np.asarray(whole, np.uint8)

    def _cut(self, index: int, pose: MouthPose) -> Picture:
        """Draw the face box of a frame at the frame's own scale: uint8 [size, size, 3]."""
        state = idle(index)
        left, top, right, _ = face_box(index)
        size = right - left
        still = self._still(index, state)
        pixels, surface = _surface(size, size)
        canvas = surface.getCanvas()
        canvas.drawImage(still.behind, 0, 0)
        canvas.save()
        canvas.translate(-left, -top)
        self._draw_moving(canvas, state, pose)
        canvas.restore()
        canvas.drawImage(still.before, 0, 0)
        return np.ascontiguousarray(pixels[..., :3])

    def _still(self, index: int, state: Idle) -> _Still:
        """Return the frame's still layers, from the cache (the least recently used go first)."""
        found = self._stills.get(index)
        if found is not None:
            self._stills.move_to_end(index)
            return found
        left, top, right, bottom = face_box(index)
        surface = skia.Surface(right - left, bottom - top)
        canvas = surface.getCanvas()
        canvas.translate(-left, -top)
        self._draw_behind(canvas, state)
        before = self._before(state, (left, top, right, bottom))
        still = _Still(surface.makeImageSnapshot(), before, right - left)
        self._stills[index] = still
        self._stills_cost += still.cost
        while self._stills_cost > self._cache_bytes and len(self._stills) > 1:
            _, dropped = self._stills.popitem(last=False)
            self._stills_cost -= dropped.cost
        return still

    def _draw_behind(self, canvas: Any, state: Idle) -> None:
        """Draw what lies behind the moving face: room, back of the hair, body, upper face."""
        self._background.draw(canvas)
        canvas.save()
        canvas.concat(_head_matrix(state))
        canvas.translate(state.hair * 0.5, 0)
        self._back_hair.draw(canvas)
        canvas.restore()
        canvas.save()
        _to_chest(canvas, state)
        self._torso.draw(canvas)
        canvas.restore()
        canvas.save()
        canvas.concat(_head_matrix(state))
        self._skin.draw_upper(canvas)
        canvas.restore()

    def _draw_moving(self, canvas: Any, state: Idle, pose: MouthPose) -> None:
        """Draw what the pose moves: the head's shade on the neck, the lower face, the mouth."""
        canvas.save()
        canvas.save()
        _to_chest(canvas, state)
        canvas.clipPath(self._neck, True)
        canvas.concat(_from_chest(state))
        canvas.concat(_head_matrix(state))
        self._draw_neck_shade(canvas, jaw_drop(pose))
        canvas.restore()
        canvas.concat(_head_matrix(state))
        self._skin.draw_lower(canvas, pose)
        draw_mouth(canvas, pose)
        canvas.restore()

    @staticmethod
    def _draw_neck_shade(canvas: Any, drop: float) -> None:
        """Draw the shade that the jaw throws on the neck; it shortens as the jaw comes down."""
        soft, deep = rgba(*pal.SKIN_SHADE, 0.80), rgba(*pal.SKIN_DEEP, 0.92)
        blob(canvas, (16, CHIN_Y + 8), (150, 92), soft)
        blob(canvas, (12, CHIN_Y + 4 + 0.5 * drop), (124, 50), deep)

    def _before(self, state: Idle, region: Box) -> Any:
        """Return the picture of what lies before the face: eyes, brows, front hair."""
        left, top, right, bottom = region
        surface = skia.Surface(right - left, bottom - top)
        canvas = surface.getCanvas()
        canvas.clear(0)
        canvas.translate(-left, -top)
        canvas.concat(_head_matrix(state))
        draw_eyes(canvas, state)
        draw_brows(canvas, state)
        # The roots stay on the head, the tips lag behind.
        canvas.concat(skia.Matrix.MakeAll(1, state.hair / 480, 0, 0, 1, 0, 0, 0, 1))
        self._front_hair.draw(canvas)
        return surface.makeImageSnapshot()


def _surface(width: int, height: int) -> tuple[Picture, Any]:
    """Return pixels [height, width, 4] in B, G, R, A order and the surface that draws on them."""
    pixels = np.zeros((height, width, 4), np.uint8)
    return pixels, skia.Surface(pixels, skia.ColorType.kBGRA_8888_ColorType)


def _head_matrix(state: Idle) -> Any:
    return skia.Matrix.MakeAll(*state.head, 0, 0, 1)


def _to_chest(canvas: Any, state: Idle) -> None:
    canvas.translate(WIDTH / 2 + state.chest[0], state.chest[1])


def _from_chest(state: Idle) -> Any:
    return skia.Matrix.Translate(-WIDTH / 2 - state.chest[0], -state.chest[1])
