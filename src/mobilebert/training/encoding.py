"""From items to the examples that a model learns from, for each task."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilebert.config import MobileBertConfig
from mobilebert.datasets.items import FinetuneTask, Item
from mobilebert.pipelines.encoding import SequenceBuilder
from mobilebert.training.encoder import Encoder, EncodingOptions, EncodingSummary
from mobilebert.training.encoding_choices import ChoicesEncoder
from mobilebert.training.encoding_plain import BlocksEncoder
from mobilebert.training.encoding_questions import QuestionsEncoder
from mobilebert.training.encoding_tags import TagsEncoder
from mobilebert.training.encoding_texts import ClassEncoder, LabelsEncoder, NumberEncoder
from mobilebert.training.examples import MEMORY_LIMIT, ExampleSet
from mobilebert.training.labels import LabelNames

__all__ = ["ENCODERS", "EncodedItems", "encode_items"]

ENCODERS: dict[FinetuneTask, type[Encoder[Any]]] = {
    FinetuneTask.TEXT_CLASSIFICATION: ClassEncoder,
    FinetuneTask.MULTI_LABEL: LabelsEncoder,
    FinetuneTask.REGRESSION: NumberEncoder,
    FinetuneTask.TOKEN_CLASSIFICATION: TagsEncoder,
    FinetuneTask.QUESTION_ANSWERING: QuestionsEncoder,
    FinetuneTask.MULTIPLE_CHOICE: ChoicesEncoder,
    FinetuneTask.MASKED_LM: BlocksEncoder,
}


@dataclass(frozen=True)
class EncodedItems:
    """What came of encoding.

    Attributes:
        examples: The examples.
        summary: Counts and problems.
    """

    examples: ExampleSet
    summary: EncodingSummary


def encode_items(
    task: FinetuneTask,
    items: Iterable[Item],
    tokenizer: Any,
    config: MobileBertConfig,
    *,
    labels: LabelNames = (),
    options: EncodingOptions | None = None,
    directory: Path | None = None,
    memory_limit: int = MEMORY_LIMIT,
    on_progress: Callable[[int], None] | None = None,
) -> EncodedItems:
    """Encode items.

    Args:
        task: The task.
        items: Its items, read once; they may be more than fit into memory.
        tokenizer: A tokenizer of this library or of transformers.
        config: The model's configuration.
        labels: Names of the labels, in the order of their numbers.
        options: How long texts are read.
        directory: Where examples go that are more than `memory_limit`; None keeps all in memory.
        memory_limit: Bytes kept in memory before everything goes to files.
        on_progress: Is told now and then how many items were read.

    Returns:
        The examples, and what was met on the way. Items that cannot be used have no example and
        are problems of the summary.

    Raises:
        CheckpointError: A file cannot be written.
        InputError: The tokenizer cannot be used for the task.
    """
    builder = SequenceBuilder(tokenizer, config.max_position_embeddings)
    encoder = ENCODERS[task](builder, options or EncodingOptions(), labels)
    examples = ExampleSet.build(
        encoder.examples(items, on_progress),
        float_targets=encoder.float_targets,
        directory=directory,
        memory_limit=memory_limit,
    )
    return EncodedItems(examples, encoder.summary)
