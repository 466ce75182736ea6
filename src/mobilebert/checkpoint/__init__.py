"""Checkpoints without any framework: names, file formats, loading and saving."""

from mobilebert.checkpoint.directory import (
    Checkpoint,
    check_vocabulary,
    load_checkpoint,
    task_of_config,
)
from mobilebert.checkpoint.matching import LoadReport
from mobilebert.checkpoint.saving import save_checkpoint
from mobilebert.checkpoint.stored import StoredTensor

__all__ = [
    "Checkpoint",
    "LoadReport",
    "StoredTensor",
    "check_vocabulary",
    "load_checkpoint",
    "save_checkpoint",
    "task_of_config",
]
