"""Running a packed program on ragged batches: results by name, over tokens, texts or positions."""

import mmap
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from mobilebert.engine.native import native
from mobilebert.engine.packing import PackedLinear, PackedProgram
from mobilebert.engine.ragged import IntArray, RaggedBatch
from mobilebert.tasks import Reads, TaskSpec

__all__ = ["Axis", "Execution", "Result"]

Float32Array = npt.NDArray[np.float32]

# Tokens that go through the engine at once. More would not be faster, and between these parts
# Ctrl-C is heard.
TOKENS_AT_ONCE = 8192


class Axis(StrEnum):
    """What the rows of a result stand for."""

    TOKENS = "tokens"
    TEXTS = "texts"
    WANTED = "wanted"  # the positions asked for


@dataclass(frozen=True)
class Result:
    """One named result.

    Attributes:
        axis: What the rows stand for.
        array: [rows, ...].
    """

    axis: Axis
    array: Float32Array


@dataclass(frozen=True)
class _Width:
    """How many numbers a row of results has in memory, and how many of them are meant."""

    padded: int
    true: int

    @classmethod
    def of(cls, step: PackedLinear | None) -> Self | None:
        return None if step is None else cls(step.width_out, step.width)

    def cut(self, rows: Float32Array) -> Float32Array:
        """Leave out the padded columns."""
        kept: Float32Array = rows[..., : self.true]
        return kept


@dataclass(frozen=True)
class _Widths:
    """What the results of a program depend on; it keeps no weights alive."""

    stream: _Width
    states: int
    vocabulary: _Width | None
    projection: _Width | None
    pools: bool

    @classmethod
    def of(cls, program: PackedProgram) -> Self:
        return cls(
            stream=_Width(program.stream, program.stream_width),
            states=len(program.layers) + 1,
            vocabulary=_Width.of(program.vocabulary),
            projection=_Width.of(program.projection),
            pools=program.pools,
        )


class Execution:
    """A packed program in the native encoder.

    The encoder copies the weights that every call reads and holds the arrays of the others. The
    program itself is not kept: its copy of a model's weights can be let go of.

    Args:
        program: The program.
        task: Its row of the task table.
        isa: The instruction set.
        threads: How many threads.
    """

    def __init__(self, program: PackedProgram, task: TaskSpec, isa: str, threads: int) -> None:
        self.task = task
        self._widths = _Widths.of(program)
        self._encoder = native().Encoder(program, isa, threads, _is_mapped(program))

    @property
    def isa(self) -> str:
        """The instruction set that runs."""
        return str(self._encoder.isa)

    @property
    def threads(self) -> int:
        """How many threads are used."""
        return int(self._encoder.threads)

    def run(
        self,
        batch: RaggedBatch,
        wanted: IntArray | None = None,
        hidden_states: bool = False,
        last_state: bool = False,
    ) -> dict[str, Result]:
        """Run texts.

        Args:
            batch: Texts, none of them empty.
            wanted: Rows of the batch whose vocabulary logits are asked for; all by default.
            hidden_states: Whether all states are wanted, as ``hidden_states`` [tokens, states, H].
            last_state: Whether the last state is wanted of any task, as ``last_hidden_state``.

        Returns:
            One result for each name the task emits.
        """
        parts = [
            self._run_part(part, rows, wanted is None, hidden_states, last_state)
            for part, rows in batch.parts(TOKENS_AT_ONCE, wanted)
        ]
        if len(parts) == 1:
            return parts[0]
        return {
            name: Result(result.axis, np.concatenate([part[name].array for part in parts]))
            for name, result in parts[0].items()
        }

    def _run_part(
        self,
        batch: RaggedBatch,
        wanted: IntArray,
        all_wanted: bool,
        hidden_states: bool,
        last_state: bool,
    ) -> dict[str, Result]:
        widths, tokens, texts = self._widths, len(batch.ids), len(batch.starts) - 1
        stream = widths.stream.padded
        room: dict[str, Float32Array] = {}

        def reserve(name: str, *shape: int) -> None:
            room[name] = np.empty(shape, np.float32)

        bare = self.task.name == "feature_extraction"
        if bare or last_state:
            reserve("stream", tokens, stream)
        if bare:
            reserve("pooled", texts, stream)
        if hidden_states:
            reserve("states", widths.states, tokens, stream)
        if widths.vocabulary is not None:
            reserve("vocabulary", len(wanted), widths.vocabulary.padded)
        else:
            wanted = wanted[:0]
        if widths.projection is not None:
            reserve("projection", texts if widths.pools else tokens, widths.projection.padded)
        arrays = (
            batch.ids,
            batch.positions,
            batch.types,
            batch.following,
            batch.previous,
            batch.starts,
            wanted,
        )
        self._encoder.run(*(np.ascontiguousarray(x, np.int32) for x in arrays), room)
        return self._named(room, Axis.TOKENS if all_wanted else Axis.WANTED)

    def _named(self, room: dict[str, Float32Array], vocabulary_axis: Axis) -> dict[str, Result]:
        widths, stream = self._widths, self._widths.stream
        results: list[Result] = []
        if "pooled" in room:
            results.append(Result(Axis.TOKENS, stream.cut(room["stream"])))
            results.append(Result(Axis.TEXTS, stream.cut(room["pooled"])))
        if widths.vocabulary is not None:
            results.append(Result(vocabulary_axis, widths.vocabulary.cut(room["vocabulary"])))
        if widths.projection is not None and self.task.projection is not None:
            scores = widths.projection.cut(room["projection"])
            reads_text = self.task.projection.reads is Reads.POOLED
            axis = Axis.TEXTS if reads_text else Axis.TOKENS
            columns = scores.T if self.task.projection.split else [scores]
            results.extend(Result(axis, column) for column in columns)
        named = dict(zip(self.task.emits, results, strict=True))
        if "stream" in room:
            named["last_hidden_state"] = Result(Axis.TOKENS, stream.cut(room["stream"]))
        if "states" in room:
            states = stream.cut(room["states"]).transpose(1, 0, 2)
            named["hidden_states"] = Result(Axis.TOKENS, states)
        return named


def _is_mapped(program: PackedProgram) -> bool:
    """Tell whether the layers' weights are read-only pages of a file.

    The encoder copies them into memory of its own, and can let go of such pages at once.
    """
    steps = [program.embedding.transformation, program.transform]
    for layer in program.layers:
        steps += [layer.input_bottleneck, layer.attention_bottleneck, layer.output_bottleneck]
        steps += [layer.query, layer.key, layer.value, layer.attention_output]
        for network in layer.feed_forward:
            steps += [network.inner, network.outer]
    bases = [getattr(step.weight, "base", None) for step in steps if step is not None]
    return all(isinstance(base, mmap.mmap) for base in bases)
