"""What all pipelines share: from inputs through batches to answers.

One task is one subclass, which says what it reads of an input (`read`), which texts are tokenized
(`texts`), what the model reads (`prepare`) and what comes out (`answer`). Everything else (lists,
generators, batching, changed parameters) is here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np

from mobilebert.backend import Backend, FloatArray, TokenBatch
from mobilebert.errors import InputError, WeightsError
from mobilebert.pipelines.encoding import ModelInput, SequenceBuilder, TokenizedText
from mobilebert.pipelines.kept_parameters import with_kept
from mobilebert.pipelines.parameters import merged, read_count
from mobilebert.tasks import Axes

__all__ = ["Call", "ItemError", "Pipeline", "Request"]

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")
Output = Mapping[str, FloatArray]

# Without a batch size, a batch has as many sequences as these tokens allow, padding included, and
# at most this many sequences. Measured with numpy on one core: short texts run three times faster
# in batches of 8, texts of 120 tokens equally fast in any batch, and texts of 480 tokens 1.6 times
# faster alone, when what a layer works on still fits into the cache.
TOKENS_PER_BATCH = 512
LARGEST_BATCH = 32

# Lists are sorted by length within this many batches, so that short texts are not padded to long
# ones; memory stays bounded.
SORTED_BATCHES = 32


# With a length and items, but one input or a list of them.
_NO_STREAMS = (str, bytes, bytearray, memoryview, Mapping, tuple, list, np.ndarray)


class ItemError(InputError):
    """One of several inputs cannot be used.

    Attributes:
        position: Its place, counting from 0.
        reason: What is wrong with it.
    """

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"Input {position + 1}: {reason}")
        self.position = position
        self.reason = reason

    def __reduce__(self) -> tuple[type["ItemError"], tuple[int, str]]:
        # Exceptions are made again of their message alone, where another process raised them.
        return type(self), (self.position, self.reason)


@dataclass(frozen=True)
class Request:
    """What one input asks of the model.

    Attributes:
        inputs: The sequences to run: one, or several windows, labels or choices.
        source: What `answer` needs beside the model's outputs.
    """

    inputs: Sequence[ModelInput]
    source: Any = None


@dataclass(frozen=True)
class Call(Generic[Options]):
    """One call.

    Attributes:
        options: The parameters it runs with.
        batch_size: Sequences per batch, or None.
        given: Names of the parameters passed in this call.
    """

    options: Options
    batch_size: int | None
    given: frozenset[str] = field(default_factory=frozenset)

    def ahead(self, lazy: bool) -> int:
        """Return how many inputs are read before the first is answered."""
        if lazy:
            return self.batch_size or 1
        return (self.batch_size or LARGEST_BATCH) * SORTED_BATCHES


class Pipeline(ABC, Generic[Options]):
    """Answers texts with a model for one task.

    A pipeline holds no state of a call and may be used by several threads at once.

    Args:
        model: The model behind the backend seam.
        tokenizer: A tokenizer.
        batch_size: Sequences per batch; by default as many as 512 tokens allow.
        **parameters: Parameters of the task, the defaults of each call; others have those that the
            model's configuration keeps (`kept`), or else the task's.

    Attributes:
        task: Name of the task, as ``pipeline(...)`` knows it.
        model: The backend.
        tokenizer: The tokenizer.
        config: The model's configuration.

    Raises:
        ArgumentError: The task has no such parameter.
        InputError: A parameter's value is not possible.
        ConfigError: One that the configuration keeps is not.
    """

    task: ClassVar[str]
    defaults: ClassVar[Any]  # an instance of the task's parameters
    needs_offsets: ClassVar[bool] = False
    kept: ClassVar[tuple[str, ...]] = ()  # parameters whose default a configuration may change

    def __init__(
        self, model: Backend, tokenizer: Any, *, batch_size: int | None = None, **parameters: Any
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.config = model.config
        self.builder = SequenceBuilder(tokenizer, model.config.max_position_embeddings)
        self.batch_size = None if batch_size is None else read_count("batch_size", batch_size)
        defaults = with_kept(self.task, self.defaults, self.kept, model.config)
        self.parameters: Options = merged(self.task, defaults, parameters)

    @abstractmethod
    def read(self, item: Any, options: Options) -> Any:
        """Check one input and bring it into one form.

        Raises:
            InputError: It cannot be used.
        """

    @abstractmethod
    def texts(self, item: Any, options: Options) -> list[Any]:
        """List the texts of an input that are tokenized."""

    @abstractmethod
    def prepare(self, item: Any, tokens: list[TokenizedText], options: Options) -> Request:
        """Build what the model reads for one input.

        Args:
            item: The input, as `read` returned it.
            tokens: The tokens of each of its texts.
            options: The parameters.

        Raises:
            InputError: The tokens do not fit the task or the model.
        """

    @abstractmethod
    def answer(self, request: Request, outputs: list[Output], options: Options) -> Any:
        """Turn the model's outputs for one input into its answer.

        Args:
            request: What `prepare` returned.
            outputs: For each of its sequences, one array per name the model emits, without
                padding: [S, width] per token, [width] pooled, [M, V] for wanted positions.
            options: The parameters.
        """

    def splits_words(self, options: Options) -> bool:
        """Tell whether the texts are lists of words."""
        return False

    def is_several(self, inputs: Any, options: Options) -> bool:
        """Tell whether `inputs` is a list of inputs rather than one."""
        return isinstance(inputs, list)

    def ready(self, options: Options) -> Options:
        """Return the parameters of a call with what is looked up once for all its inputs.

        Raises:
            InputError: One does not fit the model or its tokenizer.
        """
        return options

    def present(self, inputs: Any, answers: Any, several: bool, call: Call[Options]) -> Any:
        """Give the answers the documented outer form.

        Args:
            inputs: What was passed.
            answers: One answer, or a list of them when several inputs were passed.
            several: Whether they were.
            call: The call.
        """
        return answers

    def __call__(self, inputs: Any, *, batch_size: int | None = None, **parameters: Any) -> Any:
        """Answer one input, a list of inputs, or a stream of inputs.

        Args:
            inputs: One input, a list, or a stream: an iterator, a generator, or a data set with
                `__len__` and `__getitem__`, such as those of PyTorch and `datasets`.
            batch_size: Sequences per batch in this call.
            **parameters: Parameters of the task for this call.

        Returns:
            One answer, a list of answers, or for a stream a generator of answers, which reads
            `batch_size` inputs ahead (one by default).

        Raises:
            InputError: An input or a parameter's value cannot be used.
            ArgumentError: The task has no such parameter.
        """
        call = self._call(batch_size, parameters)
        if (stream := _stream_of(inputs)) is not None:
            return self._stream(stream, call, call.ahead(lazy=True))
        several = self.is_several(inputs, call.options)
        answers = self._answer_list(inputs, call) if several else self._answer_one(inputs, call)
        return self.present(inputs, answers, several, call)

    def answer_all(
        self, items: Sequence[Any], *, batch_size: int | None = None, **parameters: Any
    ) -> list[Any]:
        """Answer several inputs: always one answer for each, in any number.

        Args:
            items: The inputs.
            batch_size: Sequences per batch in this call.
            **parameters: Parameters of the task for this call.

        Raises:
            ItemError: An input cannot be used.
        """
        return self._answer_list(items, self._call(batch_size, parameters))

    def check(self, items: Iterable[Any], **parameters: Any) -> None:
        """Check that all inputs can be answered, without running the model.

        Raises:
            ItemError: One cannot.
        """
        call = self._call(None, parameters)
        iterator, first = iter(items), 0
        while chunk := list(islice(iterator, call.ahead(lazy=False))):
            self._requests(chunk, first, call)
            first += len(chunk)

    def _call(self, batch_size: int | None, parameters: dict[str, Any]) -> Call[Options]:
        size = self.batch_size if batch_size is None else read_count("batch_size", batch_size)
        options = self.ready(merged(self.task, self.parameters, parameters))
        return Call(options, size, frozenset(parameters))

    def _answer_list(self, items: Sequence[Any], call: Call[Options]) -> list[Any]:
        return list(self._stream(iter(items), call, call.ahead(lazy=False)))

    def _answer_one(self, item: Any, call: Call[Options]) -> Any:
        try:
            return next(self._stream(iter([item]), call, ahead=1))
        except ItemError as error:
            raise InputError(error.reason) from None

    def _stream(self, items: Iterator[Any], call: Call[Options], ahead: int) -> Iterator[Any]:
        first = 0
        while chunk := list(islice(items, ahead)):
            requests = self._requests(chunk, first, call)
            rows = [row for request in requests for row in request.inputs]
            outputs = iter(run_sorted(self.model, rows, call.batch_size))
            for request in requests:
                yield self.answer(request, list(islice(outputs, len(request.inputs))), call.options)
            first += len(chunk)

    def _requests(self, chunk: list[Any], first: int, call: Call[Options]) -> list[Request]:
        options = call.options
        items = [
            _numbered(first + number, self.read, item, options) for number, item in enumerate(chunk)
        ]
        texts = [self.texts(item, options) for item in items]
        tokens = iter(
            self.builder.tokenize(
                [text for several in texts for text in several],
                offsets=self.needs_offsets,
                split_words=self.splits_words(options),
            )
        )
        return [
            _numbered(
                first + number, self.prepare, item, list(islice(tokens, len(several))), options
            )
            for number, (item, several) in enumerate(zip(items, texts, strict=True))
        ]


def _stream_of(inputs: Any) -> Iterator[Any] | None:
    """Return what gives one input after the other, or None for one input or a list."""
    if isinstance(inputs, Iterator):
        return inputs
    is_sized = hasattr(inputs, "__len__") and hasattr(inputs, "__getitem__")
    # A table of pandas has keys and is no Mapping: what it iterates over are names of columns.
    if not is_sized or isinstance(inputs, _NO_STREAMS) or hasattr(inputs, "keys"):
        return None
    by_number = (inputs[number] for number in range(len(inputs)))
    stream: Iterator[Any] = iter(inputs) if hasattr(inputs, "__iter__") else by_number
    return stream


def _numbered(position: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call, and say in an error which input it is about."""
    try:
        return function(*arguments)
    except InputError as error:
        raise ItemError(position, str(error)) from None


