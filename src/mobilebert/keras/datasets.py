"""`prepare_tf_dataset`: from a data set to batches that `fit`, `evaluate` and `predict` take."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import keras
import numpy as np
import numpy.typing as npt

from mobilebert.errors import ArgumentError, InputError
from mobilebert.extras import is_installed
from mobilebert.keras.rows import Rows, collate, padding_of, rows_of
from mobilebert.tasks import TASKS, TaskSpec

__all__ = ["DatasetModel", "has_own_order"]

Arrays = dict[str, npt.NDArray[Any]]

# Inputs of a model of which every text has its own.
_TEXTS = ("input_ids", "inputs_embeds")
_INPUTS = (*_TEXTS, "attention_mask", "token_type_ids", "position_ids")
# What data sets and collators call `labels` besides.
_LABELS = ("label", "label_ids")


class DatasetModel:
    """A model that makes its batches of a data set."""

    task: ClassVar[TaskSpec] = TASKS["feature_extraction"]
    label_aliases: ClassVar[dict[str, str]] = {}

    def prepare_tf_dataset(
        self,
        dataset: Any,
        batch_size: int = 8,
        shuffle: bool = True,
        tokenizer: Any | None = None,
        collate_fn: Callable[..., Mapping[str, Any]] | None = None,
        collate_fn_args: Mapping[str, Any] | None = None,
        drop_remainder: bool | None = None,
        prefetch: bool = True,
    ) -> Any:
        """Make batches of a data set for `fit`, `evaluate` and `predict`.

        Columns that are no inputs and no labels of this model are left out; ``label`` and
        ``label_ids`` are ``labels``.

        Args:
            dataset: A `datasets.Dataset`, a list of dictionaries (one for each row), or a
                dictionary of columns such as a tokenizer returns.
            batch_size: Rows in a batch.
            shuffle: Whether every epoch takes the rows in a new order.
            tokenizer: Pads each batch to its longest row, labels of tokens with -100; not used
                with `collate_fn`. Without either the rows of a batch must have one length.
            collate_fn: From a list of rows (dictionaries) to a dictionary of arrays.
            collate_fn_args: Further keywords of `collate_fn`.
            drop_remainder: Whether to leave out a last batch that is not full; as `shuffle` by
                default.
            prefetch: Whether the next batch is made while one is computed.

        Returns:
            A `tf.data.Dataset` of known length: inputs as a dictionary and, where the data set
            has labels, the labels (a dictionary for a model with several). Where Keras runs
            without TensorFlow, a `keras.utils.PyDataset` of the same batches.

        Raises:
            ArgumentError: `dataset` is no data set, or another argument has a wrong type.
            InputError: There is nothing to read, or rows do not fit each other.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ArgumentError(f"batch_size must be a whole number above 0, not {batch_size!r}.")
        if collate_fn is not None and not callable(collate_fn):
            raise ArgumentError(f"collate_fn must be a function, not {collate_fn!r}.")
        labels = self._label_names()
        rows = rows_of(dataset, {*_INPUTS, *labels})
        if not rows.count or not set(_TEXTS) & set(rows.columns):
            raise InputError(
                f"This {type(dataset).__name__} has {rows.count} rows with the columns "
                f"{', '.join(rows.columns) or 'none'} that {type(self).__name__} knows; there must "
                "be rows with input_ids (what a tokenizer returns) or inputs_embeds."
            )
        make: Callable[..., Any] = (
            partial(collate, padding=padding_of(self.task, tokenizer))
            if collate_fn is None
            else partial(collate_fn, **(collate_fn_args or {}))
        )
        drop = bool(shuffle if drop_remainder is None else drop_remainder)
        if drop and rows.count < batch_size:
            raise InputError(
                f"{rows.count} rows do not fill one batch of {batch_size}, and batches that are "
                "not full are left out; give drop_remainder=False or a smaller batch_size."
            )
        batches = Batches(
            load=Loading(rows, make, labels, batch_size),
            task=self.task,
            count=rows.count,
            size=batch_size,
            shuffle=bool(shuffle),
            drop_remainder=drop,
        )
        if keras.backend.backend() != "tensorflow" and not is_installed("tensorflow"):
            return PythonBatches(batches)
        return _tf_data(batches, prefetch)

    def _label_names(self) -> dict[str, str]:
        """Column -> the label it holds; of several for one label the first that is there counts."""
        names = {name: name for name in self.task.labels}
        names |= {alias: name for name, alias in self.label_aliases.items()}
        return names | (dict.fromkeys(_LABELS, "labels") if "labels" in names else {})


