"""What goes over the line: bytes of a message to arrays, and back. No server, no client, no gRPC.

`tensors` moves the large messages of `lipsync` without a copy. `messages` has the generated
classes for everything else, and `services` the calls; both need the extra `serve`.
"""

from viseme.wire.tensors import (
    BatchAnswer,
    BatchTensors,
    encode_batch_request,
    encode_batch_response,
    parse_batch_request,
    parse_batch_response,
)

__all__ = [
    "BatchAnswer",
    "BatchTensors",
    "encode_batch_request",
    "encode_batch_response",
    "parse_batch_request",
    "parse_batch_response",
]
