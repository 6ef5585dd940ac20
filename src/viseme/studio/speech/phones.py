"""The phones of English in one alphabet, and the mouth's target for each.

The alphabet is the one that flite prints (ARPAbet in lower case, ``ax`` for schwa, ``pau`` for
silence); espeak-ng's mnemonics are translated into it.

A target says what the mouth would do had it all the time in the world, a manner how firmly it
insists against its neighbours, channel by channel: p, b and m insist on closed lips and care little
about the tongue, k and g hardly care about the lips at all. The figures were set by hand after what
phonetics textbooks say of each sound, and adjusted by looking at the tracks that come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from viseme.errors import VisemeError
from viseme.studio.mouth import REST, MouthPose

__all__ = [
    "BILABIALS",
    "LABIODENTALS",
    "NASALS",
    "PHONES",
    "ROUNDED",
    "SILENCE",
    "TARGETS",
    "VOWELS",
    "Target",
    "from_espeak",
    "from_flite",
]

SILENCE = "pau"
BILABIALS = frozenset("pbm")
LABIODENTALS = frozenset("fv")
NASALS = frozenset({"m", "n", "ng"})
ROUNDED = frozenset({"uw", "uh", "ow"})
"""The vowels that many speakers form further forward than others do, with lips as round."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a phone asks of the mouth."""

    start: MouthPose
    end: MouthPose
    """Differs from `start` in diphthongs, which move from the one to the other."""
    firmness: MouthPose
    """How strongly each channel insists, 0 (does not care) .. about 3 (yields to nobody)."""


def _held(pose: MouthPose, firmness: MouthPose) -> Target:
    return Target(pose, pose, firmness)


def _vowel(jaw: float, gap: float, wide: float = 0.0, ring: float = 0.0) -> MouthPose:
    return MouthPose(jaw=jaw, open=gap, wide=wide, round=ring)


#                        jaw   open  wide  round press tuck  teeth tongue
_VOWEL = MouthPose(      1.3,  1.5,  0.8,  0.8,  1.2,  1.2,  0.7,  0.7)  # fmt: skip
_SCHWA = MouthPose(      0.7,  0.8,  0.3,  0.3,  0.8,  0.8,  0.5,  0.5)  # fmt: skip
_ROUND_VOWEL = MouthPose(1.3,  1.6,  1.2,  1.6,  1.2,  1.2,  0.7,  0.7)  # fmt: skip
_BILABIAL = MouthPose(   0.8,  1.2,  0.15, 0.1,  1.6,  1.0,  0.8,  0.3)  # fmt: skip
_LABIODENTAL = MouthPose(0.8,  1.0,  0.2,  0.15, 1.0,  1.4,  0.8,  0.5)  # fmt: skip
_DENTAL = MouthPose(     0.8,  1.0,  0.2,  0.15, 0.6,  0.6,  0.8,  2.5)  # fmt: skip
_ALVEOLAR = MouthPose(   0.7,  0.8,  0.15, 0.1,  0.5,  0.5,  0.7,  1.8)  # fmt: skip
_SIBILANT = MouthPose(   1.3,  1.5,  0.4,  0.3,  0.8,  0.8,  2.2,  0.8)  # fmt: skip
_HUSHING = MouthPose(    1.2,  1.5,  0.9,  1.4,  0.8,  0.8,  2.2,  0.8)  # fmt: skip
_VELAR = MouthPose(      0.4,  0.5,  0.1,  0.1,  0.4,  0.4,  0.4,  0.4)  # fmt: skip
_R = MouthPose(          0.7,  0.8,  0.6,  0.9,  0.5,  0.5,  0.5,  0.5)  # fmt: skip
_W = MouthPose(          1.0,  2.0,  1.6,  2.5,  0.6,  0.6,  0.6,  0.6)  # fmt: skip
_BREATH = MouthPose(     0.1,  0.15, 0.05, 0.05, 0.2,  0.2,  0.2,  0.2)  # fmt: skip
_REST = MouthPose(       1.2,  1.5,  0.6,  0.6,  1.0,  1.0,  1.0,  1.0)  # fmt: skip

