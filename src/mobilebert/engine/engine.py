"""`Engine`: a model on the native engine, for token ids in and named arrays out."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mobilebert.backend import check_batch
from mobilebert.checkpoint import LoadReport
from mobilebert.checkpoint.directory import architectures_of
from mobilebert.config import MobileBertConfig
from mobilebert.engine.execution import Axis, Execution, Result
from mobilebert.engine.native import choose_isa, choose_threads, isa_dtypes, native
from mobilebert.engine.packed_checkpoint import Inspect, PackedCheckpoint
from mobilebert.engine.packed_model import PackedModel, pack_model
from mobilebert.engine.ragged import IntArray, RaggedBatch
from mobilebert.engine.results import OUTPUT_CLASSES
from mobilebert.errors import InputError
from mobilebert.named_results import NamedResults
from mobilebert.reference import PadNeighbor
from mobilebert.tasks import TaskSpec, resolve_task

__all__ = ["DTYPES", "Engine"]

Array = npt.NDArray[np.floating[Any]]

# What the engine computes in; auto is the fastest whose answers stay within the documented bound.
DTYPES = ("float32", "bfloat16", "int8")


@dataclass(frozen=True)
class Settings:
    """How an engine runs.

    Attributes:
        dtype: An element type of the instruction set, or auto.
        isa: The instruction set.
        threads: How many threads.
    """

    dtype: str
    isa: str
    threads: int

    @classmethod
    def choose(cls, dtype: str = "auto", threads: int | None = None) -> Self:
        """Check what the user wants against what is there.

        Raises:
            InputError: An unknown dtype, number of threads or instruction set; the engine was not
                compiled.
        """
        isa = choose_isa()
        if dtype not in ("auto", *DTYPES):
            raise InputError(
                f"The engine computes in {', '.join(DTYPES)} (or auto), not in {dtype!r}."
            )
        known = isa_dtypes()[isa]
        if dtype not in ("auto", *known):
            raise InputError(f"The engine has no {dtype} with {isa}, only {', '.join(known)}.")
        return cls(dtype, isa, choose_threads(threads))


class Engine:
    """A model on the native engine.

    Safe to call from several threads. Answers for a text do not depend on its batch or on padding.

    Args:
        weights: Tensors by canonical name; later changes of them do not reach the engine.
        config: The model's configuration.
        task: A row or name of the task table.
        dtype: What to compute in: float32; bfloat16 where the processor has AMX or AVX512-BF16 or
            is a newer Arm; int8 where it has AVX-512 VNNI or AMX. "auto" is the fastest whose error
            on this model, measured when it is packed, is within the documented bound
            (docs/engine.md).
        threads: How many threads; by default MOBILEBERT_NUM_THREADS, or else all processors that
            this process may use.
        pad_neighbor: What a padding neighbour contributes to the trigram.

    Attributes:
        config: The model's configuration.
        task: The row of the task table.
        dtype: What it computes in.
        measured: Element type -> how far it is from float32 on this model, for those that "auto"
            tried.
        pad_neighbor: What a padding neighbour contributes to the trigram.

    Raises:
        InputError: An unknown dtype, number of threads or instruction set; the engine was not
            compiled.
        WeightsError: Weights are missing, have another shape or are not finite.
    """

    def __init__(
        self,
        weights: Mapping[str, npt.NDArray[Any]],
        config: MobileBertConfig,
        task: str | TaskSpec = "feature_extraction",
        *,
        dtype: str = "auto",
        threads: int | None = None,
        pad_neighbor: PadNeighbor | str = PadNeighbor.ZERO,
    ) -> None:
        # What is missing or wrong is told before anything is computed.
        spec, neighbor = resolve_task(task), PadNeighbor(pad_neighbor)
        settings = Settings.choose(dtype, threads)
        packed = pack_model(weights, config, spec, **vars(settings))
        self._start(config, spec, packed, settings, neighbor)
        del packed  # the encoder has copied what every call reads
        native().return_free_memory()

    def _start(
        self,
        config: MobileBertConfig,
        task: TaskSpec,
        packed: PackedModel,
        settings: "Settings",
        pad_neighbor: PadNeighbor,
    ) -> None:
        self.config = config
        self.task = task
        self.dtype = packed.program.dtype
        self.measured = dict(packed.measured)
        self.pad_neighbor = pad_neighbor
        self.execution = Execution(packed.program, task, settings.isa, settings.threads)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str],
        task: str | None = None,
        dtype: str = "auto",
        threads: int | None = None,
        **kwargs: Any,
    ) -> Self:
        """Load a checkpoint.

        Packed weights are kept on disk; the next time they are mapped into memory and the
        checkpoint is not read (docs/engine.md).

        Args:
            name_or_path: A directory, the bundled model or a name on the Hub.
            task: Name of the task; the bare encoder by default.
            dtype: As for the class.
            threads: As for the class.
            **kwargs: As for `load_checkpoint`: revision, token, cache_dir and so on.
        """
        spec = resolve_task(task or "feature_extraction")

        def announce(report: LoadReport, config: MobileBertConfig) -> None:
            report.announce(spec.class_name, architectures_of(config))

        return cls.from_checkpoint(
            name_or_path, spec, dtype=dtype, threads=threads, inspect=announce, **kwargs
        )

    @classmethod
    def from_checkpoint(
        cls,
        name_or_path: str | os.PathLike[str],
        task: TaskSpec,
        *,
        inspect: Inspect,
        dtype: str = "auto",
        threads: int | None = None,
        pad_neighbor: PadNeighbor | str = PadNeighbor.ZERO,
        **options: Any,
    ) -> Self:
        """Load a checkpoint whose fit somebody else judges.

        Args:
            name_or_path: As for `from_pretrained`.
            task: The row of the task table.
            inspect: Is told what the checkpoint lacks and has too much; what it raises ends the
                loading.
            dtype: As for the class.
            threads: As for the class.
            pad_neighbor: As for the class.
            **options: As for `load_checkpoint`.
        """
        neighbor, settings = PadNeighbor(pad_neighbor), Settings.choose(dtype, threads)
        checkpoint = PackedCheckpoint(name_or_path, task, options)
        loaded = checkpoint.load(**vars(settings), inspect=inspect)
        engine = cls.__new__(cls)
        engine._start(loaded.config, task, loaded.packed, settings, neighbor)
        del loaded
        native().return_free_memory()
        return engine

    @classmethod
    def from_model(cls, model: Any, dtype: str = "auto", threads: int | None = None) -> Self:
        """Take the weights of one of this library's PyTorch models.

        Args:
            model: The model; later changes of it do not reach the engine.
            dtype: As for the class.
            threads: As for the class.

        Raises:
            InputError: It is no such model.
        """
        task, config = getattr(model, "task", None), getattr(model, "config", None)
        if not isinstance(task, TaskSpec) or not isinstance(config, MobileBertConfig):
            raise InputError(f"A MobileBERT model is needed, not a {type(model).__name__}.")
        state = model.state_dict().items()
        arrays = {name: tensor.detach().float().cpu().numpy() for name, tensor in state}
        return cls(arrays, config, task, dtype=dtype, threads=threads)

    @property
    def isa(self) -> str:
        """The instruction set that runs: generic, avx2, avx512, avx512vnni, amx or neon."""
        return self.execution.isa

    @property
    def threads(self) -> int:
        """How many threads are used."""
        return self.execution.threads

    def __call__(
        self,
        input_ids: Any,
        attention_mask: Any | None = None,
        token_type_ids: Any | None = None,
        *,
        positions: Any | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> NamedResults:
        """Run the model.

        Args:
            input_ids: Token ids: a list of texts of any lengths, or a padded array [B, S] (for
                multiple choice [B, C, S], as all inputs).
            attention_mask: For padded arrays: 1 for tokens, 0 for padding; without it every id is
                a token.
            token_type_ids: Segment ids, shaped as `input_ids`; zeros by default.
            positions: (text, position) pairs whose vocabulary logits are wanted, [M, 2]; all by
                default.
            output_hidden_states: Whether to return the stream after the embeddings and after every
                layer.
            output_attentions: Not here: attention probabilities are never whole in memory.

        Returns:
            The fields of the task's documented output class. For a list of texts, what has a row
            for each token is a list with one array for each text; for arrays it is padded with
            zeros. With `positions` the vocabulary logits are [M, V].

        Raises:
            InputError: Shapes contradict each other, a text has no tokens or is too long, an id is
                outside its table; attentions are asked for.
        """
        if output_attentions:
            raise InputError(
                "The engine does not keep attentions. Ask the PyTorch or Keras model for them "
                "(output_attentions=True), or mobilebert.reference.encode, which needs neither."
            )
        if _is_array(input_ids):
            return self._call_padded(
                input_ids, attention_mask, token_type_ids, positions, output_hidden_states
            )
        if attention_mask is not None or self.task.choices:
            what = "multiple choice" if self.task.choices else "attention_mask"
            raise InputError(f"{what} needs arrays; a list of texts has no padding and no choices.")
        batch = RaggedBatch.from_rows(input_ids, token_type_ids)
        wanted = None if positions is None else batch.rows_of(_pairs(positions))
        results = self.run(batch, wanted, output_hidden_states)
        return self._output(results, lambda array: np.split(array, batch.starts[1:-1]))

    def run(
        self, batch: RaggedBatch, wanted: Any | None = None, hidden_states: bool = False
    ) -> dict[str, Result]:
        """Run texts that lie one behind the other.

        Args:
            batch: The texts.
            wanted: Rows whose vocabulary logits are asked for, in any order; all by default.
            hidden_states: Whether all states are wanted.

        Raises:
            InputError: A text has no tokens or is too long, an id is outside its table.
        """
        self._check_texts(batch)
        if wanted is None:
            return self.execution.run(batch, None, hidden_states)
        order = np.argsort(wanted, kind="stable")
        results = self.execution.run(batch, wanted[order], hidden_states)
        back = np.argsort(order)
        return {
            name: Result(
                result.axis, result.array[back] if result.axis is Axis.WANTED else result.array
            )
            for name, result in results.items()
        }

    def _check_texts(self, batch: RaggedBatch) -> None:
        lengths = np.diff(batch.starts)
        if not len(lengths):
            raise InputError("There is no text: input_ids is empty.")
        if not lengths.all():
            raise InputError(f"Text {int(np.argmin(lengths))} has no tokens.")
        # One row for the length, one column for the ids: together the rows of a batch.
        longest = np.broadcast_to(np.int64(0), (1, int(batch.positions.max()) + 1))
        check_batch(self.config, {"input_ids": longest})
        arrays = {"input_ids": batch.ids[:, None], "token_type_ids": batch.types[:, None]}
        check_batch(self.config, arrays)

    def _call_padded(
        self, input_ids: Any, mask: Any, types: Any, positions: Any, hidden_states: bool
    ) -> NamedResults:
        arrays = _arrays(input_ids, mask, types, axes=3 if self.task.choices else 2)
        choices = arrays[0].shape[1] if self.task.choices else 1
        *rows, length = arrays[0].shape
        ids, real, segments = (x.reshape(math.prod(rows), length) for x in arrays)
        check_batch(self.config, {"input_ids": ids, "token_type_ids": segments})
        batch = RaggedBatch.from_padded(ids, real, segments, self.pad_neighbor)
        wanted = None
        if positions is not None:
            wanted = _rows_in(real, _pairs(positions))
        results = self.run(batch, wanted, hidden_states)
        tokens = real != 0

        def padded(array: Array) -> Array:
            placed = np.zeros((*tokens.shape, *array.shape[1:]), array.dtype)
            placed[tokens] = array
            return placed

        if self.task.choices:
            scores = results["logits"]
            results["logits"] = Result(scores.axis, scores.array.reshape(-1, choices))
        return self._output(results, padded)

    def _output(self, results: Mapping[str, Result], place: Callable[[Array], Any]) -> NamedResults:
        fields: dict[str, Any] = {}
        for name, result in results.items():
            if name == "hidden_states":
                states = np.moveaxis(result.array, 1, 0)
                fields[name] = tuple(place(state) for state in states)
            else:
                over_tokens = result.axis is Axis.TOKENS
                fields[name] = place(result.array) if over_tokens else result.array
        return OUTPUT_CLASSES[self.task.name](**fields)


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _arrays(*given: Any, axes: int) -> tuple[IntArray, IntArray, IntArray]:
    """Check ids, mask and segments; absent masks are ones, absent segments zeros."""
    ids = _integers("input_ids", given[0])
    if ids.ndim != axes:
        wanted = "[batch, choices, sequence]" if axes == 3 else "[batch, sequence]"
        raise InputError(f"input_ids must be {wanted}, not of shape {ids.shape}.")
    found = [ids]
    for name, value, absent in zip(
        ("attention_mask", "token_type_ids"), given[1:], (1, 0), strict=True
    ):
        array = np.full_like(ids, absent) if value is None else _integers(name, value)
        if array.shape != ids.shape:
            raise InputError(
                f"{name} must have the shape of input_ids, {ids.shape}, not {array.shape}."
            )
        found.append(array)
    return found[0], found[1], found[2]


def _integers(name: str, value: Any) -> IntArray:
    array = np.asarray(value)
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{name} must hold integers, not {array.dtype}.")
    return array.astype(np.int64, copy=False)  # unsigned ones have no -1 for "no neighbour"


def _pairs(positions: Any) -> IntArray:
    pairs = _integers("positions", positions) if len(positions) else np.empty((0, 2), np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise InputError(f"positions must be (text, position) pairs, [M, 2], not {pairs.shape}.")
    return pairs


def _rows_in(real: IntArray, pairs: IntArray) -> IntArray:
    """Where positions of padded rows stand among the real tokens."""
    row_of = np.cumsum(real.reshape(-1) != 0).reshape(real.shape) - 1
    inside = (pairs >= 0).all() and (pairs < real.shape).all()
    if not inside or not real[pairs[:, 0], pairs[:, 1]].all():
        raise InputError("positions holds a pair that is outside the arrays or stands on padding.")
    rows: IntArray = row_of[pairs[:, 0], pairs[:, 1]]
    return rows
