"""The network: what its file says of itself, what runs it, and running it exactly and fast."""

from viseme.engine.audio_encoder import AudioEncoder
from viseme.engine.backend import Backend, Tensor
from viseme.engine.backends import BACKEND_NAMES
from viseme.engine.batching_choice import Batching, measure_batching
from viseme.engine.choice import Candidate
from viseme.engine.fake_backend import FakeBackend
from viseme.engine.features import FeatureOptions
from viseme.engine.inferencer import Inferencer
from viseme.engine.model import EncoderInfo, ModelInfo, read_encoder, read_model
from viseme.engine.opening import WarmUp
from viseme.engine.predictor import Predictor
from viseme.engine.tensors import BY_CONTENT, Question

__all__ = [
    "BACKEND_NAMES",
    "BY_CONTENT",
    "AudioEncoder",
    "Backend",
    "Batching",
    "Candidate",
    "EncoderInfo",
    "FakeBackend",
    "FeatureOptions",
    "Inferencer",
    "ModelInfo",
    "Predictor",
    "Question",
    "Tensor",
    "WarmUp",
    "measure_batching",
    "read_encoder",
    "read_model",
]