def run_sorted(
    model: Backend, rows: Sequence[ModelInput], batch_size: int | None = None
) -> list[Output]:
    """Run sequences in batches of similar length.

    Args:
        model: The backend.
        rows: The sequences.
        batch_size: Sequences per batch; by default as many as `TOKENS_PER_BATCH` allow.

    Returns:
        The outputs of each sequence, in the order of `rows` and without padding.
    """
    order = sorted(range(len(rows)), key=lambda number: len(rows[number].ids))
    outputs: list[Output] = [{}] * len(rows)
    for numbers in _batches(order, [len(rows[number].ids) for number in order], batch_size):
        results = _run_batch(model, [rows[number] for number in numbers])
        for number, result in zip(numbers, results, strict=True):
            outputs[number] = result
    return outputs


def _batches(order: list[int], lengths: list[int], size: int | None) -> Iterator[list[int]]:
    """Cut sequences, shortest first, into batches."""
    start = 0
    for end, length in enumerate(lengths):
        # With this one, the batch would be padded to `length`.
        padded = (end - start + 1) * length
        full = padded > TOKENS_PER_BATCH or end - start == LARGEST_BATCH
        if end > start and (end - start == size if size else full):
            yield order[start:end]
            start = end
    if start < len(order):
        yield order[start:]


