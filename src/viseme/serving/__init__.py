"""The server: its configuration, who may come in, whose frame is next, what is held open."""

from viseme.serving.cast import Cast, CastOptions, CastReport
from viseme.serving.job import Lane
from viseme.serving.limits import Admission, Limits, Load
from viseme.serving.networks import GeneratorOptions, GeneratorReport, ServedGenerator
from viseme.serving.predictor import LanePredictor
from viseme.serving.rate import RateMeter
from viseme.serving.scheduler import RunReport, Scheduler

__all__ = [
    "Admission",
    "Cast",
    "CastOptions",
    "CastReport",
    "GeneratorOptions",
    "GeneratorReport",
    "Lane",
    "LanePredictor",
    "Limits",
    "Load",
    "RateMeter",
    "RunReport",
    "Scheduler",
    "ServedGenerator",
]
