"""The sides of `train_speed.py`: each takes its own steps in a process of its own.

A step of ours is one of the loop of `mobilebert finetune`, with all that it does: the head of
standardised features, masks drawn anew, clipping, the looks at loss and gradients. One of theirs is
what transformers' Trainer does with its defaults: a batch padded to its longest sequence, clipping
to 1, fused AdamW, the schedule. Nothing here imports PyTorch before a side does, which says how
threads wait: ours as `mobilebert finetune`, theirs as it is without a word.
"""

import os
import time
from dataclasses import dataclass
from typing import Any

from mobilebert.datasets.items import FinetuneTask
from mobilebert.engine.native import ISA_VARIABLE
from mobilebert.extras import require_training
from mobilebert.training.examples import ExampleSet

__all__ = ["BUNDLED", "LABELS", "SIDES", "Workload", "serve"]

BUNDLED = "mobilebert-mini-uncased"
LABELS = ("no", "yes")
# More than are taken: the rate rises all the time, and nothing is judged.
STEPS = 10_000


@dataclass(frozen=True)
class Workload:
    """What both sides learn: the examples are one batch.

    Attributes:
        task: The task.
        examples: The examples.
    """

    task: FinetuneTask
    examples: ExampleSet

    @property
    def tokens(self) -> int:
        """Tokens without padding."""
        return int(self.examples.lengths.sum())

    @property
    def padded(self) -> int:
        """Tokens where all sequences are as long as the longest."""
        return len(self.examples) * int(self.examples.lengths.max())


class Enough(Exception):
    """No further step is wanted."""


class Gate:
    """Lets a side take one step at a time, and tells how long it took. It listens to our loop."""

    def __init__(self, connection):
        self._connection = connection
        self._before = _clocks()

    def passed(self):
        """Tell the time of a step, and wait for the next one."""
        now = _clocks()
        self._connection.send([b - a for a, b in zip(self._before, now, strict=True)])
        if not self._connection.recv():
            raise Enough
        self._before = _clocks()

    def moved(self, progress, rate):
        """Our loop has taken a step."""
        self.passed()

    def happened(self, entry):
        """Our loop has something to tell; a step that is taken back is no measurement."""
        if "event" in entry:
            raise RuntimeError(f"The loop tells {entry}.")


def _clocks():
    return time.perf_counter(), time.process_time()


def _begin(workload: Workload, precision: str) -> tuple[Any, Any]:
    """Return start and settings, the same for both sides."""
    from mobilebert.training.presets import finetune_preset
    from mobilebert.training.settings import FinetuneSettings
    from mobilebert.training.start import Start

    labels = () if workload.task is FinetuneTask.MASKED_LM else LABELS
    start = Start(workload.task, BUNDLED, labels)
    given = FinetuneSettings(
        epochs=STEPS,
        max_steps=STEPS,
        evaluate_every=STEPS,
        batch_size=len(workload.examples),
        precision=precision,
    )
    return start, given.filled(finetune_preset(workload.task, start.config()))


def ours(workload, precision, threads, gate):
    """Take the steps of `mobilebert finetune`."""
    require_training("This benchmark").set_num_threads(threads)
    from mobilebert.training.processes import Processes
    from mobilebert.training.run import Material, TuningRun

    start, settings = _begin(workload, precision)
    material = Material(
        task=workload.task,
        examples=workload.examples,
        dev=(),
        tokenizer=start.tokenizer(),
        settings=settings,
        parameters={},
        digest="",
    )
    TuningRun(start.model(0), material, 0, None, Processes(), lambda _: gate).tune()


def on_torchs_products(workload, precision, threads, gate):
    """The same without the engine's kernels."""
    os.environ[ISA_VARIABLE] = "generic"
    ours(workload, precision, threads, gate)


def theirs(workload, precision, threads, gate):
    """Take the steps of transformers' loop."""
    import transformers_finetuning as peer

    torch, transformers = peer.torch, peer.transformers
    torch.set_num_threads(threads)
    start, settings = _begin(workload, precision)
    model = peer.load(workload.task, BUNDLED, start.config(), 0).train()
    optimizer = peer.optimizer_of(model, settings)
    warmup = peer.warmup_steps(settings.warmup, STEPS)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, warmup, STEPS)
    collate = _collator(workload, peer)
    while True:
        batch = collate()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        loss.item()
        gate.passed()


def _collator(workload, peer):
    """Return what makes their batch, anew for each step as a loader does."""
    chosen = list(workload.examples)
    if workload.task is not FinetuneTask.MASKED_LM:
        return lambda: peer.inputs(workload.task, chosen)
    directory = peer.resolve_file(BUNDLED, "config.json").parent
    tokenizer = peer.transformers.AutoTokenizer.from_pretrained(directory)
    masked = peer.transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    rows = [{"input_ids": x.ids, "token_type_ids": x.types} for x in chosen]
    return lambda: masked(rows)


SIDES = {"ours": ours, "transformers": theirs, "torch's products": on_torchs_products}


def serve(connection, side, precision, threads):
    """Take steps of one workload after the other, until None is sent."""
    while (workload := connection.recv()) is not None:
        try:
            SIDES[side](workload, precision, threads, Gate(connection))
        except Enough:
            continue