_MONOPHTHONGS = {
    "aa": (_vowel(0.85, 0.82), _VOWEL),
    "ae": (_vowel(0.75, 0.75, 0.25), _VOWEL),
    "ah": (_vowel(0.56, 0.58), _VOWEL),
    "ao": (_vowel(0.66, 0.62, -0.30, 0.45), _ROUND_VOWEL),
    "ax": (_vowel(0.34, 0.36), _SCHWA),
    "eh": (_vowel(0.56, 0.58, 0.25), _VOWEL),
    "er": (_vowel(0.32, 0.34, -0.15, 0.35), _VOWEL),
    "ih": (_vowel(0.30, 0.34, 0.30), _VOWEL),
    "iy": (_vowel(0.18, 0.26, 0.75), _VOWEL),
    "uh": (_vowel(0.30, 0.30, -0.25, 0.50), _ROUND_VOWEL),
    "uw": (_vowel(0.16, 0.17, -0.60, 0.95), _ROUND_VOWEL),
}

_DIPHTHONGS = {
    "aw": (_vowel(0.80, 0.78), _vowel(0.28, 0.28, -0.40, 0.70), _VOWEL),
    "ay": (_vowel(0.80, 0.76, 0.05), _vowel(0.26, 0.32, 0.45), _VOWEL),
    "ey": (_vowel(0.48, 0.48, 0.35), _vowel(0.22, 0.30, 0.60), _VOWEL),
    "ow": (_vowel(0.52, 0.50, -0.30, 0.55), _vowel(0.22, 0.22, -0.50, 0.85), _ROUND_VOWEL),
    "oy": (_vowel(0.55, 0.52, -0.40, 0.70), _vowel(0.26, 0.32, 0.45), _ROUND_VOWEL),
}

_CONSONANTS = {
    "p": (MouthPose(jaw=0.10, press=1.0), _BILABIAL),
    "b": (MouthPose(jaw=0.10, press=0.9), _BILABIAL),
    "m": (MouthPose(jaw=0.12, press=0.8), _BILABIAL),
    "f": (MouthPose(jaw=0.14, open=0.08, tuck=1.0), _LABIODENTAL),
    "v": (MouthPose(jaw=0.14, open=0.08, tuck=0.9), _LABIODENTAL),
    "th": (MouthPose(jaw=0.20, open=0.24, teeth=0.15, tongue=1.0), _DENTAL),
    "dh": (MouthPose(jaw=0.20, open=0.24, teeth=0.15, tongue=0.9), _DENTAL),
    "t": (MouthPose(jaw=0.16, open=0.20, teeth=0.35, tongue=0.6), _ALVEOLAR),
    "d": (MouthPose(jaw=0.18, open=0.22, teeth=0.30, tongue=0.65), _ALVEOLAR),
    "n": (MouthPose(jaw=0.20, open=0.23, teeth=0.15, tongue=0.7), _ALVEOLAR),
    "l": (MouthPose(jaw=0.30, open=0.32, tongue=0.9), _ALVEOLAR),
    "s": (MouthPose(jaw=0.08, open=0.18, wide=0.30, teeth=0.95), _SIBILANT),
    "z": (MouthPose(jaw=0.08, open=0.18, wide=0.30, teeth=0.90), _SIBILANT),
    "sh": (MouthPose(jaw=0.12, open=0.24, wide=-0.30, round=0.60, teeth=0.85), _HUSHING),
    "zh": (MouthPose(jaw=0.12, open=0.24, wide=-0.30, round=0.60, teeth=0.80), _HUSHING),
    "ch": (MouthPose(jaw=0.12, open=0.22, wide=-0.30, round=0.55, teeth=0.90), _HUSHING),
    "jh": (MouthPose(jaw=0.12, open=0.22, wide=-0.30, round=0.55, teeth=0.85), _HUSHING),
    "k": (MouthPose(jaw=0.26, open=0.28), _VELAR),
    "g": (MouthPose(jaw=0.26, open=0.28), _VELAR),
    "ng": (MouthPose(jaw=0.26, open=0.28), _VELAR),
    "r": (MouthPose(jaw=0.22, open=0.24, wide=-0.20, round=0.45), _R),
    "w": (MouthPose(jaw=0.12, open=0.10, wide=-0.60, round=1.0), _W),
    "y": (MouthPose(jaw=0.16, open=0.24, wide=0.60), _VOWEL),
    "hh": (MouthPose(jaw=0.30, open=0.34), _BREATH),
    SILENCE: (REST, _REST),
}

