"""Plain text to examples: paragraphs one after the other, in blocks as long as the model reads."""

from collections.abc import Iterator

from mobilebert.datasets.items import PlainItem
from mobilebert.pipelines.encoding import SequenceBuilder, TokenizedText, check_text
from mobilebert.training.encoder import Encoder, EncodingOptions, Noted, checked_tokens
from mobilebert.training.examples import NewExample
from mobilebert.training.labels import LabelNames

__all__ = ["BlocksEncoder"]


class BlocksEncoder(Encoder[PlainItem]):
    """Plain text: there is no target, because masks are drawn anew each time.

    Paragraphs are put one after the other with [SEP] between them, and cut where a block is full
    (Liu et al. 2019, arXiv:1907.11692, section 4.2: full sentences). A block belongs to the item
    in which it begins.
    """

    def __init__(
        self, builder: SequenceBuilder, options: EncodingOptions, labels: LabelNames = ()
    ) -> None:
        super().__init__(builder, options, labels)
        self._separator = builder.tokenizer.sep_token_id
        self._room = builder.room(options.max_length)
        self._ids: list[int] = []
        self._item = 0
        self._blocks = 0

    def texts(self, item: PlainItem) -> list[str]:
        """List the one text."""
        return [check_text(item.text)]

    def encode(self, item: PlainItem, tokens: list[TokenizedText], number: int) -> list[NewExample]:
        """Make the examples of the blocks that are full."""
        ids = checked_tokens(tokens[0], "text")
        self.note_length(len(ids))
        self.summary.noted[Noted.LONG] += len(ids) > self._room
        if not self._ids:
            self._begin(number)
        else:
            self._ids.append(self._separator)
        self._ids += ids
        return list(self._full_blocks(number))

    def finish(self) -> list[NewExample]:
        """Make the example of the last block, which is shorter."""
        return list(self._block(self._ids))

    def _begin(self, item: int) -> None:
        self._item, self._blocks = item, 0

    def _full_blocks(self, number: int) -> Iterator[NewExample]:
        start = 0
        while len(self._ids) - start > self._room:
            yield from self._block(self._ids[start : start + self._room])
            start += self._room
            if self._item != number:
                self._begin(number)
        del self._ids[:start]

    def _block(self, ids: list[int]) -> Iterator[NewExample]:
        # A separator at a border says nothing: special tokens stand there anyway.
        first = 1 if ids[:1] == [self._separator] else 0
        last = len(ids) - (ids[-1:] == [self._separator])
        if first < last:
            yield NewExample([self.builder.build(ids[first:last])], (), self._item, self._blocks)
            self._blocks += 1
