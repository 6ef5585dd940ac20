"""What a server is to do: one typed model out of a file, the environment and the command line.

    config = load_config(file="viseme.toml", environment=os.environ, overrides={"model": None})
    print(print_config(config))

Each source overrides the one before, key by key. Nothing is read that is not named: no file of the
working folder or of the user's home is looked for.
"""

from viseme.serving.config.model import (
    AuthConfig,
    LimitsConfig,
    LogConfig,
    ServerConfig,
    TlsConfig,
)
from viseme.serving.config.sources import PREFIX, load_config
from viseme.serving.config.text import print_config
from viseme.serving.config.values import Address

__all__ = [
    "PREFIX",
    "Address",
    "AuthConfig",
    "LimitsConfig",
    "LogConfig",
    "ServerConfig",
    "TlsConfig",
    "load_config",
    "print_config",
]
