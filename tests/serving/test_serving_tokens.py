"""Who is let in, and that no token is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viseme.errors import ConfigError, VisemeWarning
from viseme.serving.config.model import AuthConfig, TokenLimits
from viseme.serving.tokens import Tokens, load_tokens

ANNA = "anna-0123456789abcdef"
BERT = "bert+/~.-_0123456789=="
TOKENS = Tokens({"anna": ANNA, "bert": BERT})


def token_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.touch(mode)
    path.chmod(mode)
    path.write_text(text, "utf-8")
    return path


def from_file(folder: Path, text: str) -> Tokens | None:
    return load_tokens(AuthConfig(token_file=token_file(folder, text)), {})


def fault(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        from_file(folder, text)
    return str(raised.value).replace(str(folder), "")


@pytest.mark.parametrize(
    ("header", "caller"),
    [
        (f"Bearer {ANNA}", "anna"),
        (f"bearer   {BERT} ", "bert"),
        (f"Bearer {ANNA}x", None),
        (f"Bearer {ANNA[:-1]}", None),
        (f"Bearer {ANNA} {BERT}", None),
        (f"Basic {ANNA}", None),
        (ANNA, None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer \udcff\x00ü", None),
        ("Bearer " + " " * 5000 + ANNA, None),
        ("", None),
        (None, None),
    ],
)
def test_a_caller_is_known_by_the_token_alone(header: str | None, caller: str | None) -> None:
    assert TOKENS.caller(header) == caller


@given(st.text())
def test_no_other_header_lets_anyone_in(header: str) -> None:
    assert TOKENS.caller(header) is None
    assert TOKENS.caller(f"Bearer {header}") is None


def test_no_token_is_shown() -> None:
    kept = repr(TOKENS) + str(TOKENS) + repr(vars(TOKENS))
    assert repr(TOKENS) == "Tokens(anna, bert)"
    assert ANNA not in kept
    assert BERT not in kept


def test_a_file_has_a_token_a_line(tmp_path: Path) -> None:
    text = f"\ufeff# ours\n\nanna:{ANNA}\r\n  bert = {BERT}  \n"
    tokens = from_file(tmp_path, text)
    assert tokens is not None
    assert tokens.names == ("anna", "bert")
    assert tokens.caller(f"Bearer {BERT}") == "bert"


def test_a_variable_has_tokens_between_commas() -> None:
    auth = AuthConfig(token_variable="TOKENS")
    tokens = load_tokens(auth, {"TOKENS": f"anna:{ANNA}, bert:{BERT}"})
    assert tokens is not None
    assert tokens.caller(f"Bearer {ANNA}") == "anna"
    assert tokens.caller(f"Bearer {BERT}") == "bert"


def test_file_and_variable_are_taken_together(tmp_path: Path) -> None:
    file = token_file(tmp_path, f"anna:{ANNA}")
    auth = AuthConfig(token_file=file, token_variable="TOKENS")
    tokens = load_tokens(auth, {"TOKENS": f"bert:{BERT}"})
    assert tokens is not None
    assert tokens.names == ("anna", "bert")
    with pytest.raises(ConfigError, match="'anna' has two tokens"):
        load_tokens(auth, {"TOKENS": f"anna:{BERT}"})


def test_without_tokens_configured_there_are_none() -> None:
    assert load_tokens(AuthConfig(), {"TOKENS": f"anna:{ANNA}"}) is None


def test_a_configured_source_without_tokens_lets_nobody_in_by_accident(tmp_path: Path) -> None:
    assert fault(tmp_path, "# nobody yet\n") == (
        "There is no token in what was given; write a line `name:token`."
    )
    with pytest.raises(ConfigError) as raised:
        load_tokens(AuthConfig(token_variable="TOKENS"), {})
    assert str(raised.value) == (
        "The environment variable TOKENS, which is to hold the tokens, is not set; set it to "
        "name:token."
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            ANNA,
            "Entry 1 of the token file /tokens is not `name:token`, where the name is of small "
            "letters, digits, - and _.",
        ),
        (f"#\nAnna:{ANNA}", "Entry 2 of the token file /tokens is not `name:token`"),
        (f"anna:{ANNA} {BERT}", "is not `name:token`"),
        (
            f"anna:{ANNA},",
            "Entry 1 of the token file /tokens: the token of 'anna' has characters that a header "
            "cannot carry; `openssl rand -hex 24` makes a good one.",
        ),
        ("anna:tooshort", "the token of 'anna' has fewer than 16 characters;"),
        (f"anna:{ANNA}\nanna:{BERT}", "The name 'anna' has two tokens;"),
        (f"anna:{ANNA}\nbert:{ANNA}", "Two names have the same token;"),
        (
            "\n".join(f"n{number}:{ANNA}{number}" for number in range(1001)),
            "There are 1001 tokens, and 1000 is the most.",
        ),
    ],
)
def test_a_fault_in_the_file_is_named_and_no_token_shown(
    tmp_path: Path, text: str, sentence: str
) -> None:
    said = fault(tmp_path, text)
    assert sentence in said
    assert not any(token in said for token in (ANNA, BERT, "tooshort"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(ConfigError) as raised:
        load_tokens(AuthConfig(token_file=missing), {})
    assert str(raised.value) == (
        f"The token file {missing} cannot be read: No such file or directory; check the path and "
        "the file's rights."
    )
    binary = token_file(tmp_path, "")
    binary.write_bytes(b"\x7fELF\xff")
    with pytest.raises(ConfigError, match="is not a text; is it the right one"):
        load_tokens(AuthConfig(token_file=binary), {})


def test_a_file_that_everyone_can_read_is_a_warning(tmp_path: Path) -> None:
    file = token_file(tmp_path, f"anna:{ANNA}", 0o644)
    with pytest.warns(VisemeWarning, match="Every user of this machine can read the token file"):
        tokens = load_tokens(AuthConfig(token_file=file), {})
    assert tokens is not None


def test_limits_are_for_names_that_have_a_token() -> None:
    auth = AuthConfig(token_variable="TOKENS", limits={"carl": TokenLimits(streams=1)})
    with pytest.raises(ConfigError) as raised:
        load_tokens(auth, {"TOKENS": f"anna:{ANNA}"})
    assert str(raised.value) == ("auth.limits is for 'carl', which has no token; there are: anna.")
