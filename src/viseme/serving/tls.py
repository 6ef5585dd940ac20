"""Certificates and keys: read and checked once, before any door opens.

gRPC and uvicorn would each complain in their own way, and late: gRPC only logs that a handshake
failed. Both are given what was checked here.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from viseme.errors import ConfigError
from viseme.serving.config import TlsConfig
from viseme.serving.files import read_bounded, read_secret

__all__ = ["Tls", "load_tls"]

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_KEY_END: Final = b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate, its key, and whom clients must be certified by; all of it checked."""

    certificate_path: Path
    key_path: Path
    client_ca_path: Path | None
    certificate: bytes = field(repr=False)
    """PEM: the server's certificate, followed by its chain."""
    key: bytes = field(repr=False)
    """PEM, without a password."""
    client_ca: bytes | None = field(repr=False)
    """PEM: the authorities of clients; None where clients need no certificate."""

    @property
    def mutual(self) -> bool:
        """Whether clients need a certificate."""
        return self.client_ca is not None

    def for_grpc(self) -> dict[str, Any]:
        """Give the arguments of `grpc.ssl_server_credentials`."""
        return {
            "private_key_certificate_chain_pairs": [(self.key, self.certificate)],
            "root_certificates": self.client_ca,
            "require_client_auth": self.mutual,
        }

    def for_uvicorn(self) -> dict[str, Any]:
        """Give the arguments of `uvicorn.Config`; it reads the files itself."""
        arguments: dict[str, Any] = {
            "ssl_certfile": str(self.certificate_path),
            "ssl_keyfile": str(self.key_path),
        }
        if self.client_ca_path is not None:
            arguments["ssl_ca_certs"] = str(self.client_ca_path)
            arguments["ssl_cert_reqs"] = ssl.CERT_REQUIRED
        return arguments


def load_tls(config: TlsConfig) -> Tls | None:
    """Read and check what a configuration names; None where TLS is off.

    A key that every user of the machine can read is a VisemeWarning.

    Raises:
        ConfigError: a file is missing, unreadable or not PEM, the key needs a password, or it
            is not that of the certificate.
    """
    if config.certificate is None or config.key is None:
        return None
    tls = Tls(
        config.certificate,
        config.key,
        config.client_ca,
        _certificates(config.certificate, "certificate"),
        _key(config.key),
        None if config.client_ca is None else _certificates(config.client_ca, "client CA"),
    )
    _check_pair(tls)
    if tls.client_ca_path is not None:
        _check_authorities(tls.client_ca_path)
    return tls


def _certificates(path: Path, what: str) -> bytes:
    data = read_bounded(path, f"{what} file")
    if _CERTIFICATE not in data:
        raise ConfigError(
            f"The {what} file {path} holds no certificate in PEM form; it should have a line "
            f"{_CERTIFICATE.decode()}."
        )
    return data


def _key(path: Path) -> bytes:
    data = read_secret(path, "key file")
    if _KEY_END not in data:
        raise ConfigError(
            f"The key file {path} holds no key in PEM form; it should have a line such as "
            "-----BEGIN PRIVATE KEY-----."
        )
    return data


def _check_pair(tls: Tls) -> None:
    """Load certificate and key together, as a server does."""
    asked = False

    def no_password() -> str:
        # Without this, OpenSSL would ask for one at the terminal.
        nonlocal asked
        asked = True
        return ""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate_path, tls.key_path, password=no_password)
    except OSError as error:  # SSLError is one
        raise ConfigError(_pair_fault(tls, error, needs_password=asked)) from error


def _pair_fault(tls: Tls, error: Exception, *, needs_password: bool) -> str:
    if needs_password:
        return (
            f"The key file {tls.key_path} is locked with a password, and a server cannot be asked "
            "for one; store the key without it, readable by the server alone."
        )
    reason = getattr(error, "reason", None) or type(error).__name__
    if reason == "KEY_VALUES_MISMATCH":
        return (
            f"The key {tls.key_path} is not that of the certificate {tls.certificate_path}; give "
            "the two that were made together, the server's own certificate first in its file."
        )
    return (
        f"The certificate {tls.certificate_path} with the key {tls.key_path} cannot be used "
        f"({reason}); check that both are whole and in PEM form."
    )


def _check_authorities(path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise ConfigError(
            f"The client CA file {path} cannot be used ({reason}); check that it is whole and in "
            "PEM form."
        ) from error
