"""A model whose answers are written down, for evaluations that are computed by hand."""

import numpy as np

from mobilebert.tasks import Axes, resolve_task
from models import small_config

__all__ = ["ScriptedBackend"]


class ScriptedBackend:
    """Says about a sequence what a function of its ids says.

    Args:
        task: The task.
        script: Token ids without padding, and segments -> one array for each output: [width] for a
            sequence, [S, width] (or [S]) for tokens, [S, V] for the vocabulary.
        **fields: Of the configuration.
    """

    name = "scripted"

    def __init__(self, task, script, **fields):
        self.task = resolve_task(task)
        settings = {"vocab_size": 30522, "max_position_embeddings": 64} | fields
        self.config = small_config(**settings)
        self.script = script
        self.sequences = 0

    def run(self, batch, positions=None):
        names = self.task.emits
        found = []
        flat = (array.reshape(-1, array.shape[-1]) for array in vars(batch).values())
        for ids, mask, types in zip(*flat, strict=True):
            length = int(mask.sum())
            self.sequences += 1
            arrays = self.script(ids[:length], types[:length])
            arrays = arrays if isinstance(arrays, tuple) else (arrays,)
            found.append([np.asarray(array, np.float32) for array in arrays])
        width = batch.input_ids.shape[-1]
        outputs = {}
        for place, name in enumerate(names):
            axes = self.task.axes(name)
            arrays = [row[place] for row in found]
            if axes is Axes.TOKENS:
                arrays = [_padded(array, width) for array in arrays]
            if axes is Axes.POSITIONS:
                arrays = [arrays[row][column] for row, column in positions]
            outputs[name] = np.stack(arrays)
        return outputs


def _padded(array, width):
    return np.concatenate([array, np.zeros((width - len(array), *array.shape[1:]), np.float32)])
