"""The files of English prose that recipes learn from, with the licences that allow it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LICENSED", "CorpusFile", "files_of"]


@dataclass(frozen=True)
class CorpusFile:
    """A file of a corpus: one paragraph a line, an empty line between documents.

    Attributes:
        what: What it holds.
        licence: Under which terms.
        megabytes: Its size as text.
    """

    what: str
    licence: str
    megabytes: float


_PUBLIC = "public domain"
_MARKED_UP = "public domain; mark-up CC BY 4.0"
_WIKIPEDIA = "CC BY-SA 4.0"

# Name, without .txt.xz, of the files that a published model may be made of. News, speeches and web
# text (nltk_prose) and quotations (fortunes) are of partly unstated licence, and not here.
LICENSED: dict[str, CorpusFile] = {
    "novels100": CorpusFile("English novels", _PUBLIC, 77),
    "litbank": CorpusFile("English novels and stories", _MARKED_UP, 50),
    "eltec": CorpusFile("English novels, 1840-1920", _MARKED_UP, 49),
    "gutenberg98": CorpusFile("English books", _PUBLIC, 41),
    "perseus_eng": CorpusFile("English translations of classics", "CC BY-SA 4.0", 34),
    "wordnet_glosses": CorpusFile("definitions and examples", "WordNet licence", 11),
    "openstax_ccby": CorpusFile("textbooks", "CC BY 4.0", 10),
    "wiki_vital_summaries": CorpusFile("lead sections of Wikipedia", _WIKIPEDIA, 4.8),
    "wiki_split_sentences": CorpusFile("sentences of Wikipedia", _WIKIPEDIA, 2.7),
    "factbook": CorpusFile("World Factbook", _PUBLIC, 2.5),
}


def files_of(data: Path, names: Iterable[str]) -> list[str]:
    """Return the paths of files of the corpus.

    Args:
        data: The directory of all data sets.
        names: Names in `LICENSED`.
    """
    assert set(names) <= LICENSED.keys()
    return [str(data / "corpus" / f"{name}.txt.xz") for name in names]
