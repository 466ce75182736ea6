"""Fill-mask: the words that fit where [MASK] stands."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mobilebert.backend import Backend
from mobilebert.errors import InputError
from mobilebert.pipelines.encoding import ModelInput, TokenizedText, check_text
from mobilebert.pipelines.parameters import LengthOptions, read_count, read_texts
from mobilebert.pipelines.pipeline import Call, Output, Pipeline, Request
from mobilebert.pipelines.scores import best, softmax

__all__ = ["FillMaskParameters", "FillMaskPipeline"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FillMaskParameters:
    """Parameters of fill-mask.

    Attributes:
        top_k: How many words to return.
        targets: Words to choose from; all by default. A word that is no token stands for its first
            token.
        truncation: Whether a text that is too long is cut; an error by default.
        max_length: Longest sequence in tokens.
        tokenizer_kwargs: The last two as a dictionary.
    """

    top_k: int = 5
    targets: str | Iterable[str] | None = None
    truncation: bool | str | None = None
    max_length: int | None = None
    tokenizer_kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        read_count("top_k", 5 if self.top_k is None else self.top_k)
        if self.targets is not None:
            words = [self.targets] if isinstance(self.targets, str) else self.targets
            targets = read_texts("targets", words, "words, or one word")
            if not targets:
                raise InputError("targets must be one word or several, not an empty list.")
            object.__setattr__(self, "targets", targets)
        if self.top_k is None:
            object.__setattr__(self, "top_k", 5)
        _ = self.lengths

    @property
    def lengths(self) -> LengthOptions:
        """Whether texts are cut."""
        return LengthOptions.read(self.truncation, self.max_length, self.tokenizer_kwargs)


@dataclass(frozen=True, kw_only=True)
class _Asked(FillMaskParameters):
    """The parameters of one call, and the ids of its targets."""

    target_ids: Any = None


class FillMaskPipeline(Pipeline[FillMaskParameters]):
    """Fills [MASK] in texts; the shapes of transformers' pipeline of the same name.

    Each input is a text with at least one [MASK]. The answer is a list of
    ``{"score", "token", "token_str", "sequence"}``, best first, and with several [MASK] one such
    list for each of them. Vocabulary logits are computed at the masks only.

    Raises:
        InputError: The tokenizer has no mask token.
    """

    task: ClassVar[str] = "fill-mask"
    defaults: ClassVar[FillMaskParameters] = FillMaskParameters()

    def __init__(self, model: Backend, tokenizer: Any, **parameters: Any) -> None:
        super().__init__(model, tokenizer, **parameters)
        if tokenizer.mask_token_id is None:
            raise InputError("The tokenizer has no mask token, so it cannot be used to fill masks.")

    def ready(self, options: FillMaskParameters) -> FillMaskParameters:
        """Look up the targets, once for all inputs.

        Raises:
            InputError: None of them has a token.
        """
        if options.targets is None:
            return options
        return _Asked(**vars(options), target_ids=self._target_ids(tuple(options.targets)))

    def read(self, item: Any, options: FillMaskParameters) -> str:
        """Check that the input is a text."""
        return check_text(item)

    def texts(self, item: str, options: FillMaskParameters) -> list[str]:
        """List the one text."""
        return [item]

    def prepare(
        self, item: str, tokens: list[TokenizedText], options: FillMaskParameters
    ) -> Request:
        """Build the sequence and find its masks.

        Raises:
            InputError: There is no mask, or the text is too long.
        """
        mask, mask_id = self.tokenizer.mask_token, self.tokenizer.mask_token_id
        if mask_id not in tokens[0].ids:
            raise InputError(
                f"There is no {mask} in {item!r:.60}; write {mask} for the word asked."
            )
        row = self.builder.fit(tokens[0].ids, None, options.lengths)
        places = tuple(place for place, id_ in enumerate(row.ids) if id_ == mask_id)
        if not places:
            raise InputError(f"{mask} stands behind the part of the text that fits into the model.")
        return Request([ModelInput(row.ids, row.types, places)])

    def answer(self, request: Request, outputs: list[Output], options: FillMaskParameters) -> Any:
        """Rank the words for each mask."""
        row = request.inputs[0]
        scores = softmax(outputs[0][self.model.task.emits[0]])  # [M, V]
        targets = options.target_ids if isinstance(options, _Asked) else None
        single = len(row.positions) == 1
        results = []
        for place, row_scores in zip(row.positions, scores, strict=True):
            ids = np.arange(len(row_scores)) if targets is None else targets
            found = [int(ids[n]) for n in best(row_scores[ids], options.top_k)]
            results.append([self._filled(row.ids, place, id_, row_scores, single) for id_ in found])
        return results[0] if single else results

    def _filled(
        self, ids: list[int], place: int, id_: int, scores: Any, single: bool
    ) -> dict[str, Any]:
        filled = [*ids[:place], id_, *ids[place + 1 :]]
        shown = [number for number in filled if number != self.tokenizer.pad_token_id]
        return {
            "score": float(scores[id_]),
            "token": id_,
            "token_str": self.tokenizer.decode([id_]),
            # With several masks, skipping special tokens would hide the other masks.
            "sequence": self.tokenizer.decode(shown, skip_special_tokens=single),
        }

    def _target_ids(self, targets: tuple[str, ...]) -> Any:
        vocabulary = self.tokenizer.get_vocab()
        ids = []
        for word in targets:
            id_ = vocabulary.get(word)
            if id_ is None:
                pieces = self.builder.tokenize([word])[0].ids
                if not pieces:
                    logger.warning("The target %r has no tokens and is left out.", word)
                    continue
                id_ = pieces[0]
                token = self.tokenizer.convert_ids_to_tokens(id_)
                logger.warning("The target %r is no token; %r stands for it.", word, token)
            if id_ not in ids:
                ids.append(id_)
        if not ids:
            raise InputError(f"None of the targets {', '.join(targets)!r} has a token.")
        return np.asarray(ids)

    def present(self, inputs: Any, answers: Any, several: bool, call: Call[Any]) -> Any:
        """Unwrap a list of one text, as transformers does."""
        return answers[0] if several and len(inputs) == 1 else answers
