"""From files of text to prepared data: `mobilebert.prepare_pretraining`."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mobilebert.corpora.holding_out import Window, choose_held_out
from mobilebert.corpora.manifest import (
    Amount,
    Manifest,
    ShardRecord,
    SourceFile,
    SourceRecord,
    Split,
)
from mobilebert.corpora.preparation_directory import PreparationDirectory, Wanted
from mobilebert.corpora.preparation_result import PreparationResult
from mobilebert.corpora.progress import TextBar, tell
from mobilebert.corpora.scanning import file_digest, scan
from mobilebert.corpora.segments import Vocabulary
from mobilebert.corpora.settings import MaskingTime, PreparationSettings
from mobilebert.corpora.shards import SEQUENCE_FIELDS, id_type
from mobilebert.corpora.text_files import find_files, open_text
from mobilebert.corpora.text_sources import TextSource, group_files
from mobilebert.corpora.units import HeldOutCounts, Unit, make_units
from mobilebert.corpora.vocabulary_digest import vocabulary_digest
from mobilebert.corpora.workers import make_shards
from mobilebert.directory_lock import alone_in
from mobilebert.errors import InputError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.text import MobileBertTokenizerFast, PreTrainedTokenizer

__all__ = ["prepare_pretraining"]

# Fewer characters than this make no token, in alphabets; for how much room is needed on disk.
_CHARACTERS_OF_A_TOKEN = 3
_MOST_PROCESSES = 256

PathLike = str | os.PathLike[str]


def prepare_pretraining(
    input: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    tokenizer: PathLike | PreTrainedTokenizer = BUNDLED_MODEL,
    processes: int = 1,
    overwrite: bool = False,
    progress: bool = False,
    **settings: Any,
) -> PreparationResult:
    """Turn text into sequences to pre-train on.

    Text is .txt (one paragraph a line, an empty line between documents), .jsonl or .parquet (a
    document in each row), also compressed. What is written depends on the text, the tokenizer and
    the settings alone. An interrupted preparation goes on when it is called again.

    Args:
        input: Files, and directories of files.
        output: Directory for the data, which `PreparedCorpus.open` reads.
        tokenizer: Directory or Hub name of the model to be trained, or its tokenizer.
        processes: How many work at once. A script that asks for more than one does so below
            ``if __name__ == "__main__":``.
        overwrite: Whether data that are there are replaced.
        progress: Whether bars and facts are written to standard error.
        **settings: Those of `PreparationSettings`.

    Returns:
        What came of it.

    Raises:
        ArgumentError: There is no such setting.
        InputError: A value is not possible, text cannot be read or is too little, or the directory
            holds something else.
        CheckpointError: The directory cannot be written, or the disk is too full.
        TrainingError: A process was ended from outside.
    """
    began = time.monotonic()
    chosen = PreparationSettings.read(settings)
    if not isinstance(processes, int) or not 1 <= processes <= _MOST_PROCESSES:
        raise InputError(
            f"processes must be a whole number from 1 to {_MOST_PROCESSES}, not {processes!r}."
        )
    files = find_files([input] if isinstance(input, str | os.PathLike) else list(input))
    if isinstance(tokenizer, str | os.PathLike):
        tokenizer = MobileBertTokenizerFast.from_pretrained(tokenizer)
    _check_tokenizer(tokenizer)
    digests = {file: file_digest(file) for file in files}
    wanted = Wanted(chosen.as_json(), vocabulary_digest(tokenizer), tuple(digests.values()))
    directory = PreparationDirectory(Path(output))
    made = _Made()
    with alone_in(directory.path):
        manifest = directory.finished(wanted, overwrite=overwrite)
        if manifest is None:
            sources = _read_sources(files, chosen, progress)
            preparation = _Preparation(
                directory, tokenizer, chosen, sources, digests, wanted, processes, progress
            )
            manifest = preparation.run(made, overwrite=overwrite)
    return PreparationResult(
        directory.path, manifest, time.monotonic() - began, made.characters, made.tokens
    )


def _check_tokenizer(tokenizer: PreTrainedTokenizer) -> None:
    missing = [
        name
        for name in ("cls_token", "sep_token", "mask_token", "pad_token")
        if getattr(tokenizer, f"{name}_id") is None
    ]
    if missing:
        raise InputError(
            f"The tokenizer has no {' and no '.join(missing)}, which sequences to pre-train on "
            "need; make one with `mobilebert train-tokenizer`."
        )


def _read_sources(
    files: Sequence[Path], settings: PreparationSettings, progress: bool
) -> list[TextSource]:
    """Read all text once, and refuse what cannot be used."""
    scanned = []
    with TextBar("Reading", None, shown=progress) as bar:
        for file in files:
            text = open_text(file, encoding=settings.encoding, text_column=settings.text_column)
            scanned.append(scan(text, bar.read))
    sources = group_files(scanned)
    documents = sum(source.documents for source in sources)
    if settings.next_sentence and documents < 2:
        raise InputError(
            f"{files[0]} holds a single document (there is no empty line between paragraphs), and "
            "half of the pairs for next-sentence prediction need another one. Put empty lines "
            "between documents, or prepare single segments with --no-next-sentence."
        )
    if progress:
        tell(file.text.fact for file in scanned[:_FACTS])
        if len(scanned) > _FACTS:
            tell([f"... and {len(scanned) - _FACTS:,} more files."])
        characters = sum(source.characters for source in sources)
        tell([f"{documents:,} documents, {characters / 1e6:,.1f} million characters."])
        if empty := sum(file.text.left_out.rows for file in scanned):
            tell([f"Rows without text, which are left out: {empty:,}."])
    return sources


# Files about which it is said how they are read.
_FACTS = 20


@dataclass
class _Made:
    """What was made now, rather than before an interruption."""

    characters: int = 0
    tokens: int = 0


@dataclass
class _Preparation:
    """All that a preparation knows, once the text was read."""

    directory: PreparationDirectory
    tokenizer: PreTrainedTokenizer
    settings: PreparationSettings
    sources: list[TextSource]
    digests: Mapping[Path, str]
    wanted: Wanted
    processes: int
    progress: bool

    def run(self, made: _Made, *, overwrite: bool) -> Manifest:
        """Make all shards that are not there, and the manifest.

        Args:
            made: Counts what is made.
            overwrite: Whether what is there is replaced.
        """
        held_out = choose_held_out(self.sources, self.settings.held_out)
        self.directory.open(self.wanted, self._bytes(), overwrite=overwrite)
        counts = [HeldOutCounts() for _ in self.sources]
        shards: dict[str, ShardRecord] = {}
        characters = sum(source.characters for source in self.sources)
        try:
            with TextBar("Preparing", characters, shown=self.progress) as bar:
                units = self._open_units(held_out, counts, shards, bar)
                arguments = (self.tokenizer, self.settings, self.directory, self._key())
                for size, shard in make_shards(units, arguments, self.processes):
                    shards[shard.name] = shard
                    made.characters += size
                    made.tokens += shard.total.pieces
                    bar.read(size)
        except KeyboardInterrupt:
            if self.progress:
                tell(["Interrupted: what is finished is kept, and the same command goes on."])
            raise
        manifest = self._manifest(counts, [shards[name] for name in sorted(shards)])
        self.directory.finish(manifest)
        return manifest

    def _key(self) -> str:
        return json.dumps([self.settings.as_json(), self.wanted.vocabulary], sort_keys=True)

    def _open_units(
        self,
        held_out: Mapping[int, Window],
        counts: Sequence[HeldOutCounts],
        shards: dict[str, ShardRecord],
        bar: TextBar,
    ) -> Iterator[Unit]:
        """Yield the units whose shards are not there."""
        key = self._key()
        for unit in make_units(self.sources, held_out, counts):
            shard = self.directory.kept(unit.name, unit.fingerprint(key))
            if shard is None:
                yield unit
            else:
                shards[shard.name] = shard
                bar.read(unit.size)

    def _bytes(self) -> int:
        """Return how many bytes the shards will have, about."""
        settings = self.settings
        size = id_type(Vocabulary.of(self.tokenizer).size).itemsize
        tokens = sum(source.characters for source in self.sources) // _CHARACTERS_OF_A_TOKEN
        of_token = size + SEQUENCE_FIELDS.itemsize / settings.max_length
        if settings.masking is MaskingTime.STATIC:
            of_token += settings.masked_share * (size + 2)
        return round(tokens * settings.passes * of_token)

    def _manifest(self, counts: Sequence[HeldOutCounts], shards: list[ShardRecord]) -> Manifest:
        records = []
        for number, (source, held) in enumerate(zip(self.sources, counts, strict=True)):
            record = SourceRecord(
                source.name,
                tuple(
                    SourceFile(file.text.path.name, self.digests[file.text.path])
                    for file in source.files
                ),
                source.documents,
                source.characters,
                held.documents,
                held.parts,
                held.characters,
            )
            amounts = {
                split: sum(
                    (
                        shard.amounts.get(number, Amount())
                        for shard in shards
                        if shard.split is split
                    ),
                    Amount(),
                )
                for split in Split
            }
            records.append(
                replace(record, train=amounts[Split.TRAIN], held_out=amounts[Split.HELD_OUT])
            )
        manifest = Manifest(
            self.settings,
            self.wanted.vocabulary,
            Vocabulary.of(self.tokenizer).size,
            tuple(records),
            tuple(shards),
        )
        if not manifest.total(Split.TRAIN).sequences:
            raise InputError("The text gives no sequences: the tokenizer keeps nothing of it.")
        return manifest
