"""Who may call: bearer tokens, each with the name of its client.

Only digests of the tokens are kept, so nothing that holds this object can print one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from viseme.errors import ConfigError
from viseme.serving.config import AuthConfig
from viseme.serving.files import read_secret

__all__ = ["MIN_TOKEN_CHARACTERS", "Tokens", "load_tokens", "parse_tokens"]

MIN_TOKEN_CHARACTERS: Final = 16
"""Fewer can be guessed; `openssl rand -hex 24` makes 48."""

_MAX_TOKENS = 1000
_MAX_HEADER_CHARACTERS = 4096
_LINE = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})\s*[:=]\s*(\S+)")
# What may follow "Bearer " in a header, RFC 6750, section 2.1.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_MAKE_ONE = "`openssl rand -hex 24` makes a good one"


class Tokens:
    """The tokens that are let in.

    Args:
        tokens: each client's token by its name.

    Raises:
        ConfigError: there are none or too many, or two clients have the same token.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._digests = {name: _digest(token) for name, token in tokens.items()}
        if not tokens:
            raise ConfigError("There is no token in what was given; write a line `name:token`.")
        if len(tokens) > _MAX_TOKENS:
            raise ConfigError(f"There are {len(tokens)} tokens, and {_MAX_TOKENS} is the most.")
        if len(set(self._digests.values())) < len(tokens):
            raise ConfigError("Two names have the same token; give each a token of its own.")

    def __repr__(self) -> str:
        return f"Tokens({', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the clients."""
        return tuple(self._digests)

    def caller(self, authorization: str | None) -> str | None:
        """Name the client that a request is from, or None where it is from nobody known.

        It takes as long for a wrong token as for a right one: all are compared, each in a time
        that does not depend on how much of it is right.

        Args:
            authorization: the header or the metadata of that name, "Bearer TOKEN".
        """
        if authorization is None or len(authorization) > _MAX_HEADER_CHARACTERS:
            return None
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        presented = _digest(token.strip())
        found = None
        for name, digest in self._digests.items():
            if hmac.compare_digest(digest, presented):
                found = name
        return found


def load_tokens(auth: AuthConfig, environment: Mapping[str, str]) -> Tokens | None:
    """Read the tokens that a configuration names.

    Args:
        auth: where they are; file and variable may both be given.
        environment: where the variable is looked up, such as `os.environ`.

    Returns:
        None where the configuration names neither, so that everyone is let in.

    Raises:
        ConfigError: the file cannot be read, the variable is not set, a line cannot be
            understood, or `auth.limits` has a name that has no token.
    """
    pairs: list[tuple[str, str]] = []
    if auth.token_file is not None:
        pairs += _from_file(auth.token_file)
    if auth.token_variable is not None:
        pairs += _from_variable(auth.token_variable, environment)
    if not auth.required:
        return None
    tokens = Tokens(_by_name(pairs))
    strangers = sorted(set(auth.limits) - set(tokens.names))
    if strangers:
        raise ConfigError(
            f"auth.limits is for {strangers[0]!r}, which has no token; there are: "
            f"{', '.join(tokens.names)}."
        )
    return tokens


def parse_tokens(lines: Iterable[str], source: str) -> Iterator[tuple[str, str]]:
    """Read names and tokens, one pair of `name:token` or `name = token` a line.

    Empty lines, and those that begin with #, are passed over.

    Args:
        lines: the lines.
        source: where they are from, for the errors, which never repeat what a line says.

    Raises:
        ConfigError: a line cannot be understood, or a token is too short or has other characters.
    """
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        where = f"Entry {number} of {source}"
        if found is None:
            raise ConfigError(
                f"{where} is not `name:token`, where the name is of small letters, digits, - and _."
            )
        name, token = found.groups()
        if not _TOKEN.fullmatch(token):
            raise ConfigError(
                f"{where}: the token of {name!r} has characters that a header cannot carry; "
                f"{_MAKE_ONE}."
            )
        if len(token) < MIN_TOKEN_CHARACTERS:
            raise ConfigError(
                f"{where}: the token of {name!r} has fewer than {MIN_TOKEN_CHARACTERS} "
                f"characters; {_MAKE_ONE}."
            )
        yield name, token


def _from_file(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = read_secret(path, "token file").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"The token file {path} is not a text; is it the right one?") from None
    return parse_tokens(text.splitlines(), f"the token file {path}")


def _from_variable(variable: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    value = environment.get(variable)
    if value is None:
        raise ConfigError(
            f"The environment variable {variable}, which is to hold the tokens, is not set; set "
            "it to name:token."
        )
    return parse_tokens(re.split(r"[,\n]", value), f"the environment variable {variable}")


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    tokens: dict[str, str] = {}
    for name, token in pairs:
        if name in tokens:
            raise ConfigError(f"The name {name!r} has two tokens; give the second another name.")
        tokens[name] = token
    return tokens


def _digest(token: str) -> bytes:
    """Make all tokens equally long, and unreadable; a header may hold any characters."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