def _run_batch(model: Backend, rows: list[ModelInput]) -> list[Output]:
    batch = TokenBatch.from_rows(
        [row.ids for row in rows], [row.types for row in rows], model.config.pad_token_id or 0
    )
    if model.task.choices:
        # Each choice runs as a question with one choice: [B, 1, S].
        batch = TokenBatch(
            batch.input_ids[:, None], batch.attention_mask[:, None], batch.token_type_ids[:, None]
        )
    positions = None
    if model.task.vocabulary:
        pairs = [(number, place) for number, row in enumerate(rows) for place in row.positions]
        positions = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    results = model.run(batch, positions)
    for name, array in results.items():
        if not np.isfinite(array).all():
            raise WeightsError(
                f"The model's {name} are not finite (NaN or infinite), so there is no answer: its "
                "weights are damaged, or too large for the dtype it computes in."
            )
    return [
        {name: _part(array, model.task.axes(name), number, rows) for name, array in results.items()}
        for number in range(len(rows))
    ]


def _part(array: FloatArray, axes: Axes, number: int, rows: list[ModelInput]) -> FloatArray:
    if axes is Axes.POSITIONS:
        start = sum(len(row.positions) for row in rows[:number])
        return array[start : start + len(rows[number].positions)]
    return array[number, : len(rows[number].ids)] if axes is Axes.TOKENS else array[number]
