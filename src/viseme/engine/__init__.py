"""The network: what its file says of itself, what runs it, and running it exactly and fast."""

from viseme.engine.audio_encoder import AudioEncoder
from viseme.engine.backend import Backend, Tensor
from viseme.engine.backends import BACKEND_NAMES
from viseme.engine.choice import Candidate
from viseme.engine.fake_backend import FakeBackend
from viseme.engine.inferencer import Inferencer, WarmUp
from viseme.engine.model import EncoderInfo, ModelInfo, read_encoder, read_model

__all__ = [
    "BACKEND_NAMES",
    "AudioEncoder",
    "Backend",
    "Candidate",
    "EncoderInfo",
    "FakeBackend",
    "Inferencer",
    "ModelInfo",
    "Tensor",
    "WarmUp",
    "read_encoder",
    "read_model",
]
