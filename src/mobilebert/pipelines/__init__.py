"""Pipelines: from text to answer, one file per task."""

from mobilebert.pipelines.build import PIPELINES, pipeline, pipeline_class
from mobilebert.pipelines.pipeline import ItemError, Pipeline

__all__ = ["PIPELINES", "ItemError", "Pipeline", "pipeline", "pipeline_class"]