class Loading:
    """From the numbers of some rows to the arrays of their batch, by the model's names.

    All batches have the columns and the types of the first.

    Args:
        rows: The rows.
        make: From a list of rows to arrays by column.
        labels: Column -> the label it holds.
        size: Rows in the first batch.
    """

    def __init__(
        self, rows: Rows, make: Callable[..., Any], labels: Mapping[str, str], size: int
    ) -> None:
        self._rows = rows
        self._make = make
        self._labels = labels
        first = self._named(range(min(size, rows.count)))
        self.ranks = {name: array.ndim for name, array in first.items()}
        self.types = {
            name: np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype
            for name, array in first.items()
        }

    def __call__(self, numbers: Sequence[int]) -> Arrays:
        """Load a batch.

        Raises:
            InputError: Its arrays have other names or other kinds of numbers than the first's.
        """
        arrays = self._named(numbers)
        for name, dtype in self.types.items():
            if name not in arrays or not np.can_cast(arrays[name].dtype, dtype, "same_kind"):
                found = f"holds {arrays[name].dtype}" if name in arrays else "is absent"
                raise InputError(
                    f"{name} holds {dtype} in the first batch and {found} in another; all rows "
                    "must have one type."
                )
        return {name: arrays[name].astype(dtype) for name, dtype in self.types.items()}

    def _named(self, numbers: Sequence[int]) -> Arrays:
        made = self._make(self._rows.take(list(numbers)))
        if not isinstance(made, Mapping):
            raise InputError(
                f"collate_fn must return a dictionary of arrays, not a {type(made).__name__}."
            )
        found = {name: np.asarray(made[name]) for name in _INPUTS if name in made}
        for column, label in self._labels.items():
            if column in made and label not in found:
                found[label] = np.asarray(made[column])
        for name, array in found.items():
            if array.dtype.kind not in "iufb" or array.shape[:1] != (len(numbers),):
                raise InputError(
                    f"{name} of a batch must be an array of numbers with {len(numbers)} rows; "
                    f"there is one of {array.dtype} and shape {array.shape}."
                )
        return found


@dataclass(frozen=True)
class Batches:
    """The batches of one epoch.

    Attributes:
        load: From row numbers to arrays.
        task: The row of the task table, which names the labels.
        count: Number of rows.
        size: Rows in a batch.
        shuffle: Whether every epoch takes the rows in a new order.
        drop_remainder: Whether a last batch that is not full is left out.
    """

    load: Loading
    task: TaskSpec
    count: int
    size: int
    shuffle: bool
    drop_remainder: bool

    def __len__(self) -> int:
        return self.count // self.size if self.drop_remainder else -(-self.count // self.size)

    def divided(self, arrays: dict[str, Any]) -> Any:
        """Return inputs and labels apart, as Keras takes them."""
        labels = {name: arrays[name] for name in self.task.labels if name in arrays}
        inputs = {name: x for name, x in arrays.items() if name not in labels}
        if not labels:
            return inputs
        return inputs, labels if len(self.task.labels) > 1 else next(iter(labels.values()))


def _tf_data(batches: Batches, prefetch: bool) -> Any:
    import tensorflow as tf

    types, ranks = batches.load.types, batches.load.ranks
    rows = batches.size if batches.drop_remainder else None

    def load(numbers: Any) -> list[Any]:
        arrays = batches.load(numbers.tolist())
        return [arrays[name] for name in types]

    def batch(numbers: Any) -> Any:
        tensors = dict(
            zip(types, tf.numpy_function(load, [numbers], list(types.values())), strict=True)
        )
        for name, tensor in tensors.items():
            tensor.set_shape((rows, *(None,) * (ranks[name] - 1)))
        return batches.divided(tensors)

    data = tf.data.Dataset.range(batches.count)
    if batches.shuffle:
        data = data.shuffle(batches.count, reshuffle_each_iteration=True)
    data = data.batch(batches.size, drop_remainder=batches.drop_remainder).map(batch)
    return data.prefetch(tf.data.AUTOTUNE) if prefetch else data


class PythonBatches(keras.utils.PyDataset):
    """Batches without TensorFlow.

    Args:
        batches: The batches of one epoch.
    """

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self._batches = batches
        self._order = list(range(batches.count))
        self.on_epoch_end()

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        size = self._batches.size
        chosen = self._order[index * size : (index + 1) * size]
        return self._batches.divided(dict(self._batches.load(chosen)))

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        if self._batches.shuffle:
            random.shuffle(self._order)


def has_own_order(data: Any) -> bool:
    """Tell whether data comes in batches whose order is settled, so that `fit` shuffles nothing."""
    return hasattr(data, "element_spec") or isinstance(data, PythonBatches)
