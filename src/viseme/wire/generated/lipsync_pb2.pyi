from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class BatchRequest(_message.Message):
    __slots__ = ("visual_frames", "audio_features", "batch_size", "start_frame_idx")
    VISUAL_FRAMES_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FEATURES_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    START_FRAME_IDX_FIELD_NUMBER: _ClassVar[int]
    visual_frames: _containers.RepeatedScalarFieldContainer[float]
    audio_features: _containers.RepeatedScalarFieldContainer[float]
    batch_size: int
    start_frame_idx: int
    def __init__(self, visual_frames: _Optional[_Iterable[float]] = ..., audio_features: _Optional[_Iterable[float]] = ..., batch_size: _Optional[int] = ..., start_frame_idx: _Optional[int] = ...) -> None: ...

class BatchResponse(_message.Message):
    __slots__ = ("output_frames", "inference_time_ms", "success", "error")
    OUTPUT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    output_frames: _containers.RepeatedScalarFieldContainer[float]
    inference_time_ms: float
    success: bool
    error: str
    def __init__(self, output_frames: _Optional[_Iterable[float]] = ..., inference_time_ms: _Optional[float] = ..., success: _Optional[bool] = ..., error: _Optional[str] = ...) -> None: ...

class HealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HealthResponse(_message.Message):
    __slots__ = ("healthy", "model_path", "cuda_available")
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    CUDA_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    healthy: bool
    model_path: str
    cuda_available: bool
    def __init__(self, healthy: _Optional[bool] = ..., model_path: _Optional[str] = ..., cuda_available: _Optional[bool] = ...) -> None: ...

class CompositeBatchRequest(_message.Message):
    __slots__ = ("visual_frames", "audio_features", "batch_size", "start_frame_idx")
    VISUAL_FRAMES_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FEATURES_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    START_FRAME_IDX_FIELD_NUMBER: _ClassVar[int]
    visual_frames: _containers.RepeatedScalarFieldContainer[float]
    audio_features: _containers.RepeatedScalarFieldContainer[float]
    batch_size: int
    start_frame_idx: int
    def __init__(self, visual_frames: _Optional[_Iterable[float]] = ..., audio_features: _Optional[_Iterable[float]] = ..., batch_size: _Optional[int] = ..., start_frame_idx: _Optional[int] = ...) -> None: ...

class CompositeBatchResponse(_message.Message):
    __slots__ = ("composited_frames", "inference_time_ms", "composite_time_ms", "total_time_ms", "success", "error")
    COMPOSITED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    COMPOSITE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    composited_frames: _containers.RepeatedScalarFieldContainer[bytes]
    inference_time_ms: float
    composite_time_ms: float
    total_time_ms: float
    success: bool
    error: str
    def __init__(self, composited_frames: _Optional[_Iterable[bytes]] = ..., inference_time_ms: _Optional[float] = ..., composite_time_ms: _Optional[float] = ..., total_time_ms: _Optional[float] = ..., success: _Optional[bool] = ..., error: _Optional[str] = ...) -> None: ...
