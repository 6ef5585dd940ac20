"""Says in one sentence what is wrong with a configuration: the source, the key, got, expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from viseme.errors import ConfigError
from viseme.serving.config.keys import KeyPath, dotted, nearest

__all__ = ["Given", "Values", "begun", "fault_of", "unknown_key"]

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """A value, and where it was given."""

    value: object
    name: Callable[[Location], str]
    """Names a key as its source does, such as "limits.streams in viseme.toml"."""


Values = Mapping[KeyPath, Given]

# Values that may be a secret in the wrong place, and so are not repeated.
_NOT_SHOWN = {("auth", "token_variable"), ("tls", "key"), ("tracing", "endpoint")}
_SHOWN_CHARACTERS = 60

_A_NUMBER, _A_WHOLE_NUMBER = "a number", "a whole number"
_A_TEXT, _A_LIST, _A_TABLE = "a text", "a list", "a table of keys"
_EXPECTED = {
    "dict_type": _A_TABLE,
    "finite_number": _A_NUMBER,
    "float_parsing": _A_NUMBER,
    "float_type": _A_NUMBER,
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_parsing": _A_WHOLE_NUMBER,
    "int_parsing_size": _A_WHOLE_NUMBER,
    "int_type": _A_WHOLE_NUMBER,
    "less_than_equal": "at most {le}",
    "mapping_type": _A_TABLE,
    "model_type": _A_TABLE,
    "string_pattern_mismatch": "a name of small letters, digits, - and _",
    "string_type": _A_TEXT,
    "string_unicode": _A_TEXT,
    "tuple_type": _A_LIST,
}


def begun(text: str) -> str:
    """Begin a sentence, but leave a name that begins it as it is written."""
    return text[0].upper() + text[1:] if text.startswith("the ") else text


def unknown_key(name: str, path: Location) -> ConfigError:
    """Make the error of a key that there is not."""
    meant = nearest(path)
    advice = f"did you mean {meant}?" if meant else "`viseme serve --print-config` shows the keys."
    return ConfigError(f"{begun(name)} is unknown; {advice}")


def fault_of(error: ValidationError, values: Values) -> ConfigError:
    """Translate pydantic's first complaint of the values that were given."""
    first: Any = error.errors(include_url=False)[0]
    # A name that does not fit, in a table of names, has this at the end of its place.
    location: Location = tuple(part for part in first["loc"] if part != "[key]")
    source = next((values[path] for path in _prefixes(location) if path in values), None)
    if source is None:
        return ConfigError(_combination(location, str(first["msg"]), values))
    name = source.name(location)
    if first["type"] == "extra_forbidden":
        return unknown_key(name, location)
    got = "" if location[:2] in _NOT_SHOWN else f" is {_shown(first['input'])}"
    return ConfigError(f"{begun(name)}{got}{';' if got else ':'} it must be {_expected(first)}.")


def _expected(complaint: Mapping[str, Any]) -> str:
    known = _EXPECTED.get(complaint["type"])
    if known is not None:
        return known.format_map(complaint.get("ctx", {}))
    text = str(complaint["msg"]).removeprefix("Value error, ")
    return text.removeprefix("Input should be ")


def _combination(location: Location, message: str, values: Values) -> str:
    """Say that keys do not go together, and who gave those of them that were given."""
    clause = message.removeprefix("Value error, ")
    section = dotted(location)
    givers = [
        given.name(path) for path, given in values.items() if path[: len(location)] == location
    ]
    given = f" (given: {', '.join(givers)})" if section and givers else ""
    return f"In the configuration's {section or 'top level'}{given}, {clause}."


def _prefixes(location: Location) -> list[KeyPath]:
    """Give the paths that lead to a place, the longest first."""
    names = tuple(str(part) for part in location)
    return [names[:length] for length in range(len(names), 0, -1)]


def _shown(value: object) -> str:
    """Write a value as it was given, dates and times as texts, and not at any length."""
    plain = isinstance(value, bool | int | float | list | dict)
    try:
        text = repr(value) if plain else repr(str(value))
    except ValueError:
        return "a number of too many digits"
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
