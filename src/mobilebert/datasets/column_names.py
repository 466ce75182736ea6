"""What people call the columns of their data."""

import re

__all__ = [
    "CHOICE_COLUMN",
    "FIELDS",
    "PAIRS",
    "PROMPTS",
    "TARGETS",
    "is_known",
    "is_no_class",
    "plain_name",
]

# All names here are plain (`plain_name`), those that tell most first.
FIELDS: dict[str, tuple[str, ...]] = {
    "text": (
        *("text", "texts", "sentence", "review", "reviewtext", "document", "content", "comment"),
        *("commenttext", "reviews", "body", "message", "tweet", "post", "utterance", "sms"),
        *("article", "passage", "abstract", "description", "headline", "query", "question"),
        *("title", "텍스트", "문장", "리뷰", "내용", "댓글", "본문"),
    ),
    "label": (
        *("label", "labels", "class", "category", "sentiment", "target", "intent", "emotion"),
        *("emotions", "goldlabel", "quality", "polarity", "topic", "genre", "tag", "tags"),
        *("labelid", "classlabel", "rating", "stars", "score", "isspam", "spam", "toxic", "y"),
        *("라벨", "레이블", "감정", "감성", "평점", "별점", "점수"),
    ),
    "words": ("tokens", "words", "token", "word"),
    "tags": ("tags", "nertags", "labels", "tag", "ner", "label", "entities"),
    "spans": ("entities", "spans", "label", "labels", "annotations"),
    "question": ("question", "query"),
    "context": ("context", "passage", "paragraph", "document", "text"),
    "answers": ("answers", "answer", "answertext"),
    "answer_start": ("answerstart", "start", "answeroffset", "offset"),
    "choices": ("choices", "options", "endings", "answers", "candidates"),
    "answer": (
        *("label", "answer", "answerkey", "correct", "correctanswer", "gold", "goldlabel"),
        *("target", "answerright", "correctlabel", "answerindex", "correctindex"),
    ),
}
"""Field -> names of columns that hold it."""

# Numbers are called differently than classes.
TARGETS = (
    *("score", "similarity", "rating", "target", "value", "stars", "grade", "label", "labels"),
    *("similarityscore", "relatednessscore", "relevance", "y", "평점", "별점", "점수", "라벨"),
)
"""Names of columns that hold a number to predict."""

PAIRS = (
    ("text", "textpair"),
    ("text", "pair"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("text1", "text2"),
    ("texta", "textb"),
    ("sentencea", "sentenceb"),
    ("1string", "2string"),
    ("s1", "s2"),
    ("q1", "q2"),
    ("question", "sentence"),
    ("query", "passage"),
    ("query", "document"),
    ("claim", "evidence"),
)
"""Names of two columns that hold a pair of texts."""

PROMPTS = (
    ("context", "question"),
    ("passage", "question"),
    ("article", "question"),
    ("premise", "question"),
    ("reason", "claim"),
    ("prompt",),
    ("question",),
    ("startphrase",),
    ("sent1", "sent2"),
    ("questionstem",),
    ("context",),
    ("ctx",),
    ("premise",),
    ("sentence",),
    ("text",),
)
"""Names of the columns before the choices; several are joined."""

CHOICE_COLUMN = re.compile(
    "(choice|option|answer|ending|warrant|alternative|candidate|hypothesis|sol|opt)([0-9]|[a-j])"
)
"""Matches the plain name of a column that holds one choice: what it is called, and which it is."""

# What classes are called too: of messages, of parts of a document or an argument, of answers, of
# what a review or a question is about.
_CLASSES = {
    *("spam", "isspam", "toxic", "correct", "gold", "message", "sms", "post", "tweet", "comment"),
    *("body", "title", "abstract", "headline", "article", "document", "passage", "description"),
    *("query", "question", "answer", "entities", "quality", "topic", "emotion", "intent", "genre"),
}
_OTHERS = {"id", "index", "idx", "date", "name", "user", "author", "lang", "language", "source"}
_KNOWN = (_OTHERS.union(TARGETS, *FIELDS.values(), *PAIRS, *PROMPTS) - {"y", "start", "opt"}) | {
    "answerstart"
}
_NO_CLASSES = _KNOWN.intersection({"id", "index", "idx"}.union(*FIELDS.values())) - _CLASSES


def plain_name(name: str) -> str:
    """Take away what names differ in without meaning: case, blanks, signs."""
    return "".join(character for character in name.casefold() if character.isalnum())


def is_no_class(name: str) -> bool:
    """Tell whether columns are called so, and classes are not."""
    return plain_name(name) in _NO_CLASSES


def is_known(name: str) -> bool:
    """Tell whether columns are called so."""
    plain = plain_name(name)
    return plain in _KNOWN or CHOICE_COLUMN.fullmatch(plain) is not None
