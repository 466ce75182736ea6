"""What came of preparing data, for people and programs."""

from dataclasses import dataclass
from pathlib import Path

from mobilebert.corpora.manifest import Manifest, SourceRecord, Split

__all__ = ["PreparationResult"]


@dataclass(frozen=True)
class PreparationResult:
    """What came of preparing data.

    Attributes:
        directory: Where the data are.
        manifest: What the directory holds.
        seconds: How long it took.
        characters: Of text that was turned into sequences now; what was there from before an
            interruption is not counted.
        pieces: Tokens of that text.
    """

    directory: Path
    manifest: Manifest
    seconds: float
    characters: int
    pieces: int

    @property
    def sequences(self) -> int:
        """Sequences to train on."""
        return self.manifest.total(Split.TRAIN).sequences

    @property
    def held_out_sequences(self) -> int:
        """Sequences to judge by."""
        return self.manifest.total(Split.HELD_OUT).sequences

    @property
    def documents(self) -> int:
        """Documents that were read."""
        return sum(source.documents for source in self.manifest.sources)

    @property
    def megabytes_per_second(self) -> float:
        """Million characters of text a second, reading included."""
        return self.characters / 1e6 / max(self.seconds, 1e-9)

    @property
    def tokens_per_second(self) -> float:
        """Tokens of text a second, reading included."""
        return self.pieces / max(self.seconds, 1e-9)

    def summary(self) -> str:
        """Say it in a table and some sentences."""
        train, held = (self.manifest.total(split) for split in Split)
        width = max(len(source.name) for source in self.manifest.sources)
        width = max(width, len("source"))
        lines = [
            f"{'source':{width}}  {'documents':>9}  {'M characters':>12}  {'M tokens':>8}  "
            f"{'sequences':>9}  {'held out':>20}",
            *(_line(source, width) for source in self.manifest.sources),
            f"{train.sequences:,} sequences to train on ({train.tokens / 1e6:,.1f} million "
            f"tokens), {held.sequences:,} held out ({held.tokens / 1e6:,.2f} million).",
        ]
        if self.characters:
            lines.append(
                f"{self.seconds:,.1f} s, {self.megabytes_per_second:,.2f} MB of text and "
                f"{self.tokens_per_second:,.0f} tokens a second."
            )
        else:
            lines.append("Nothing was to be done: the same data were there.")
        lines.append(f"Data: {self.directory}")
        return "\n".join(lines)


def _line(source: SourceRecord, width: int) -> str:
    tokens = (source.train.pieces + source.held_out.pieces) / 1e6
    parts = [f"{source.held_out_documents} documents"] * bool(source.held_out_documents)
    parts += ["a part"] * bool(source.held_out_parts)
    held = f"{source.held_out_share:.2%}" + (f" ({' and '.join(parts)})" if parts else "")
    return (
        f"{source.name:{width}}  {source.documents:>9,}  {source.characters / 1e6:>12,.2f}  "
        f"{tokens:>8,.2f}  {source.train.sequences:>9,}  {held:>20}"
    )
