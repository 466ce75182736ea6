"""Texts with several continuations to examples of as many sequences."""

from dataclasses import replace

from mobilebert.datasets.items import ChoiceItem, FinetuneTask
from mobilebert.datasets.problems import ProblemKind, RowError
from mobilebert.pipelines.encoding import TokenizedText, check_text
from mobilebert.training.encoder import Encoder, Noted, checked_tokens
from mobilebert.training.encoding_texts import pair_rows
from mobilebert.training.examples import NewExample
from mobilebert.training.long_texts import treatment_of

__all__ = ["ChoicesEncoder"]


class ChoicesEncoder(Encoder[ChoiceItem]):
    """Texts with choices: a sequence for each, and the target is the number of the right one.

    All choices are weighed against each other, so there are no windows: with `LongText.WINDOW` too
    the longer of text and choice is cut.
    """

    def texts(self, item: ChoiceItem) -> list[str]:
        """List the text and its choices."""
        choices = [check_text(choice, "choice") for choice in item.choices]
        return [check_text(item.prompt), *choices]

    def encode(
        self, item: ChoiceItem, tokens: list[TokenizedText], number: int
    ) -> list[NewExample]:
        """Make one example."""
        if item.label is None:
            raise RowError(ProblemKind.MISSING_LABEL, "It is not said which choice is right.")
        if not 0 <= item.label < len(item.choices):
            raise RowError(
                ProblemKind.BAD_CHOICE,
                f"The choice {item.label} is right, but there are {len(item.choices)}, counted "
                "from 0.",
            )
        text = checked_tokens(tokens[0], "text")
        choices = [checked_tokens(choice, "choice") for choice in tokens[1:]]
        treatment = treatment_of(FinetuneTask.MULTIPLE_CHOICE, self.options.long_text)
        options = replace(self.options, long_text=treatment)
        room = self.builder.room(options.max_length, pair=True)
        length = len(text) + max(map(len, choices))
        self.note_length(length, pair=True)
        self.summary.noted[Noted.LONG] += length > room
        rows = [row for choice in choices for row in pair_rows(self.builder, text, choice, options)]
        return [NewExample(rows, (item.label,), number)]
