"""Contains all the data models used in inputs/outputs"""

from .answer import Answer
from .answer_probabilities import AnswerProbabilities
from .answered_photo import AnsweredPhoto
from .counts import Counts
from .counts_group import CountsGroup
from .counts_kind import CountsKind
from .counts_species import CountsSpecies
from .cover import Cover
from .detect_masks import DetectMasks
from .detected import Detected
from .detected_plant import DetectedPlant
from .detected_plant_probabilities import DetectedPlantProbabilities
from .failed_photo import FailedPhoto
from .health import Health
from .health_status import HealthStatus
from .model_name import ModelName
from .prediction_batch import PredictionBatch
from .problem import Problem
from .refused_version import RefusedVersion
from .retention_policy import RetentionPolicy
from .run_lengths import RunLengths
from .saliency import Saliency
from .served_model import ServedModel
from .shadowed import Shadowed
from .shadowed_status import ShadowedStatus
from .species_entry import SpeciesEntry
from .species_list import SpeciesList
from .statement import Statement
from .statement_rank import StatementRank
from .thresholds import Thresholds

__all__ = (
    "Answer",
    "AnsweredPhoto",
    "AnswerProbabilities",
    "Counts",
    "CountsGroup",
    "CountsKind",
    "CountsSpecies",
    "Cover",
    "Detected",
    "DetectedPlant",
    "DetectedPlantProbabilities",
    "DetectMasks",
    "FailedPhoto",
    "Health",
    "HealthStatus",
    "ModelName",
    "PredictionBatch",
    "Problem",
    "RefusedVersion",
    "RetentionPolicy",
    "RunLengths",
    "Saliency",
    "ServedModel",
    "Shadowed",
    "ShadowedStatus",
    "SpeciesEntry",
    "SpeciesList",
    "Statement",
    "StatementRank",
    "Thresholds",
)
