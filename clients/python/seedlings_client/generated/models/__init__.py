"""Contains all the data models used in inputs/outputs"""

from .answer import Answer
from .answer_probabilities import AnswerProbabilities
from .answered import Answered
from .batch import Batch
from .failed import Failed
from .health import Health
from .health_status import HealthStatus
from .model_name import ModelName
from .problem import Problem
from .refused_version import RefusedVersion
from .saliency import Saliency
from .served_model import ServedModel
from .species_entry import SpeciesEntry
from .species_list import SpeciesList
from .statement import Statement
from .statement_rank import StatementRank
from .thresholds import Thresholds

__all__ = (
    "Answer",
    "Answered",
    "AnswerProbabilities",
    "Batch",
    "Failed",
    "Health",
    "HealthStatus",
    "ModelName",
    "Problem",
    "RefusedVersion",
    "Saliency",
    "ServedModel",
    "SpeciesEntry",
    "SpeciesList",
    "Statement",
    "StatementRank",
    "Thresholds",
)
