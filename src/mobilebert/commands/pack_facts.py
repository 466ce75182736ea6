"""What ``mobilebert info MODEL`` says of the engine: how it runs a checkpoint, from which packs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mobilebert.backend import engine_is_compiled
from mobilebert.checkpoint import LoadReport, task_of_config
from mobilebert.checkpoint.reading import load_config
from mobilebert.config import MobileBertConfig
from mobilebert.engine.accuracy import BOUNDS, Measurement, candidates
from mobilebert.engine.cache import PackPlace, packs_in_cache, size_of
from mobilebert.engine.engine import Settings
from mobilebert.engine.pack_file import PackError, open_pack
from mobilebert.engine.packed_checkpoint import PackedCheckpoint, measured_of
from mobilebert.errors import CheckpointError, MobileBertError, WeightsError
from mobilebert.hub import HubOptions
from mobilebert.tasks import PIPELINE_TASKS, TASKS, TaskSpec

__all__ = ["engine_facts"]


def engine_facts(name: str, revision: str | None, verify: bool) -> dict[str, Any] | str:
    """Collect how the engine runs a checkpoint.

    Where the choice of the element type needs a measurement that no pack holds, the checkpoint is
    packed, as by its first run.

    Args:
        name: Directory, bundled name or Hub name.
        revision: Branch, tag or commit on the Hub.
        verify: Whether to read the weights and the packs made from them, and compare.

    Raises:
        CheckpointError: With `verify`, a pack is not what these weights give.
    """
    if not engine_is_compiled():
        return "not compiled"
    hub = HubOptions(revision=revision)
    spec = _task_run(load_config(name, hub))
    checkpoint = PackedCheckpoint(name, spec, vars(hub))
    place = checkpoint.place
    facts: dict[str, Any] = {"task": spec.pipeline}
    if verify:
        facts["verified"] = "no packs" if place is None else _verified(name, hub, place)
    facts |= _choice(checkpoint)
    if place is None:
        facts["packs"] = "not kept"
    else:
        packs = list(packs_in_cache(place.checkpoint))
        facts["packs"] = {str(file): size_of(file) for file in packs} or "none yet"
    return facts


def _task_run(config: MobileBertConfig) -> TaskSpec:
    """Return what pipelines run of a checkpoint."""
    task = task_of_config(config)
    if task is None:
        return TASKS["feature_extraction"]
    return PIPELINE_TASKS[task.pipeline or "fill-mask"]


def _choice(checkpoint: PackedCheckpoint) -> dict[str, Any]:
    """Tell what the engine computes in, and what was measured for it."""
    settings = Settings.choose()
    facts: dict[str, Any] = {"instruction set": settings.isa, "threads": settings.threads}
    measured: Mapping[str, Measurement]
    pack = checkpoint.find("auto", settings.isa)
    if pack is not None:
        dtype, measured = pack.facts["dtype"], measured_of(pack)
    elif candidates(settings.isa):
        try:
            packed = checkpoint.load(**vars(settings), inspect=_expect_trained).packed
        except MobileBertError as error:
            return facts | {"dtype": f"none: {error}"}
        dtype, measured = packed.program.dtype, packed.measured
    else:
        dtype, measured = "float32", {}
    shown = {kind: _shown(row, BOUNDS[kind]) for kind, row in measured.items()}
    return facts | {"dtype": dtype, "measured": shown or None}


def _expect_trained(report: LoadReport, config: MobileBertConfig) -> None:
    """Measure no random heads; the pooler that vectors of tokens do not read may be one."""
    if missing := [name for name in report.newly_initialized if "pooler." not in name]:
        raise WeightsError(f"{len(missing)} weights are missing")


def _shown(found: Measurement, bound: Measurement) -> str:
    numbers = {name: f"{value:.2g}" for name, value in asdict(found).items()}
    verdict = "within" if found.within(bound) else "beyond"
    return (
        f"error {numbers['error']} (at most {bound.error}), probability {numbers['probability']} "
        f"(at most {bound.probability}), same label {found.agreement:.1%}: {verdict} the bound"
    )


def _verified(name: str, hub: HubOptions, place: PackPlace) -> str:
    """Pack the weights again for every pack that is used for them, and compare.

    Raises:
        CheckpointError: A pack is not what these weights give.
    """
    verified, wrong = 0, []
    for path in packs_in_cache(place.checkpoint):
        try:
            pack = open_pack(path)
        except (OSError, PackError):
            continue  # nor will the engine use it
        checkpoint = PackedCheckpoint(name, TASKS[pack.facts["state"]["task"]], vars(hub))
        if checkpoint.place is None or pack.facts["state"] != checkpoint.place.state:
            continue
        try:
            checkpoint.check(pack)
        except PackError as reason:
            wrong.append(f"{path} is not to be used: {reason}")
        verified += 1
    if wrong:
        raise CheckpointError(f"{'; '.join(wrong)}. Delete it: the next run packs again.")
    return f"weights and {verified} pack{'s' * (verified != 1)}" if verified else "no packs"
