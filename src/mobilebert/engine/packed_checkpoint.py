"""From a checkpoint's name to a packed model: mapped from the cache, or read, packed and kept."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mobilebert.checkpoint import Checkpoint, LoadReport, load_checkpoint
from mobilebert.checkpoint.reading import (
    STANDARD_FORMATS,
    WeightsOptions,
    load_config,
    weights_files,
)
from mobilebert.config import MobileBertConfig
from mobilebert.engine.accuracy import Measurement, candidates, decide, from_facts, to_facts
from mobilebert.engine.bundled_measurements import bundled_measurements
from mobilebert.engine.cache import PackPlace, cache_directory, file_states
from mobilebert.engine.pack_file import Pack, PackError, check_arrays, open_pack
from mobilebert.engine.packed_model import Choice, PackedModel, choose, fold_model
from mobilebert.engine.packing import Recipe, pack_program
from mobilebert.engine.program import Program
from mobilebert.hub import HubOptions
from mobilebert.tasks import TaskSpec

__all__ = ["Inspect", "LoadedModel", "PackedCheckpoint", "measured_of"]

logger = logging.getLogger(__name__)

# Is told how a checkpoint fits its model.
Inspect = Callable[[LoadReport, MobileBertConfig], None]

# Keywords of `load_checkpoint` besides the lookup options.
_KEYWORDS = {*WeightsOptions.__dataclass_fields__, "config", "formats", "ignore_mismatched_sizes"}


@dataclass(frozen=True)
class LoadedModel:
    """A model that came from a checkpoint.

    Attributes:
        config: Its configuration.
        packed: What runs.
        pack: The file it is mapped from or was kept in; None where it could not be kept.
    """

    config: MobileBertConfig
    packed: PackedModel
    pack: Path | None


class PackedCheckpoint:
    """A checkpoint for one task, with its packs.

    Args:
        name_or_path: As for `load_checkpoint`.
        task: The row of the task table.
        options: The keywords of `load_checkpoint`.

    Attributes:
        files: Its weights files; empty where there is no cache.
        place: Where its packs lie; None where there is no cache.

    Raises:
        CheckpointError: There is no such checkpoint.
        ConfigError: Its configuration describes no possible MobileBERT.
    """

    def __init__(
        self, name_or_path: str | os.PathLike[str], task: TaskSpec, options: Mapping[str, Any]
    ) -> None:
        self.name, self.task, self._options = name_or_path, task, dict(options)
        self._as_published = options.get("config") is None
        self.files: tuple[Path, ...] = ()
        directory = cache_directory()
        known = {*HubOptions.__dataclass_fields__, *_KEYWORDS}
        # An unknown keyword is refused by `load_checkpoint`, which is then what runs.
        usable = directory if options.keys() <= known else None
        self.place = None if usable is None else self._find_place(usable)

    def _find_place(self, directory: Path) -> PackPlace | None:
        options = self._options
        hub = HubOptions(**_chosen(HubOptions, options))
        weights = WeightsOptions(**_chosen(WeightsOptions, options))
        own = options.get("config") is None
        if own:
            options["config"] = load_config(self.name, hub)
        formats = options.get("formats", STANDARD_FORMATS)
        self.files = weights_files(self.name, weights, hub, formats=formats)
        try:
            return PackPlace.of(directory, self.files, options["config"], self.task, own_config=own)
        except OSError as error:
            logger.info("No pack of %s is looked for: %s.", self.name, error)
            return None

    def find(self, dtype: str, isa: str) -> Pack | None:
        """Open the pack that would run.

        Args:
            dtype: An element type of the instruction set, or auto.
            isa: The instruction set.
        """
        if self.place is None:
            return None
        if dtype != "auto":
            return self.place.find(dtype, isa)
        wanted = candidates(isa)
        for name in (*wanted, "float32"):
            pack = self.place.find(name, isa)
            if pack is not None and decide(wanted, measured_of(pack)) == name:
                return pack
        return None

    def load(self, dtype: str, isa: str, threads: int, inspect: Inspect) -> LoadedModel:
        """Map the pack, or read the checkpoint and pack it.

        Args:
            dtype: An element type of the instruction set, or auto.
            isa: The instruction set.
            threads: How many threads measure.
            inspect: Is told what the checkpoint lacks and has too much, before it is packed.

        Raises:
            CheckpointError: Files are missing or damaged.
            WeightsError: The weights do not fit the configuration or are not finite.
            InputError: The engine does not know the activation.
            ArgumentError: An unknown keyword.
        """
        pack = self.find(dtype, isa)
        if pack is not None:
            try:
                packed = PackedModel(pack.program(), measured_of(pack))
            except PackError as reason:
                logger.info("The pack %s is not used: %s.", pack.path, reason)
            else:
                config, facts = self._options["config"], pack.facts
                inspect(LoadReport(facts["source"], (), tuple(facts["unexpected"])), config)
                return LoadedModel(config, packed, pack.path)
        return self._pack(dtype, isa, threads, inspect)

    def _pack(self, dtype: str, isa: str, threads: int, inspect: Inspect) -> LoadedModel:
        checkpoint = load_checkpoint(self.name, self.task, **self._options)
        config = checkpoint.config
        inspect(checkpoint.report, config)
        program = fold_model(checkpoint.arrays(None), config, self.task)
        known = bundled_measurements(self.name, self.task, isa) if self._as_published else {}
        choice = choose(program, config, dtype=dtype, isa=isa, threads=threads, known=known)
        pack = self._keep(checkpoint, program, choice, isa)
        if pack is None:
            return LoadedModel(config, choice.model(program), None)
        return LoadedModel(config, PackedModel(pack.program(), choice.measured), pack.path)

    def _keep(
        self, checkpoint: Checkpoint, program: Program, choice: Choice, isa: str
    ) -> Pack | None:
        """Store a pack and map it, unless the next start could not know what this one did."""
        place, report = self.place, checkpoint.report
        if place is None or report.newly_initialized:
            return None
        if checkpoint.config is not self._options["config"]:
            return None  # the weights have changed the configuration
        facts = {
            "dtype": choice.recipe.inside,
            "source": report.source,
            "unexpected": list(report.unexpected),
            "measured": to_facts(choice.measured),
        }
        packed = choice.packed or pack_program(program, choice.recipe, in_memory=False)
        path = place.store(packed, isa, facts)
        if path is None:
            return None
        try:
            if file_states(self.files) != place.state["files"]:
                path.unlink()  # changed meanwhile
                return None
            return open_pack(path)
        except (OSError, PackError):
            return None

    def check(self, pack: Pack) -> None:
        """Pack the weights again, and compare.

        Args:
            pack: One of this checkpoint and task.

        Raises:
            PackError: It is not what the weights give.
            CheckpointError: Files are missing or damaged.
            WeightsError: The weights do not fit the configuration or are not finite.
        """
        held = pack.program()
        recipe = Recipe(held.dtype, held.stream_dtype, held.attention_dtype)
        checkpoint = load_checkpoint(self.name, self.task, **self._options)
        program = fold_model(checkpoint.arrays(None), checkpoint.config, self.task)
        check_arrays(pack, pack_program(program, recipe, in_memory=False))


def measured_of(pack: Pack) -> dict[str, Measurement]:
    """Return what is stored in a pack of how far element types are from float32."""
    return from_facts(pack.facts["measured"])


def _chosen(kind: type[HubOptions | WeightsOptions], options: Mapping[str, Any]) -> dict[str, Any]:
    return {f.name: options[f.name] for f in fields(kind) if f.name in options}
