"""Who speaks: frames, boxes, crops, and the bundle on disk."""

from viseme.avatar.bundle import Avatar
from viseme.avatar.catalogue import AvatarInfo, list_avatars, load_avatar
from viseme.avatar.crops import crop_face, crop_inputs, visual_input
from viseme.avatar.geometry import FAMILY_168, FAMILY_328, Box, Geometry
from viseme.avatar.saving import About, FrameFormat, save_bundle

__all__ = [
    "FAMILY_168",
    "FAMILY_328",
    "About",
    "Avatar",
    "AvatarInfo",
    "Box",
    "FrameFormat",
    "Geometry",
    "crop_face",
    "crop_inputs",
    "list_avatars",
    "load_avatar",
    "save_bundle",
    "visual_input",
]
