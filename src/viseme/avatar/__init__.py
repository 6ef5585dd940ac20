"""Who speaks: frames, boxes, crops, and the bundle on disk."""

from viseme.avatar.crops import CropCache, crop_face, crop_inputs, visual_input
from viseme.avatar.geometry import FAMILY_168, FAMILY_328, Box, Geometry

__all__ = [
    "FAMILY_168",
    "FAMILY_328",
    "Box",
    "CropCache",
    "Geometry",
    "crop_face",
    "crop_inputs",
    "visual_input",
]
