"""Where a server is, how to be let in, and how long to wait: everything but the calls."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc

from viseme.client.attempts import Attempts
from viseme.errors import ConfigError

__all__ = ["ClientOptions"]

_PEM_BYTES_MAX: Final = 2**20


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How to reach a server. The defaults suit one on this machine."""

    address: str = "127.0.0.1:50051"
    """host:port of its gRPC door."""
    token: str | None = field(default=None, repr=False)
    """Sent as `authorization: Bearer …` with every call; None where the server asks for none."""
    tls: bool = False
    """Whether to encrypt; the files below imply it."""
    ca: str | Path | None = None
    """PEM file of the authorities that may have certified the server; None for the usual ones."""
    certificate: str | Path | None = None
    """PEM file of this client's certificate, for servers that ask for one."""
    key: str | Path | None = None
    """PEM file of the certificate's key."""
    timeout_s: float = 60.0
    """How long a call may take, retries and pauses between them included; each call may say
    otherwise. A clip and a live stream are bounded only where their own call says so."""
    retries: int = 3
    """How often a call is tried again that changes nothing on the server and was refused or lost
    its connection."""
    message_bytes: int = 200 * 2**20
    """The largest message that is sent or taken, as in the contract."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense, where it is written."""
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise ValueError(f"address is {self.address!r}; it must be host:port")
        if not (math.isfinite(self.timeout_s) and self.timeout_s > 0):
            raise ValueError(f"timeout_s is {self.timeout_s}; it must be a number over 0")
        if self.retries < 0:
            raise ValueError(f"retries is {self.retries}; it must be 0 or more")
        if self.message_bytes < 1:
            raise ValueError(f"message_bytes is {self.message_bytes}; it must be 1 or more")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together; give both or neither")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ValueError("the token has characters that no header can carry")

    @classmethod
    def of(cls, options: ClientOptions | str | None) -> ClientOptions:
        """Take options as they are, an address, or nothing for the defaults."""
        if isinstance(options, str):
            return cls(options)
        return options or cls()

    def attempts(self, timeout_s: float | None) -> Attempts:
        """Give the attempts of one call that may be repeated; in so long, or as said here."""
        return Attempts(self.timeout_s if timeout_s is None else timeout_s, self.retries)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Give what is sent beside every call."""
        if self.token is None:
            return ()
        return (("authorization", f"Bearer {self.token}"),)

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Read the certificates; None where nothing is encrypted.

        Raises:
            ConfigError: a file cannot be read, or has nothing in PEM form.
        """
        if not self.tls and self.ca is None and self.certificate is None:
            return None
        return grpc.ssl_channel_credentials(
            root_certificates=_read_pem(self.ca, "CA file"),
            private_key=_read_pem(self.key, "key file"),
            certificate_chain=_read_pem(self.certificate, "certificate file"),
        )

    def channel_arguments(self) -> list[tuple[str, int]]:
        """Give the arguments of a channel, in either flavour of gRPC."""
        return [
            ("grpc.max_send_message_length", self.message_bytes),
            ("grpc.max_receive_message_length", self.message_bytes),
            # Trying again is decided here, where it is known which calls are safe.
            ("grpc.enable_retries", 0),
            # gRPC would not even try to connect for a second after a failure, so that a retry
            # within it could not but fail.
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 2000),
            # Clients of one process have a connection each, and not one for all of them.
            ("grpc.use_local_subchannel_pool", 1),
        ]


def _read_pem(path: str | Path | None, what: str) -> bytes | None:
    if path is None:
        return None
    try:
        with Path(path).open("rb") as file:
            data = file.read(_PEM_BYTES_MAX)
    except (OSError, ValueError) as error:
        fault = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(
            f"The {what} {path} cannot be read: {fault}; check the path and the file's rights."
        ) from error
    if b"-----BEGIN " not in data:
        raise ConfigError(
            f"The {what} {path} has nothing in PEM form; it should have a line such as "
            "-----BEGIN CERTIFICATE-----."
        )
    return data
