"""Options that cannot work are refused where they are written, files where they are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from viseme.client import Client, ClientOptions
from viseme.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"address": "localhost"}, "address is 'localhost'; it must be host:port"),
        ({"address": ":50051"}, "address is ':50051'; it must be host:port"),
        ({"address": "localhost:0"}, "address is 'localhost:0'; it must be host:port"),
        ({"address": "localhost:99999"}, "address is 'localhost:99999'; it must be host:port"),
        ({"timeout_s": 0}, "timeout_s is 0; it must be a number over 0"),
        ({"timeout_s": float("inf")}, "timeout_s is inf; it must be a number over 0"),
        ({"retries": -1}, "retries is -1; it must be 0 or more"),
        ({"message_bytes": 0}, "message_bytes is 0; it must be 1 or more"),
        ({"key": "a.key"}, "certificate and key go together; give both or neither"),
        ({"token": "two\nlines"}, "the token has characters that no header can carry"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        ClientOptions(**given)


def test_a_token_is_never_shown() -> None:
    assert "s3cret" not in repr(ClientOptions(token="s3cret"))


def test_nothing_is_encrypted_unless_asked_for() -> None:
    assert ClientOptions().credentials() is None
    assert ClientOptions(tls=True).credentials() is not None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    expected = (
        f"The CA file {path} cannot be read: No such file or directory; check the path and the "
        "file's rights."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        Client(ClientOptions(ca=path))


def test_a_file_that_is_no_certificate(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"\0" * 2000)
    expected = (
        f"The CA file {path} has nothing in PEM form; it should have a line such as "
        "-----BEGIN CERTIFICATE-----."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        Client(ClientOptions(ca=path))
