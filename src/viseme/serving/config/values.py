"""The kinds of values that a configuration has, and how each is read.

Values come as TOML has them or, from the environment and the command line, as text. A validator
here raises ValueError with what was expected, to follow the words "it must be".
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

__all__ = [
    "Address",
    "Allowance",
    "Anchor",
    "AvatarNames",
    "Count",
    "Endpoint",
    "ListenAddress",
    "OptionalCount",
    "OptionalSize",
    "Origin",
    "Place",
    "Places",
    "Seconds",
    "Share",
    "Size",
    "VariableName",
    "VoiceName",
    "Wait",
]

_T = TypeVar("_T", str, Path)
_DAY_S: Final = 86_400
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_VOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,15}) ?(B|[kMG]B|[KMG]iB)?", re.ASCII)
_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_A_SIZE = "a number of bytes, such as 268435456 or 256MiB"
_AN_ADDRESS = "an address such as 127.0.0.1:8080 or [::1]:8080"
_AN_ENDPOINT = "an address such as http://localhost:4317, without a user or a password"
_AN_ORIGIN = "an origin such as https://example.org, or *"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a door listens. Port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65_535 or not _is_host(host):
        raise ValueError(_AN_ADDRESS)
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def _is_host(host: str) -> bool:
    if host.startswith("[") and host.endswith("]"):
        try:
            return ipaddress.ip_address(host[1:-1]).version == 6
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None


def _no_truth(value: object) -> object:
    """Refuse what Python takes for a number though no person does."""
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


def _whole(value: object) -> object:
    if isinstance(value, bool | float):
        raise ValueError("a whole number")
    return value


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(_A_SIZE)
    number, unit = found.groups()
    return int(number) * _UNITS.get(unit, 1)


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


def _place(value: object) -> Path | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str | Path) or not _can_be_written(str(value)):
        raise ValueError("the path of a file")
    if "-----BEGIN" in str(value):
        raise ValueError("the path of a file, and not what is in it")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("a path whose ~ is a user of this machine") from error


def _a_place(value: object) -> Path:
    place = _place(value)
    if place is None:
        raise ValueError("the path of a file")
    return place


def _avatar(value: str) -> str:
    """Leave a name as it is, and make a folder's path absolute."""
    if not value or not _can_be_written(value):
        raise ValueError("the name of an avatar, or the path of its folder")
    return str(_place(value)) if "/" in value or value.startswith("~") else value


def _each_once(values: tuple[_T, ...]) -> tuple[_T, ...]:
    if len(set(values)) != len(values):
        raise ValueError("a list that has nothing twice")
    return values


def _can_be_written(text: str) -> bool:
    """Whether a text can be a path, and be shown: no NUL, and nothing that is not Unicode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _origin(value: str) -> str:
    if value != "*" and not _is_url(value, paths=("",)):
        raise ValueError(_AN_ORIGIN)
    return value


def _endpoint(value: str) -> str:
    if not _is_url(value):
        raise ValueError(_AN_ENDPOINT)
    return value


def _is_url(value: str, *, paths: tuple[str, ...] | None = None) -> bool:
    """Whether it is an http or https address with a host, without secrets, queries or blanks."""
    try:
        url = urlsplit(value)
        if url.port == 0:
            return False
    except ValueError:
        return False
    return (
        url.scheme in {"http", "https"}
        and bool(url.hostname)
        and "@" not in url.netloc
        and not url.query
        and not url.fragment
        and value.isascii()
        and value.isprintable()
        and " " not in value
        and (paths is None or url.path in paths)
    )


def _voice(value: str) -> str:
    if not _VOICE.fullmatch(value):
        raise ValueError("the name of a voice, such as slt, en-us or en_US-amy-medium")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError("the name of an environment variable, not a token")
    return value


@dataclass(frozen=True, slots=True)
class Anchor:
    """Marks a key whose relative paths, in a file, count from the folder of that file."""

    names_too: bool
    """Whether a value without a slash is a path as well, and not a name."""

    def apply(self, value: object, folder: Path) -> object:
        """Anchor a value as TOML gives it, which may be of any type."""
        if isinstance(value, list):
            return [self.apply(entry, folder) for entry in value]
        if not isinstance(value, str) or not value or value.startswith("~"):
            return value
        return str(folder / value) if self.names_too or "/" in value else value


ListenAddress = Annotated[Address, PlainValidator(_address)]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=1_000_000)]
OptionalCount = Annotated[Count | None, BeforeValidator(_none_if_empty)]
Seconds = Annotated[float, BeforeValidator(_no_truth), Field(gt=0, le=_DAY_S, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(_size), Field(ge=1, le=2**40)]
Allowance = Annotated[int, BeforeValidator(_size), Field(ge=0, le=2**40)]
OptionalSize = Annotated[Size | None, BeforeValidator(_none_if_empty)]
Share = Annotated[float, BeforeValidator(_no_truth), Field(gt=0, le=1, allow_inf_nan=False)]
Wait = Annotated[float, BeforeValidator(_no_truth), Field(ge=0, le=1, allow_inf_nan=False)]
Place = Annotated[Path | None, BeforeValidator(_place), Anchor(names_too=True)]
Places = Annotated[
    tuple[Annotated[Path, BeforeValidator(_a_place)], ...],
    AfterValidator(_each_once),
    Anchor(names_too=True),
]
AvatarNames = Annotated[
    tuple[Annotated[str, AfterValidator(_avatar)], ...],
    AfterValidator(_each_once),
    Anchor(names_too=False),
]
Origin = Annotated[str, AfterValidator(_origin)]
Endpoint = Annotated[
    Annotated[str, AfterValidator(_endpoint)] | None, BeforeValidator(_none_if_empty)
]
VariableName = Annotated[
    Annotated[str, AfterValidator(_variable)] | None, BeforeValidator(_none_if_empty)
]
VoiceName = Annotated[
    Annotated[str, AfterValidator(_voice)] | None, BeforeValidator(_none_if_empty)
]
