"""The one model of a server's configuration; the descriptions are what `--print-config` prints.

No secret is part of it: tokens and keys are in files or variables that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from viseme.avatar.kept_frames import DEFAULT_DISK_BYTES
from viseme.engine import BACKEND_NAMES
from viseme.engine.features import DEFAULT_FEATURE_BYTES
from viseme.serving.config.values import (
    Address,
    Allowance,
    AvatarNames,
    Count,
    Endpoint,
    ListenAddress,
    OptionalCount,
    OptionalSize,
    Origin,
    Place,
    Places,
    Seconds,
    Share,
    Size,
    VariableName,
    VoiceName,
    Wait,
)

__all__ = [
    "AuthConfig",
    "CorsConfig",
    "EngineConfig",
    "LimitsConfig",
    "ListenConfig",
    "LogConfig",
    "ServerConfig",
    "SpeechConfig",
    "TlsConfig",
    "TokenLimits",
    "TraceConfig",
]

_DEMO = "demo"


def _back_end(value: str) -> str:
    if value not in BACKEND_NAMES:
        raise ValueError("one of " + ", ".join(BACKEND_NAMES))
    return value


BackendName = Annotated[str, AfterValidator(_back_end)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class _Section(BaseModel):
    """Keys that belong together. A validator of several keys raises a whole clause."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class ListenConfig(_Section):
    """Where the doors listen: host:port, on loopback unless changed; port 0 takes a free one."""

    grpc: ListenAddress = Field(
        default=Address("127.0.0.1", 50051), description="gRPC, with all of its services."
    )
    composite: ListenAddress = Field(
        default=Address("127.0.0.1", 50052), description="gRPC for clients of LipSyncComposite."
    )
    http: ListenAddress = Field(default=Address("127.0.0.1", 8080), description="HTTP.")

    @model_validator(mode="after")
    def _differ(self) -> Self:
        taken = [address for address in self.addresses.values() if address.port]
        if len(set(taken)) != len(taken):
            raise ValueError("two doors have the same address; give each its own")
        return self

    @property
    def addresses(self) -> dict[str, Address]:
        """Each door's address by its name."""
        return {"grpc": self.grpc, "composite": self.composite, "http": self.http}


class EngineConfig(_Section):
    """What runs the networks."""

    backend: BackendName = Field(
        default="auto", description="One of " + ", ".join(BACKEND_NAMES) + "."
    )
    threads: OptionalCount = Field(
        default=None, description="CPU cores for one frame; fitted to the machine when not set."
    )
    workers: OptionalCount = Field(
        default=None, description="Frames at work at once; fitted to the machine when not set."
    )
    batch_wait_s: Wait = Field(
        default=0.002,
        description="How long a frame is held for others to run with it, in seconds, where "
        "running several at once is faster.",
    )
    avatar_memory_bytes: Size = Field(
        default=256 * 2**20,
        description="Memory for the decoded frames of each avatar; 256MiB is written so.",
    )
    avatar_disk_bytes: Allowance = Field(
        default=DEFAULT_DISK_BYTES,
        description="Disk, in the user's cache, for the same of each avatar that is a video, so "
        "that it is decoded once; 0 keeps nothing.",
    )
    feature_disk_bytes: Allowance = Field(
        default=DEFAULT_FEATURE_BYTES,
        description="Disk, in the user's cache, for what a network makes of faces before any "
        "sound, so that it need not be made again: of its avatars' first, then of those that "
        "clients send more than once. On a GPU as much of its memory. 0 keeps nothing.",
    )


class LimitsConfig(_Section):
    """What the server takes on. Over a limit a request is refused at once, not kept waiting."""

    requests: Count = Field(
        default=64, description="Calls at once, of any kind; each holds a thread."
    )
    frames: Count = Field(
        default=512, description="Frames that wait or are at work, of all clients."
    )
    request_bytes: Size = Field(
        default=2**30,
        description="Bytes of all requests that have come and are not answered, together. Messages "
        "of gRPC that are still on their way are not among them; each of requests may be one, of "
        "message_bytes. What all of it can come to is told when the server is ready.",
    )
    streams: OptionalCount = Field(
        default=None,
        description="Live streams at once; as many as the machine has time for when not set.",
    )
    clips: Count = Field(default=8, description="Clips rendered at once.")
    caller_share: Share = Field(
        default=0.5,
        description="What part of each of the above one token may take; auth.limits says "
        "otherwise for single ones.",
    )
    message_bytes: Size = Field(
        default=200 * 2**20, description="Bytes of one message or request body."
    )
    clip_s: Seconds = Field(default=600, description="Length of the sound of one clip, in seconds.")
    stall_s: Seconds = Field(
        default=30,
        description="How long a client may stop reading before it is dropped, in seconds.",
    )
    connection_idle_s: Seconds = Field(
        default=300,
        description="How long a gRPC connection without a call is kept, in seconds; clients "
        "connect anew with their next one.",
    )
    grace_s: Seconds = Field(
        default=30,
        description="How long running work may take to finish once the server ends, in seconds.",
    )

    @model_validator(mode="after")
    def _one_message_fits(self) -> Self:
        if self.request_bytes < self.message_bytes:
            raise ValueError(
                "request_bytes is less than message_bytes, so the largest message would never be "
                "taken; raise the one or lower the other"
            )
        return self


