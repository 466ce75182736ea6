"""Numbers that say how good predictions are, in numpy and nothing else."""

from mobilebert.metrics.answers import (
    best_null_threshold,
    exact_match,
    overlap_f1,
    score_answers,
)
from mobilebert.metrics.calibration import Calibration, calibration
from mobilebert.metrics.classes import ClassScores, confusion_matrix, score_classes
from mobilebert.metrics.correlation import pearson, ranks, spearman
from mobilebert.metrics.entities import entities_of_tags, score_entities
from mobilebert.metrics.labels import best_thresholds, score_labels
from mobilebert.metrics.ranking import average_precision, roc_auc

__all__ = [
    "Calibration",
    "ClassScores",
    "average_precision",
    "best_null_threshold",
    "best_thresholds",
    "calibration",
    "confusion_matrix",
    "entities_of_tags",
    "exact_match",
    "overlap_f1",
    "pearson",
    "ranks",
    "roc_auc",
    "score_answers",
    "score_classes",
    "score_entities",
    "score_labels",
    "spearman",
]
