from mobilebert.hub import BUNDLED_MODEL
from mobilebert.pipelines.encoding import SequenceBuilder
from mobilebert.text import MobileBertTokenizerFast


class CountingTokenizer:
    """Remembers what it was asked to tokenize."""

    def __init__(self):
        self.inside = MobileBertTokenizerFast.from_pretrained(BUNDLED_MODEL)
        self.texts = []

    def __getattr__(self, name):
        return getattr(self.inside, name)

    def __call__(self, texts, **options):
        self.texts += texts
        return self.inside(texts, **options)


def test_equal_texts_are_tokenized_once():
    tokenizer = CountingTokenizer()
    builder = SequenceBuilder(tokenizer, 512)
    found = builder.tokenize(["b", "a a", "b", "c", "a a"], offsets=True)
    assert tokenizer.texts == ["b", "a a", "c"]
    assert [tokens.ids for tokens in found] == [[1038], [1037, 1037], [1038], [1039], [1037, 1037]]
    assert found[1].offsets == [(0, 1), (2, 3)]


def test_equal_lists_of_words_are_tokenized_too():
    builder = SequenceBuilder(CountingTokenizer(), 512)
    found = builder.tokenize([["a", "b"], ["a", "b"]], offsets=True, split_words=True)
    assert [tokens.words for tokens in found] == [[0, 1]] * 2