class SpeechConfig(_Section):
    """What says the texts that clients of live streams send."""

    synthesizer: Name = Field(
        default="auto",
        description="piper, espeak-ng, flite, the name of one that a package adds, or none; auto "
        "takes the first of these three that is installed, piper only with models.",
    )
    voice: VoiceName = Field(
        default=None,
        description="The voice where a client asks for none; the synthesizer's first when not set.",
    )
    models: Places = Field(
        default=(), description="Piper's voices: .onnx files, each with its .onnx.json beside it."
    )
    text_characters: Count = Field(default=1000, description="Length of one text.")
    sound_s: Seconds = Field(
        default=180, description="Length of the sound of one text, in seconds."
    )
    timeout_s: Seconds = Field(
        default=20,
        description="How long a synthesizer may give no sound before it is ended, in seconds.",
    )


class TlsConfig(_Section):
    """TLS on all doors: with a certificate and its key it is on."""

    certificate: Place = Field(
        default=None, description="PEM file of the server's certificate, followed by its chain."
    )
    key: Place = Field(
        default=None, description="PEM file of the certificate's key, without a password."
    )
    client_ca: Place = Field(
        default=None,
        description="PEM file of the authorities whose clients may connect; makes TLS mutual.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together; give both or neither")
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("client_ca needs the server's own certificate and key as well")
        return self


class TokenLimits(_Section):
    """Limits of one token, in place of its share of the general ones."""

    requests: OptionalCount = Field(default=None, description="Calls at once, of any kind.")
    frames: OptionalCount = Field(default=None, description="Frames that wait or are at work.")
    request_bytes: OptionalSize = Field(
        default=None, description="Bytes of requests under way together."
    )
    streams: OptionalCount = Field(default=None, description="Live streams at once.")
    clips: OptionalCount = Field(default=None, description="Clips rendered at once.")

    def given(self) -> dict[str, int]:
        """Give those that are set, by name."""
        return {name: int(value) for name, value in self if value is not None}


class AuthConfig(_Section):
    """Bearer tokens: once one is known, every call but those for health needs one."""

    token_file: Place = Field(
        default=None, description="File with a line `name:token` for each client."
    )
    token_variable: VariableName = Field(
        default=None,
        description="Name of an environment variable that holds `name:token`, separated by commas.",
    )
    limits: Mapping[Name, TokenLimits] = Field(
        default={},
        description='Limits of single tokens: { "name" = { requests = 4, streams = 1 } }.',
    )

    @model_validator(mode="after")
    def _limits_have_tokens(self) -> Self:
        if self.limits and not self.required:
            raise ValueError("limits name tokens, but neither token_file nor token_variable is set")
        return self

    @property
    def required(self) -> bool:
        """Whether callers need a token."""
        return self.token_file is not None or self.token_variable is not None


class CorsConfig(_Section):
    """Web pages of other origins that may call the HTTP door from a browser."""

    origins: tuple[Origin, ...] = Field(
        default=(), description="Such as https://example.org, or * for all; none when empty."
    )


class LogConfig(_Section):
    """What is told on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="One of debug, info, warning, error."
    )
    format: Literal["text", "json"] = Field(default="text", description="One of text, json.")


class TraceConfig(_Section):
    """OpenTelemetry traces; off without an endpoint."""

    endpoint: Endpoint = Field(
        default=None,
        description="Where traces go, by OTLP over gRPC, such as http://localhost:4317. "
        "What it needs to be let in is in OTEL_EXPORTER_OTLP_HEADERS.",
    )
    ratio: Share = Field(default=1.0, description="The share of requests that are traced.")


class ServerConfig(_Section):
    """A server's configuration."""

    default_avatars: ClassVar[tuple[str, ...]] = (_DEMO,)

    model: Place = Field(
        default=None,
        description="An ONNX file: the network for clients that bring faces of their own. That of "
        "the first avatar when not set.",
    )
    avatars: AvatarNames = Field(
        default=(),
        description="Names of avatars or paths of their folders; the built-in one when there is "
        "neither these nor a model.",
    )
    listen: ListenConfig = ListenConfig()
    engine: EngineConfig = EngineConfig()
    limits: LimitsConfig = LimitsConfig()
    speech: SpeechConfig = SpeechConfig()
    tls: TlsConfig = TlsConfig()
    auth: AuthConfig = AuthConfig()
    cors: CorsConfig = CorsConfig()
    logging: LogConfig = LogConfig()
    tracing: TraceConfig = TraceConfig()

    @property
    def served_avatars(self) -> tuple[str, ...]:
        """The avatars to open: those asked for, or the built-in one; none beside a bare network."""
        return self.avatars or (() if self.model is not None else self.default_avatars)

    def cautions(self) -> tuple[str, ...]:
        """Say, a sentence each, what stands open to other machines and perhaps should not."""
        open_doors = [
            f"{door} ({address})"
            for door, address in self.listen.addresses.items()
            if not address.loopback
        ]
        if not open_doors:
            return ()
        doors = ", ".join(open_doors)
        sentences = []
        if not self.auth.required and self.tls.client_ca is None:
            sentences.append(
                f"Other machines can reach {doors} without a token; set auth.token_file."
            )
        if self.tls.certificate is None:
            sentences.append(
                f"What other machines send to {doors} is not encrypted; set tls.certificate and "
                "tls.key, or put a proxy with TLS in front."
            )
        return tuple(sentences)
