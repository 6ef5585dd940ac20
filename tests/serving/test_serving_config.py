"""One configuration out of three sources, and a sentence for everything that is wrong in them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from viseme.errors import ConfigError
from viseme.serving.config import PREFIX, Address, ServerConfig, load_config, print_config
from viseme.serving.config.keys import dotted, keys
from viseme.serving.config.model import (
    AuthConfig,
    CorsConfig,
    EngineConfig,
    LimitsConfig,
    ListenConfig,
    LogConfig,
    SpeechConfig,
    TlsConfig,
    TokenLimits,
    TraceConfig,
)

SECRET = "s3cr3t-t0ken-of-somebody"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "viseme.toml"


def fault(**sources: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        load_config(**sources)
    return str(raised.value)


def fault_in(file: Path, text: str) -> str:
    file.write_text(text, "utf-8")
    return fault(file=file).replace(str(file), "FILE")


def test_without_sources_it_listens_on_loopback_alone() -> None:
    config = load_config()
    assert {door: str(address) for door, address in config.listen.addresses.items()} == {
        "grpc": "127.0.0.1:50051",
        "composite": "127.0.0.1:50052",
        "http": "127.0.0.1:8080",
    }
    assert config.served_avatars == ("demo",)
    assert not config.auth.required
    assert config.cautions() == ()


def test_each_source_overrides_the_one_before_key_by_key(file: Path) -> None:
    file.write_text("[limits]\nrequests = 1\nframes = 2\nstreams = 3\n")
    config = load_config(
        file=file,
        environment={f"{PREFIX}LIMITS__FRAMES": "20", f"{PREFIX}LIMITS__STREAMS": "30"},
        overrides={"limits.streams": 300, "limits.clips": None},
    )
    limits = config.limits
    assert (limits.requests, limits.frames, limits.streams) == (1, 20, 300)
    assert limits.clips == LimitsConfig().clips


def test_variables_of_others_are_passed_over() -> None:
    environment = {"VISEME_AVATARS": "/a", "viseme_serve_limits": "1", "PATH": "/bin"}
    assert load_config(environment=environment) == ServerConfig()


def test_texts_of_the_environment_become_what_the_key_is() -> None:
    config = load_config(
        environment={
            f"{PREFIX}AVATARS": "demo, anna",
            f"{PREFIX}LISTEN__GRPC": "[::]:0",
            f"{PREFIX}LIMITS__CLIP_S": "12.5",
            f"{PREFIX}LIMITS__MESSAGE_BYTES": "64MiB",
            f"{PREFIX}ENGINE__WORKERS": "2",
            f"{PREFIX}AUTH__TOKEN_VARIABLE": "TOKENS",
            f"{PREFIX}AUTH__LIMITS": '{"anna": {"streams": 2}}',
            f"{PREFIX}CORS__ORIGINS": "https://a.example,https://b.example:8443",
        }
    )
    assert config.avatars == ("demo", "anna")
    assert config.listen.grpc == Address("::", 0)
    assert config.limits.clip_s == 12.5
    assert config.limits.message_bytes == 64 * 2**20
    assert config.engine.workers == 2
    assert config.auth.limits["anna"].given() == {"streams": 2}
    assert config.cors.origins == ("https://a.example", "https://b.example:8443")


def test_an_empty_text_unsets_what_a_file_sets(file: Path) -> None:
    file.write_text('avatars = ["anna"]\n[engine]\nthreads = 4\n[tracing]\nendpoint = "http://a"\n')
    names = ("AVATARS", "ENGINE__THREADS", "TRACING__ENDPOINT", "AUTH__LIMITS")
    config = load_config(file=file, environment={PREFIX + name: "" for name in names})
    assert config == ServerConfig()


def test_paths_in_a_file_count_from_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    file = folder / "viseme.toml"
    file.write_text(
        'model = "nets/a.onnx"\navatars = ["demo", "./anna", "/srv/bert"]\n'
        '[tls]\ncertificate = "server.pem"\nkey = "~/server.key"\n'
    )
    config = load_config(file=file)
    assert config.model == folder / "nets/a.onnx"
    assert config.avatars == ("demo", str(folder / "anna"), "/srv/bert")
    assert config.tls.certificate == folder / "server.pem"
    assert config.tls.key == Path("~/server.key").expanduser()


def test_other_paths_count_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(
        environment={f"{PREFIX}MODEL": "a.onnx"}, overrides={"auth.token_file": "tokens"}
    )
    assert config.model == tmp_path / "a.onnx"
    assert config.auth.token_file == tmp_path / "tokens"
    assert config.served_avatars == ()


def test_no_file_is_read_that_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "viseme.toml").write_text("this is not TOML")
    monkeypatch.chdir(tmp_path)
    assert load_config() == ServerConfig()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[limits]\nstreams = -1",
            "limits.streams in FILE is -1; it must be at least 1.",
        ),
        ("[limits]\nstreams = true", "limits.streams in FILE is True; it must be a whole number."),
        ("[limits]\nstreams = 1.5", "limits.streams in FILE is 1.5; it must be a whole number."),
        ('[limits]\nstreams = "x"', "limits.streams in FILE is 'x'; it must be a whole number."),
        ("[limits]\nstreams = []", "limits.streams in FILE is []; it must be a whole number."),
        ("[limits]\nclip_s = false", "limits.clip_s in FILE is False; it must be a number."),
        ("[limits]\nclip_s = inf", "limits.clip_s in FILE is inf; it must be at most 86400."),
        (
            '[limits]\nrequest_bytes = "1 pound"',
            "limits.request_bytes in FILE is '1 pound'; it must be a number of bytes, such as "
            "268435456 or 256MiB.",
        ),
        (
            "[limits]\nstream = 1",
            "limits.stream in FILE is unknown; did you mean limits.streams?",
        ),
        ("threads = 1", "threads in FILE is unknown; did you mean engine.threads?"),
        (
            "[colours]\nred = 1",
            "colours in FILE is unknown; `viseme serve --print-config` shows the keys.",
        ),
        ("limits = 3", "limits in FILE is a section; set the keys in it instead."),
        ('avatars = "demo"', "avatars in FILE is 'demo'; it must be a list."),
        ("avatars = [1]", "avatars.0 in FILE is 1; it must be a text."),
        (
            'avatars = ["demo", "demo"]',
            "avatars in FILE is ['demo', 'demo']; it must be a list that has nothing twice.",
        ),
        ("model = 3", "model in FILE is 3; it must be the path of a file."),
        ('model = "a\\u0000b"', "it must be the path of a file."),
        (
            '[engine]\nbackend = "abacus"',
            "engine.backend in FILE is 'abacus'; it must be one of auto, onnxruntime,",
        ),
        (
            '[speech]\nvoice = "-x"',
            "speech.voice in FILE is '-x'; it must be the name of a voice, such as slt, en-us or "
            "en_US-amy-medium.",
        ),
        (
            '[speech]\nmodels = [""]',
            "speech.models.0 in FILE is ''; it must be the path of a file.",
        ),
        (
            '[logging]\nlevel = "loud"',
            "logging.level in FILE is 'loud'; it must be 'debug', 'info', 'warning' or 'error'.",
        ),
        (
            '[cors]\norigins = ["https://a.example/page"]',
            "cors.origins.0 in FILE is 'https://a.example/page'; it must be an origin such as",
        ),
        (
            "[auth.limits.anna]\nframe = 1",
            "auth.limits.anna.frame in FILE is unknown;",
        ),
        (
            '[auth]\ntoken_variable = "A"\n[auth.limits]\n"An na" = {}',
            "auth.limits.An na in FILE is 'An na'; it must be a name of small letters, digits,",
        ),
        (
            '[listen]\nhttp = "127.0.0.1:50051"',
            "In the configuration's listen (given: listen.http in FILE), two doors have the same "
            "address; give each its own.",
        ),
        (
            '[tls]\nclient_ca = "ca.pem"',
            "client_ca needs the server's own certificate and key as well.",
        ),
        ("[limits]\nrequest_bytes = 1", "request_bytes is less than message_bytes,"),
        ("[auth.limits.anna]\nframes = 1", "neither token_file nor token_variable is set."),
        (
            "[limits]\nstreams = 0x" + "f" * 9000,
            "limits.streams in FILE is a number of too many digits; it must be at most 1000000.",
        ),
        ("[limits]\nstreams = " + "9" * 9000, "The configuration FILE is not TOML: "),
        ("[limits", "The configuration FILE is not TOML: "),
        ("a = " + "[" * 5000, "The configuration FILE is not TOML: "),
    ],
)
@pytest.mark.usefixtures("no_garbage")
def test_a_fault_in_the_file_is_named(file: Path, text: str, sentence: str) -> None:
    assert sentence in fault_in(file, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert fault(file=missing) == (
        f"The configuration {missing} cannot be read: No such file or directory; check the path "
        "and the file's rights."
    )
    assert "cannot be read: Is a directory" in fault(file=tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"# \xe9")
    assert fault(file=latin) == f"The configuration {latin} is not UTF-8; save it so."
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (2**20 + 1))
    assert "is larger than 1048576 bytes" in fault(file=large)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("LIMITS__STREAM", "1", "is unknown; did you mean limits.streams?"),
        ("LIMITS_STREAMS", "1", "is unknown; did you mean limits.streams?"),
        ("limits__streams", "1", "is unknown; did you mean limits.streams?"),
        ("", "1", "is unknown; `viseme serve --print-config` shows the keys."),
        ("LIMITS", "1", "is a section; set the keys in it instead."),
        ("LIMITS__STREAMS", "many", "is 'many'; it must be a whole number."),
        ("LIMITS__CLIPS", "", "is ''; it must be a whole number."),
        ("LIMITS__STREAMS", "9" * 5000, "…; it must be"),
        ("AUTH__LIMITS", "anna", 'is not JSON; write a table such as {"name": {"requests": 4}}.'),
        ("AUTH__LIMITS", "[]", "is []; it must be a table of keys."),
        ("AUTH__LIMITS", '{"anna": {"frames": 0}}', "is 0; it must be at least 1."),
    ],
)
def test_a_fault_in_the_environment_is_named(name: str, value: str, sentence: str) -> None:
    said = fault(environment={PREFIX + name: value})
    assert said.startswith(f"The environment variable {PREFIX + name} ")
    assert sentence in said


def test_a_fault_on_the_command_line_is_named() -> None:
    assert fault(overrides={"limits.streams": 0}) == (
        "limits.streams on the command line is 0; it must be at least 1."
    )
    assert fault(overrides={"limits.streems": 0}) == (
        "limits.streems on the command line is unknown; did you mean limits.streams?"
    )


def test_keys_that_do_not_go_together_name_all_who_gave_them(file: Path) -> None:
    file.write_text('[listen]\ngrpc = "127.0.0.1:7000"\n')
    said = fault(
        file=file,
        environment={f"{PREFIX}LISTEN__HTTP": "127.0.0.1:7000"},
        overrides={"limits.streams": 2},
    )
    assert said == (
        f"In the configuration's listen (given: listen.grpc in {file}, the environment variable "
        f"{PREFIX}LISTEN__HTTP), two doors have the same address; give each its own."
    )


@pytest.mark.parametrize(
    "address",
    [
        *("", "8080", ":8080", "localhost", "localhost:", "a b:1", "::1:80", "[::1]"),
        *("[127.0.0.1]:1", "h:65536", "h:-1", "h:١", "http://h:1", "[::1:80", "-h:1"),
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    said = fault(overrides={"listen.http": address})
    assert "it must be an address such as 127.0.0.1:8080 or [::1]:8080." in said


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:0", True),
        ("127.8.9.1:80", True),
        ("[::1]:80", True),
        ("localhost:80", True),
        ("0.0.0.0:80", False),
        ("[::]:80", False),
        ("viseme.example.org:80", False),
    ],
)
def test_an_address_knows_who_can_reach_it(address: str, loopback: bool) -> None:
    read = load_config(overrides={"listen.http": address}).listen.http
    assert str(read) == address
    assert read.loopback == loopback


def test_free_ports_may_be_asked_for_by_all_doors() -> None:
    doors = ("grpc", "composite", "http")
    config = load_config(overrides={f"listen.{door}": "127.0.0.1:0" for door in doors})
    assert {address.port for address in config.listen.addresses.values()} == {0}


def test_it_cautions_of_doors_that_stand_open() -> None:
    open_door = {"listen.http": "0.0.0.0:80"}
    assert load_config(overrides=open_door).cautions() == (
        "Other machines can reach http (0.0.0.0:80) without a token; set auth.token_file.",
        "What other machines send to http (0.0.0.0:80) is not encrypted; set tls.certificate and "
        "tls.key, or put a proxy with TLS in front.",
    )
    guarded = {
        "auth.token_file": "tokens",
        "tls.certificate": "server.pem",
        "tls.key": "server.key",
    }
    assert load_config(overrides={**open_door, **guarded}).cautions() == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("auth.token_variable", SECRET),
        ("auth.token", SECRET),
        ("tls.key", f"-----BEGIN PRIVATE KEY-----{SECRET}"),
        ("tracing.endpoint", f"https://me:{SECRET}@example.org"),
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(file: Path, key: str, value: str) -> None:
    section, name = key.split(".")
    for said in (
        fault(overrides={key: value}),
        fault(environment={PREFIX + key.upper().replace(".", "__"): value}),
        fault_in(file, f'[{section}]\n{name} = "{value}"'),
    ):
        assert SECRET not in said
        assert name in said.lower()


def test_a_configuration_does_not_change() -> None:
    config = ServerConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.limits.streams = 3


# What may stand in a path or a name, quotes, line feeds and letters of all alphabets included.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
paths = texts.map(lambda text: Path("/", text.replace("/", "_")))
optional_paths = st.none() | paths
counts = st.integers(1, 1_000_000)
sizes = st.integers(1, 2**28)
names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,10}", fullmatch=True)
seconds = st.floats(1e-6, 86_400)
shares = st.floats(1e-6, 1)
token_limits = st.builds(TokenLimits, **dict.fromkeys(TokenLimits.model_fields, st.none() | counts))
tls = st.builds(TlsConfig, certificate=paths, key=paths, client_ca=optional_paths)
configs = st.builds(
    ServerConfig,
    model=optional_paths,
    avatars=st.lists(names | paths.map(str), unique=True, max_size=3).map(tuple),
    listen=st.builds(
        ListenConfig,
        grpc=st.builds(Address, st.just("::1"), st.integers(0, 65_535)),
        http=st.builds(Address, st.just("h.example"), st.integers(0, 65_535)),
    ),
    engine=st.builds(
        EngineConfig,
        backend=st.sampled_from(["auto", "openvino"]),
        threads=st.none() | counts,
        avatar_memory_bytes=sizes,
        avatar_disk_bytes=st.just(0) | sizes,
        feature_disk_bytes=st.just(0) | sizes,
        batch_wait_s=st.floats(0, 1),
    ),
    limits=st.builds(
        LimitsConfig,
        streams=st.none() | counts,
        message_bytes=sizes,
        clip_s=seconds,
        caller_share=shares,
    ),
    speech=st.builds(
        SpeechConfig,
        synthesizer=st.sampled_from(["auto", "none", "espeak-ng"]),
        voice=st.none() | st.sampled_from(["slt", "en-us+f2", "en_US-amy"]),
        models=st.sampled_from([(), (Path("/a/amy.onnx"), Path("/b c/ben.onnx"))]),
        text_characters=counts,
        timeout_s=seconds,
    ),
    tls=st.just(TlsConfig()) | tls,
    auth=st.builds(
        AuthConfig,
        token_file=paths,
        token_variable=st.none() | st.just("TOKENS"),
        limits=st.dictionaries(names, token_limits, max_size=3),
    ),
    cors=st.builds(CorsConfig, origins=st.sampled_from([(), ("*",), ("https://a.example",)])),
    logging=st.builds(LogConfig),
    tracing=st.builds(TraceConfig, endpoint=st.none() | st.just("http://[::1]:4317"), ratio=shares),
)


# Whatever TOML has, in the place of any key.
values = st.recursive(
    st.booleans() | st.integers() | st.floats() | texts | st.datetimes() | st.just(""),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)


@given(path=st.sampled_from([path for path, _ in keys()]), value=values | names, text=st.text())
def test_any_value_is_taken_or_refused_in_a_sentence(
    path: tuple[str, ...], value: object, text: str
) -> None:
    variable = PREFIX + "__".join(path).upper()
    for sources in ({"overrides": {dotted(path): value}}, {"environment": {variable: text}}):
        said = outcome(sources)
        assert "\n" not in said
        assert said == "" or path[0] in said.lower()


def outcome(sources: dict[str, Any]) -> str:
    """Say what is wrong with sources; nothing if they make what can be printed and read."""
    try:
        config = load_config(**sources)
    except ConfigError as error:
        return str(error)
    assert tomllib.loads(print_config(config))
    return ""


@given(config=configs)
def test_what_is_printed_reads_back_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, config: ServerConfig
) -> None:
    file = tmp_path_factory.getbasetemp() / "printed.toml"
    file.write_text(print_config(config), "utf-8", newline="")
    assert load_config(file=file) == config


def test_every_key_is_printed_with_its_meaning() -> None:
    lines = print_config(ServerConfig()).splitlines()
    tables = tomllib.loads(print_config(ServerConfig()))
    for path, field in keys():
        assert field.description, f"{dotted(path)} lacks a description"
        table = tables if len(path) == 1 else tables[path[0]]
        assert path[-1] in table or f"# {path[-1]} is not set" in lines
