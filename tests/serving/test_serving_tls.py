"""Certificates and keys: real handshakes with good ones, a sentence about each kind of bad one."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from pathlib import Path

import pytest

from support.certificates import Authority, Pair
from viseme.errors import ConfigError, VisemeWarning
from viseme.serving.config import TlsConfig
from viseme.serving.tls import Tls, load_tls


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def load(pair: Pair, client_ca: Path | None = None) -> Tls:
    config = TlsConfig(certificate=pair.certificate, key=pair.key, client_ca=client_ca)
    tls = load_tls(config)
    assert tls is not None
    return tls


def fault(pair: Pair, client_ca: Path | None = None) -> str:
    with pytest.raises(ConfigError) as raised:
        load(pair, client_ca)
    return str(raised.value).replace(str(pair.certificate.parent) + os.sep, "")


def server_context(tls: Tls) -> ssl.SSLContext:
    """Do with the arguments what uvicorn does with them."""
    arguments = tls.for_uvicorn()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments["ssl_certfile"], arguments["ssl_keyfile"])
    if "ssl_ca_certs" in arguments:
        context.load_verify_locations(arguments["ssl_ca_certs"])
        context.verify_mode = arguments["ssl_cert_reqs"]
    return context


def exchange(tls: Tls, authority: Authority, client: Pair | None = None) -> bytes:
    """Say a word to a server over loopback; what comes back is the word, or nothing."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                with server_context(tls).wrap_socket(connection, server_side=True) as secure:
                    secure.sendall(secure.recv(16))
            except ssl.SSLError:
                pass

    server = threading.Thread(target=answer)
    server.start()
    context = ssl.create_default_context(cafile=authority.file)
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    try:
        with (
            socket.create_connection(listener.getsockname(), timeout=20) as connection,
            context.wrap_socket(connection, server_hostname="localhost") as secure,
        ):
            secure.sendall(b"word")
            return secure.recv(16)
    except (ssl.SSLError, ConnectionError):
        return b""
    finally:
        server.join()
        listener.close()


def test_without_a_certificate_tls_is_off() -> None:
    assert load_tls(TlsConfig()) is None


def test_a_client_that_trusts_the_authority_gets_through(authority: Authority) -> None:
    tls = load(authority.issue("server"))
    assert not tls.mutual
    assert exchange(tls, authority) == b"word"


def test_mutual_tls_lets_in_only_whom_the_authority_certified(
    authority: Authority, tmp_path: Path
) -> None:
    tls = load(authority.issue("server"), authority.file)
    assert tls.mutual
    assert exchange(tls, authority, authority.issue("client")) == b"word"
    assert exchange(tls, authority) == b""
    stranger = Authority(tmp_path, "stranger").issue("burglar")
    assert exchange(tls, authority, stranger) == b""


def test_grpc_takes_what_it_is_given(authority: Authority) -> None:
    grpc = pytest.importorskip("grpc")
    tls = load(authority.issue("server"), authority.file)
    server = grpc.server(None)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(**tls.for_grpc()))
    assert port > 0
    server.start()
    client = authority.issue("client")
    try:
        credentials = grpc.ssl_channel_credentials(
            authority.file.read_bytes(), client.key.read_bytes(), client.certificate.read_bytes()
        )
        with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
    finally:
        server.stop(None)


def test_no_key_is_shown(authority: Authority) -> None:
    tls = load(authority.issue("server"))
    assert "BEGIN" not in repr(tls)


def test_a_chain_and_text_around_it_are_fine(authority: Authority) -> None:
    pair = authority.issue("server")
    chain = "Der Schlüssel\n".encode() + pair.certificate.read_bytes() + authority.file.read_bytes()
    pair.certificate.write_bytes(chain)
    assert exchange(load(pair), authority) == b"word"


def test_a_missing_file_is_named(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("server")
    missing = tmp_path / "missing"
    end = "missing cannot be read: No such file or directory; check the path and the file's rights."
    assert fault(pair._replace(certificate=missing)) == f"The certificate file {end}"
    assert fault(pair._replace(key=missing)) == f"The key file {end}"
    assert fault(pair, missing) == f"The client CA file {end}"


def test_what_is_not_pem_is_named(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("server")
    binary = tmp_path / "binary"
    binary.touch(0o600)
    binary.write_bytes(bytes(range(256)))
    assert fault(pair._replace(certificate=binary)) == (
        "The certificate file binary holds no certificate in PEM form; it should have a line "
        "-----BEGIN CERTIFICATE-----."
    )
    assert fault(pair._replace(key=binary)) == (
        "The key file binary holds no key in PEM form; it should have a line such as "
        "-----BEGIN PRIVATE KEY-----."
    )
    assert "The client CA file binary holds no certificate" in fault(pair, binary)


def test_files_in_each_others_place_are_named(authority: Authority) -> None:
    pair = authority.issue("server")
    assert "server.key holds no certificate" in fault(pair._replace(certificate=pair.key))
    pair.certificate.chmod(0o600)
    assert "server.pem holds no key" in fault(pair._replace(key=pair.certificate))


@pytest.mark.parametrize("part", ["certificate", "key"])
def test_what_is_cut_off_is_named(authority: Authority, part: str) -> None:
    pair = authority.issue("server")
    path: Path = getattr(pair, part)
    text = path.read_text("ascii")
    path.write_text(text[: len(text) // 2] + text[text.index("-----END") :], "ascii")
    said = fault(pair)
    assert said.startswith("The certificate server.pem with the key server.key cannot be used (")
    assert said.endswith("; check that both are whole and in PEM form.")


def test_a_key_of_another_certificate_is_named(authority: Authority) -> None:
    pair = authority.issue("server")._replace(key=authority.issue("other").key)
    assert fault(pair) == (
        "The key other.key is not that of the certificate server.pem; give the two that were made "
        "together, the server's own certificate first in its file."
    )


def test_a_locked_key_is_named_and_nobody_is_asked(authority: Authority) -> None:
    assert fault(authority.issue("server", password=b"sesame")) == (
        "The key file server.key is locked with a password, and a server cannot be asked for one; "
        "store the key without it, readable by the server alone."
    )


def test_a_damaged_authority_is_named(authority: Authority, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pem"
    text = authority.file.read_text("ascii")
    damaged.write_text(text[:100] + text[text.index("-----END") :], "ascii")
    said = fault(authority.issue("server"), damaged)
    assert said.startswith("The client CA file damaged.pem cannot be used (")


def test_a_key_that_everyone_can_read_is_a_warning(authority: Authority) -> None:
    pair = authority.issue("server")
    pair.key.chmod(0o644)
    with pytest.warns(VisemeWarning, match="Every user of this machine can read the key file"):
        tls = load(pair)
    assert tls.for_uvicorn()["ssl_keyfile"] == str(pair.key)  # warned of, and used
