"""Running a packed program on ragged batches: results by name, over tokens, texts or positions."""

import mmap
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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


class Execution:
    """A packed program in the native encoder.

    Args:
        program: The program.
        task: Its row of the task table.
        isa: The instruction set.
        threads: How many threads.
    """

    def __init__(self, program: PackedProgram, task: TaskSpec, isa: str, threads: int) -> None:
        self.program = program
        self.task = task
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
        self, batch: RaggedBatch, wanted: IntArray | None = None, hidden_states: bool = False
    ) -> dict[str, Result]:
        """Run texts.

        Args:
            batch: Texts, none of them empty.
            wanted: Rows of the batch whose vocabulary logits are asked for; all by default.
            hidden_states: Whether all states are wanted, as ``hidden_states`` [tokens, states, H].

        Returns:
            One result for each name the task emits.
        """
        parts = [
            self._run_part(part, rows, wanted is None, hidden_states)
            for part, rows in batch.parts(TOKENS_AT_ONCE, wanted)
        ]
        if len(parts) == 1:
            return parts[0]
        return {
            name: Result(result.axis, np.concatenate([part[name].array for part in parts]))
            for name, result in parts[0].items()
        }

    def _run_part(
        self, batch: RaggedBatch, wanted: IntArray, all_wanted: bool, hidden_states: bool
    ) -> dict[str, Result]:
        program, tokens, texts = self.program, len(batch.ids), len(batch.starts) - 1
        room: dict[str, Float32Array] = {}

        def reserve(name: str, *shape: int) -> None:
            room[name] = np.empty(shape, np.float32)

        bare = self.task.name == "feature_extraction"
        if bare:
            reserve("stream", tokens, program.stream)
            reserve("pooled", texts, program.stream)
        if hidden_states:
            reserve("states", len(program.layers) + 1, tokens, program.stream)
        if program.vocabulary is not None:
            reserve("vocabulary", len(wanted), program.vocabulary.width_out)
        else:
            wanted = wanted[:0]
        if program.projection is not None:
            rows = texts if program.pools else tokens
            reserve("projection", rows, program.projection.width_out)
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
        program, width = self.program, self.program.stream_width
        results: list[Result] = []
        if "stream" in room:
            results.append(Result(Axis.TOKENS, room["stream"][:, :width]))
            results.append(Result(Axis.TEXTS, room["pooled"][:, :width]))
        if program.vocabulary is not None:
            results.append(Result(vocabulary_axis, _true(room["vocabulary"], program.vocabulary)))
        if program.projection is not None and self.task.projection is not None:
            scores = _true(room["projection"], program.projection)
            reads_text = self.task.projection.reads is Reads.POOLED
            axis = Axis.TEXTS if reads_text else Axis.TOKENS
            columns = scores.T if self.task.projection.split else [scores]
            results.extend(Result(axis, column) for column in columns)
        named = dict(zip(self.task.emits, results, strict=True))
        if "states" in room:
            states = room["states"][:, :, :width].transpose(1, 0, 2)
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
    return all(isinstance(step.weight.base, mmap.mmap) for step in steps if step is not None)


def _true(scores: Float32Array, step: PackedLinear) -> Float32Array:
    """Leave out the padded columns."""
    kept: npt.NDArray[Any] = scores[:, : step.width]
    return kept
