"""The generated classes of both protos: `lipsync.BatchRequest`, `v1.RenderRequest` and so on."""

from viseme.errors import MissingExtraError

try:
    from viseme.wire.generated import lipsync_pb2 as lipsync
    from viseme.wire.generated.viseme.v1 import viseme_pb2 as v1
except ModuleNotFoundError as error:
    raise MissingExtraError(
        f"{error.name} is not installed; install it with `pip install viseme[serve]`."
    ) from error

__all__ = ["lipsync", "v1"]
