"""``mobilebert info``: versions, backends, the processor, and the facts of a checkpoint."""

import json
from typing import Any

import click

from mobilebert.commands.unused_options import refuse_unused

__all__ = ["info"]


@click.command()
@click.argument("model", required=False)
@click.option("--revision", metavar="R", help="Branch, tag or commit of a model on the Hub.")
@click.option("--sha256", is_flag=True, help="Also compute the checksum of the weights file.")
@click.option("--verify", is_flag=True, help="Compare the weights with all packs made from them.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def info(
    model: str | None, revision: str | None, sha256: bool, verify: bool, as_json: bool
) -> None:
    """Show versions, backends and the processor, and the facts of a checkpoint MODEL.

    MODEL is a directory, mobilebert-mini-uncased (bundled) or a Hub name. No framework is imported,
    but PyTorch for a checkpoint that has pytorch_model.bin alone. The engine's element type for
    MODEL is measured, which packs its weights.
    """
    from mobilebert.commands.facts import checkpoint_facts, machine_facts
    from mobilebert.commands.pack_facts import engine_facts
    from mobilebert.commands.standard_output import write_stdout

    facts: dict[str, Any] = machine_facts()
    if verify and model is None:
        raise click.UsageError("--verify needs a MODEL.")
    if model is None:
        refuse_unused(["revision", "sha256"], "without MODEL")
    if model is not None:
        facts["checkpoint"] = checkpoint_facts(model, revision, sha256)
        facts["engine"] = engine_facts(model, revision, verify)
    shown = json.dumps(facts, indent=2, ensure_ascii=False) if as_json else "\n".join(_lines(facts))
    write_stdout(shown + "\n")


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    width = max(map(len, facts), default=0)
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            shown = f"{shown:,}" if type(shown) is int else shown
            lines.append(f"{indent}{name:<{width}}  {'-' if shown is None else shown}")
    return lines
