"""The colours, in one place, as (red, green, blue).

The mouth's colours are also what `measure` tells lips from gap by: lips and skin are warm (green
at or above blue), the tongue is cool (blue well above green), the teeth are nearly grey, and the
hollow of the mouth is dark. Whoever changes them runs the tests of the measure.
"""

from __future__ import annotations

Rgb = tuple[int, int, int]

SKIN_LIT: Rgb = (253, 222, 198)
SKIN: Rgb = (241, 194, 165)
SKIN_TURN: Rgb = (222, 160, 130)
SKIN_SHADE: Rgb = (178, 108, 84)
SKIN_DEEP: Rgb = (122, 62, 48)
BLUSH: Rgb = (226, 104, 88)
RIM: Rgb = (214, 236, 255)

LIP_LIT: Rgb = (232, 142, 126)
LIP: Rgb = (204, 98, 86)
LIP_SHADE: Rgb = (166, 66, 56)
LIP_LINE: Rgb = (112, 36, 28)
LIP_SHINE: Rgb = (255, 226, 212)

MOUTH_DEEP: Rgb = (26, 8, 12)
MOUTH_WALL: Rgb = (66, 20, 26)
TEETH: Rgb = (240, 235, 228)
TEETH_SHADE: Rgb = (150, 140, 138)
TONGUE: Rgb = (176, 82, 104)
TONGUE_SHADE: Rgb = (98, 36, 54)
TONGUE_LIT: Rgb = (206, 122, 142)

HAIR_DEEP: Rgb = (30, 17, 14)
HAIR: Rgb = (66, 38, 28)
HAIR_LIT: Rgb = (146, 92, 60)
HAIR_SHINE: Rgb = (216, 160, 112)
BROW: Rgb = (70, 42, 31)
LASH: Rgb = (34, 19, 16)

IRIS_DEEP: Rgb = (36, 52, 48)
IRIS: Rgb = (86, 122, 104)
IRIS_LIT: Rgb = (170, 178, 122)
EYE_WHITE: Rgb = (246, 243, 240)

JACKET: Rgb = (38, 58, 84)
JACKET_LIT: Rgb = (84, 112, 146)
JACKET_DEEP: Rgb = (16, 26, 42)
BLOUSE: Rgb = (240, 232, 220)
BLOUSE_SHADE: Rgb = (184, 166, 150)
GOLD: Rgb = (226, 184, 104)
