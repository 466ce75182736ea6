"""Last step of tokenization: from token ids to the rows a model reads."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mobilebert.errors import InputError
from mobilebert.text.encoding import BatchEncoding
from mobilebert.text.options import (
    Lengths,
    TensorType,
    TruncationStrategy,
    parse_choice,
    resolve_lengths,
)
from mobilebert.text.padding import pad_row, padded_length
from mobilebert.text.request import LENGTH_OPTIONS, Request
from mobilebert.text.signatures import PREPARING_OPTIONS, takes_options
from mobilebert.text.special_tokens import SpecialTokens
from mobilebert.text.tensors import tensor_type_of, to_python
from mobilebert.text.truncation import Cut, cut_to_fit

__all__ = ["ModelInputs"]

logger = logging.getLogger(__name__)


class ModelInputs(SpecialTokens):
    """Truncation, [CLS] and [SEP], token types, masks and padding of token ids."""

    # A tokenizer may have names of its own.
    model_input_names: list[str] = ["input_ids", "token_type_ids", "attention_mask"]  # noqa: RUF012
    padding_side: str = "right"
    truncation_side: str = "right"
    pad_token_type_id = 0
    split_special_tokens: bool = False
    model_max_length: int
    # Advice of transformers' tokenizers that is not given (again), by the names it has there.
    deprecation_warnings: dict[str, bool]
    _advice_given: set[str]

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Add [CLS] and [SEP]: ``[CLS] A [SEP]``, or ``[CLS] A [SEP] B [SEP]`` for a pair.

        Args:
            token_ids_0: Ids of the first sequence.
            token_ids_1: Ids of the second sequence.

        Returns:
            The ids a model reads.
        """
        cls, sep = self._special_id("cls"), self._special_id("sep")
        row = [*cls, *token_ids_0, *sep]
        return row if token_ids_1 is None else [*row, *token_ids_1, *sep]

    def create_token_type_ids_from_sequences(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return the token types of a row: 0 for ``[CLS] A [SEP]``, 1 for ``B [SEP]``.

        Args:
            token_ids_0: Ids of the first sequence.
            token_ids_1: Ids of the second sequence.

        Returns:
            One type for each id of `build_inputs_with_special_tokens`.
        """
        cls, sep = len(self._special_id("cls")), len(self._special_id("sep"))
        second = 0 if token_ids_1 is None else len(token_ids_1) + sep
        return [0] * (cls + len(token_ids_0) + sep) + [1] * second

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Return 1 for special tokens and 0 for the others.

        Args:
            token_ids_0: Ids of the first sequence.
            token_ids_1: Ids of the second sequence.
            already_has_special_tokens: Whether `token_ids_0` is a whole row, special tokens
                included.

        Returns:
            One number for each id of the row.

        Raises:
            InputError: A second sequence is given beside a whole row.
        """
        if already_has_special_tokens:
            if token_ids_1 is not None:
                raise InputError(
                    "With already_has_special_tokens=True the first list is the whole row; "
                    "leave token_ids_1 out."
                )
            special = set(self.all_special_ids)
            return [int(id_ in special) for id_ in to_python(token_ids_0)]
        cls, sep = [1] * len(self._special_id("cls")), [1] * len(self._special_id("sep"))
        mask = [*cls, *([0] * len(token_ids_0)), *sep]
        return mask if token_ids_1 is None else [*mask, *([0] * len(token_ids_1)), *sep]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Return how many special tokens a row gets: 2 for a text, 3 for a pair."""
        return len(self.build_inputs_with_special_tokens([], [] if pair else None))

    def _special_id(self, name: str) -> list[int]:
        id_ = getattr(self, f"{name}_token_id")
        return [] if id_ is None else [id_]

    def truncate_sequences(
        self,
        ids: list[int],
        pair_ids: list[int] | None = None,
        num_tokens_to_remove: int = 0,
        truncation_strategy: str | TruncationStrategy = "longest_first",
        stride: int = 0,
    ) -> tuple[list[int], list[int] | None, list[int]]:
        """Shorten a sequence or a pair.

        Args:
            ids: Ids of the first sequence.
            pair_ids: Ids of the second sequence.
            num_tokens_to_remove: Number of tokens to remove.
            truncation_strategy: Which sequence to shorten.
            stride: Kept tokens that are reported as overflowing too.

        Returns:
            What stays of both, and the overflowing ids (none for a pair with
            ``"longest_first"``).
        """
        strategy = parse_choice(TruncationStrategy, truncation_strategy, "truncation_strategy")
        lengths = (len(ids), None if pair_ids is None else len(pair_ids))
        cut = cut_to_fit(lengths, num_tokens_to_remove, strategy, stride, self.truncation_side)
        overflow = ((pair_ids if cut.overflow_of else ids) or [])[cut.overflow]
        return ids[cut.first], None if pair_ids is None else pair_ids[cut.second], overflow

    @takes_options(*PREPARING_OPTIONS)
    def prepare_for_model(
        self,
        ids: list[int],
        pair_ids: list[int] | None = None,
        add_special_tokens: bool = True,
        *,
        prepend_batch_axis: bool = False,
        **options: Any,
    ) -> BatchEncoding:
        """Make one row of ids that are already known.

        Args:
            ids: Ids of the first sequence.
            pair_ids: Ids of the second sequence.
            add_special_tokens: Whether to add [CLS] and [SEP].
            prepend_batch_axis: Whether tensors get a first axis of size 1.
            **options: The options of ``__call__``.

        Returns:
            The row's model inputs.
        """
        request = self._request(add_special_tokens=add_special_tokens, **options)
        row, _ = self._row(ids, pair_ids, request)
        return BatchEncoding(
            self._finished_row(row, request),
            tensor_type=request.return_tensors,
            prepend_batch_axis=prepend_batch_axis,
        )

    def _request(self, **options: Any) -> Request:
        """Read the options of a call, of which all have defaults."""
        verbose = options.get("verbose", True)
        lengths = {name: options.pop(name) for name in LENGTH_OPTIONS if name in options}
        options = {"split_special_tokens": self.split_special_tokens, **options}
        return Request.of(self._lengths(**lengths), {**options, "verbose": verbose})

    def _lengths(
        self,
        padding: Any = False,
        truncation: Any = None,
        max_length: int | None = None,
        stride: int = 0,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        verbose: bool = True,
    ) -> Lengths:
        lengths = resolve_lengths(
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=self.padding_side if padding_side is None else padding_side,
            truncation_side=self.truncation_side,
            model_max_length=self.model_max_length,
            verbose=verbose,
            said=self._advice_given,
        )
        if lengths.pads and self.pad_token is None:
            raise InputError(
                "This tokenizer has no padding token; set one with "
                "tokenizer.add_special_tokens({'pad_token': '[PAD]'})."
            )
        return lengths

    def _row(
        self, ids: list[int], pair_ids: list[int] | None, request: Request
    ) -> tuple[dict[str, Any], Cut]:
        """Truncate and add special tokens; neither padding nor attention mask yet."""
        lengths = request.lengths
        if (
            request.return_overflowing_tokens
            and lengths.truncation is TruncationStrategy.LONGEST_FIRST
            and pair_ids is not None
        ):
            raise InputError(
                "Overflowing tokens of a pair are not defined for 'longest_first'; use "
                "truncation='only_first' or 'only_second'."
            )
        pair = pair_ids is not None
        special = self.num_special_tokens_to_add(pair) if request.add_special_tokens else 0
        total = len(ids) + len(pair_ids or ()) + special
        limit = lengths.max_length
        cut = cut_to_fit(
            (len(ids), len(pair_ids) if pair_ids is not None else None),
            total - limit if limit else 0,
            lengths.truncation,
            lengths.stride,
            lengths.truncation_side,
        )
        row: dict[str, Any] = {}
        if request.return_overflowing_tokens:
            overflowing = pair_ids or [] if cut.overflow_of else ids
            row["overflowing_tokens"] = overflowing[cut.overflow]
            row["num_truncated_tokens"] = 0 if limit is None else total - limit
        first = ids[cut.first]
        second = None if pair_ids is None else pair_ids[cut.second]
        self._add_columns(row, first, second, request)
        self._advise_on_length(len(row[self.model_input_names[0]]), request)
        return row, cut

    def _add_columns(
        self, row: dict[str, Any], first: list[int], second: list[int] | None, request: Request
    ) -> None:
        wanted = request.return_token_type_ids
        types = "token_type_ids" in self.model_input_names if wanted is None else wanted
        if request.add_special_tokens:
            sequence = self.build_inputs_with_special_tokens(first, second)
            type_ids = self.create_token_type_ids_from_sequences(first, second)
            mask = self.get_special_tokens_mask(first, second)
        else:
            sequence = [*first, *(second or ())]
            # Unless asked for by name, all zero, as transformers' pure-Python tokenizers have it.
            type_ids = [0] * len(first) + [int(bool(wanted))] * len(second or ())
            mask = [0] * len(sequence)
        row[self.model_input_names[0]] = sequence
        if types:
            row["token_type_ids"] = type_ids
        if request.return_special_tokens_mask:
            row["special_tokens_mask"] = mask

    def _advise_on_length(self, length: int, request: Request) -> None:
        advice = "sequence-length-is-longer-than-the-specified-maximum"
        if (
            request.verbose
            and request.lengths.max_length is None
            and 0 < self.model_max_length < length
            and not self.deprecation_warnings.get(advice, False)
        ):
            self.deprecation_warnings[advice] = True
            logger.warning(
                "A text has %d tokens, more than the %d the model can read; use truncation=True.",
                length,
                self.model_max_length,
            )

    def _finished_row(self, row: dict[str, Any], request: Request) -> dict[str, Any]:
        """Pad one row on its own and add its attention mask and length."""
        mask = self._wants_mask(request.return_attention_mask)
        if not row[self.model_input_names[0]]:
            # A row without any token is not padded when it stands alone (as in transformers).
            row = {**row, "attention_mask": []} if mask else row
        elif mask or request.lengths.pads:
            length = len(row[self.model_input_names[0]])
            row = self._padded(row, request.lengths, length, mask)
        if request.return_length:
            row["length"] = len(row[self.model_input_names[0]])
        return row

    def _wants_mask(self, wanted: bool | None) -> bool:
        return "attention_mask" in self.model_input_names if wanted is None else wanted

    def _padded(
        self, row: Mapping[str, Any], lengths: Lengths, longest: int, mask: bool
    ) -> dict[str, Any]:
        ids = self.model_input_names[0]
        present = len(row[ids])
        fillers: dict[str, Any] = {
            ids: self.pad_token_id,
            "token_type_ids": self.pad_token_type_id,
            "special_tokens_mask": 1,
        }
        row = dict(row)
        if mask:
            fillers["attention_mask"] = 0
            row.setdefault("attention_mask", [1] * present)
        missing = padded_length(lengths, present, longest) - present
        return pad_row(row, missing, lengths.padding_side, fillers)

    def pad(
        self,
        encoded_inputs: Any,
        padding: Any = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | TensorType | None = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Pad encoded rows to one length.

        Args:
            encoded_inputs: One row or a batch as a dictionary, or a list of rows; lists or
                tensors. It is not changed.
            padding: True or ``"longest"``, ``"max_length"``, or False.
            max_length: Length in tokens for ``"max_length"``.
            pad_to_multiple_of: Round the length up to a multiple of this.
            padding_side: ``"left"`` or ``"right"``; the tokenizer's own side by default.
            return_attention_mask: Whether to add ``attention_mask``.
            return_tensors: ``"np"``, ``"pt"`` or ``"tf"``; tensors stay what they were.
            verbose: Whether to log advice.

        Returns:
            The padded rows.

        Raises:
            InputError: There are no input ids, or rows of unequal number.
        """
        columns, tensors = self._columns(encoded_inputs, return_tensors)
        ids = self.model_input_names[0]
        mask = self._wants_mask(return_attention_mask)
        if not columns[ids]:
            if return_attention_mask:
                columns["attention_mask"] = []
            return BatchEncoding(columns)
        lengths = self._lengths(
            padding=padding,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            verbose=verbose,
        )
        if not isinstance(columns[ids][0], (list, tuple)):
            row = self._padded(columns, lengths, len(columns[ids]), mask)
            return BatchEncoding(row, tensor_type=tensors)
        return BatchEncoding(self._padded_batch(columns, lengths, mask), tensor_type=tensors)

    def _columns(
        self, encoded: Any, return_tensors: str | TensorType | None
    ) -> tuple[dict[str, Any], str | TensorType | None]:
        if isinstance(encoded, (list, tuple)) and encoded and isinstance(encoded[0], Mapping):
            encoded = {name: [row[name] for row in encoded] for name in encoded[0]}
        ids = self.model_input_names[0]
        if not isinstance(encoded, Mapping) or ids not in encoded:
            names = list(encoded) if isinstance(encoded, Mapping) else type(encoded).__name__
            raise InputError(
                f"pad needs a dictionary or a list of dictionaries with {ids!r}, not {names}."
            )
        content = encoded[ids]
        first = content[0] if isinstance(content, (list, tuple)) and content else content
        tensors = return_tensors or tensor_type_of(first)
        return {name: to_python(value) for name, value in encoded.items()}, tensors

    def _padded_batch(
        self, columns: Mapping[str, Sequence[Any]], lengths: Lengths, mask: bool
    ) -> dict[str, list[Any]]:
        ids = columns[self.model_input_names[0]]
        uneven = [name for name, values in columns.items() if len(values) != len(ids)]
        if uneven:
            raise InputError(f"{uneven[0]!r} has {len(columns[uneven[0]])} rows, not {len(ids)}.")
        longest = max(map(len, ids))
        padded: dict[str, list[Any]] = {}
        for index in range(len(ids)):
            row = {name: values[index] for name, values in columns.items()}
            for name, values in self._padded(row, lengths, longest, mask).items():
                padded.setdefault(name, []).append(values)
        return padded