TARGETS: MappingProxyType[str, Target] = MappingProxyType(
    {symbol: _held(*row) for symbol, row in (_MONOPHTHONGS | _CONSONANTS).items()}
    | {symbol: Target(*row) for symbol, row in _DIPHTHONGS.items()}
)
PHONES: tuple[str, ...] = tuple(sorted(TARGETS))
"""All phones; a phone's place here is its number in a batch."""
VOWELS = frozenset(_MONOPHTHONGS) | frozenset(_DIPHTHONGS)

# Mnemonics as espeak-ng 1.51 reports them for its English voices; 1.52 puts stress marks before
# them. The r inside "A@", "O@" and the like is heard in some accents only and hardly seen in any,
# so it is left out.
_ESPEAK: dict[str, tuple[str, ...]] = {
    "_": (SILENCE,), "_:": (SILENCE,), "_!": (SILENCE,), "_|": (SILENCE,),
    "0": ("aa",), "3": ("er",), "@": ("ax",), "@L": ("ax", "l"), "a": ("ae",), "a#": ("ax",),
    "A": ("aa",), "A@": ("aa",), "aa": ("ae",), "aI": ("ay",), "aI@": ("ay", "ax"), "aU": ("aw",),
    "aU@": ("aw", "ax"), "E": ("eh",), "e": ("eh",), "e@": ("eh",), "eI": ("ey",), "I": ("ih",),
    "i": ("iy",), "i@": ("ih", "ax"), "i@3": ("ih", "er"), "IR": ("er",), "O": ("ao",),
    "O@": ("ao",), "o@": ("ao",), "OI": ("oy",), "oU": ("ow",), "U": ("uh",), "u": ("uw",),
    "U@": ("uh",), "V": ("ah",), "VR": ("er",), "?": ("hh",),
    "D": ("dh",), "dZ": ("jh",), "h": ("hh",), "j": ("y",), "N": ("ng",), "S": ("sh",),
    "T": ("th",), "tS": ("ch",), "Z": ("zh",),
}  # fmt: skip
_ESPEAK_STRESSES = "',"  # before the sound
_ESPEAK_CONTINUATIONS = frozenset({"", ";"})  # marks, not sounds of their own
_ESPEAK_SHADES = "#-:2345"  # "O:", "t2", "n-": shades of one phone


def from_flite(name: str) -> str:
    """Return the phone for a segment's name as flite prints it."""
    if name in PHONES:
        return name
    raise VisemeError(f"flite spoke a phone {name!r} that the table of phones does not have.")


def from_espeak(mnemonic: str) -> tuple[str, ...]:
    """Return the phones for a mnemonic of espeak-ng; none for one that prolongs the phone before.

    "t#" and "O:" are looked up as they are first, then without their marks, one after the other.
    """
    name = mnemonic.lstrip(_ESPEAK_STRESSES)
    if name in _ESPEAK_CONTINUATIONS:
        return ()
    while name:
        if name in _ESPEAK:
            return _ESPEAK[name]
        if name in PHONES:
            return (name,)
        name = name[:-1] if name[-1] in _ESPEAK_SHADES else ""
    raise VisemeError(f"espeak-ng spoke a phone {mnemonic!r} that the table of phones lacks.")
