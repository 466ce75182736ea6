"""Fine-tuning with transformers' MobileBERT and the loop that its examples have.

AdamW, the rate up in a straight line and down to 0 again, gradients clipped, batches in a drawn
order and padded to their longest sequence, a new head as transformers draws it. The sequences are
those of mobilebert's encoder, so that both sides read the same tokens. The model is judged as
often as ours, by the same code, from a checkpoint on disk; the best one counts.
"""

import math
import os
import tempfile
import time

import numpy as np
import torch
from tqdm import tqdm

from mobilebert.datasets.items import FinetuneTask
from mobilebert.hub import resolve_file
from mobilebert.training.evaluation import evaluate_items
from mobilebert.training.schedules import warmup_steps
from mobilebert.training.treatment import judging_options, judging_parameters

os.environ.setdefault("USE_TF", "0")  # or transformers imports TensorFlow where it is
import transformers

CLASSES = dict.fromkeys(FinetuneTask, "MobileBertForSequenceClassification") | {
    FinetuneTask.TOKEN_CLASSIFICATION: "MobileBertForTokenClassification",
    FinetuneTask.QUESTION_ANSWERING: "MobileBertForQuestionAnswering",
    FinetuneTask.MULTIPLE_CHOICE: "MobileBertForMultipleChoice",
    FinetuneTask.MASKED_LM: "MobileBertForMaskedLM",
}
IGNORED = -100
VERSION = transformers.__version__

transformers.logging.set_verbosity_error()
# What transformers' Trainer does not decay.
NO_DECAY = ("bias", "LayerNorm.weight")


def load(task, checkpoint, config, seed):
    """Load the checkpoint with a new head; `config` has the labels and the dropout."""
    directory = resolve_file(checkpoint, "config.json").parent
    theirs = transformers.AutoConfig.from_pretrained(
        directory,
        id2label=dict(config.id2label),
        label2id=dict(config.label2id),
        problem_type=config.problem_type,
        classifier_dropout=config.classifier_dropout,
    )
    torch.manual_seed(seed)
    return getattr(transformers, CLASSES[task]).from_pretrained(
        directory, config=theirs, dtype=torch.float32
    )


def padded(rows, value=0):
    block = np.full((len(rows), max(map(len, rows))), value, np.int64)
    for number, row in enumerate(rows):
        block[number, : len(row)] = row
    return torch.from_numpy(block)


def inputs(task, examples):
    """Make the arguments of a forward pass."""
    parts = [(example, np.cumsum(example.sequences)[:-1]) for example in examples]
    ids = [row for example, at in parts for row in np.split(example.ids, at)]
    types = [row for example, at in parts for row in np.split(example.types, at)]
    batch = {
        "input_ids": padded(ids),
        "token_type_ids": padded(types),
        "attention_mask": padded([np.ones(len(row)) for row in ids]),
    }
    targets = [example.target for example in examples]
    if task is FinetuneTask.MULTIPLE_CHOICE:
        batch = {name: x.view(len(examples), -1, x.shape[1]) for name, x in batch.items()}
    if task is FinetuneTask.QUESTION_ANSWERING:
        first, last = torch.from_numpy(np.array(targets, np.int64)).T
        return batch | {"start_positions": first, "end_positions": last}
    if task is FinetuneTask.TOKEN_CLASSIFICATION:
        return batch | {"labels": padded(targets, IGNORED)}
    labels = torch.from_numpy(np.array(targets))
    if task is FinetuneTask.MULTI_LABEL:
        return batch | {"labels": labels}
    labels = labels[:, 0]
    return batch | {"labels": labels if labels.is_floating_point() else labels.long()}


def batches(count, size, seed):
    """Draw an order anew for each epoch."""
    draw = np.random.default_rng(seed)
    while True:
        order = draw.permutation(count)
        yield from (order[start : start + size] for start in range(0, count, size))


def optimizer_of(model, settings):
    decayed, others = [], []
    for name, parameter in model.named_parameters():
        (others if name.endswith(NO_DECAY) else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    # Fused, as transformers' Trainer has it with this torch.
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


def judge(task, model, tokenizer, dev, settings):
    longest = min(tokenizer.model_max_length, model.config.max_position_embeddings)
    parameters = judging_parameters(task, settings, longest)
    options = judging_options(settings, tune_thresholds=settings.tune_thresholds)
    with tempfile.TemporaryDirectory() as directory:
        model.save_pretrained(directory)
        return evaluate_items(
            *(task, directory, tokenizer, dev),
            dtype="float32",
            parameters=parameters,
            options=options,
        )


def tune(task, checkpoint, config, tokenizer, examples, dev, settings, steps, seed):
    """Tune one model.

    Args:
        task: The task.
        checkpoint: Where it begins.
        config: Ours, with labels and dropout.
        tokenizer: Ours, to judge with.
        examples: Our examples.
        dev: Items to judge by.
        settings: Ours, none open.
        steps: How many.
        seed: Of head, order and dropout.

    Returns:
        The metrics of the best judging, the first loss, where it diverged or None, and seconds.
    """
    started = time.monotonic()
    model = load(task, checkpoint, config, seed).train()
    optimizer = optimizer_of(model, settings)
    schedule = transformers.get_linear_schedule_with_warmup(
        optimizer, warmup_steps(settings.warmup, steps), steps
    )
    best, losses, diverged = None, [], None
    drawn = batches(len(examples), settings.batch_size, seed)
    bar = tqdm(range(1, steps + 1), f"transformers, seed {seed}", disable=None, unit="step")
    for step in bar:
        loss = model(**inputs(task, [examples[int(n)] for n in next(drawn)])).loss
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            diverged = step
            break
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        bar.set_postfix_str(f"loss {losses[-1]:.4g}", refresh=False)
        if step % settings.evaluate_every == 0 or step == steps:
            evaluation = judge(task, model.eval(), tokenizer, dev, settings)
            model.train()
            if evaluation.is_better_than(best.score if best else None):
                best = evaluation
    return {
        "seed": seed,
        "metrics": best.metrics if best else None,
        "first_loss": losses[0] if math.isfinite(losses[0]) else None,
        "diverged": diverged,
        "seconds": round(time.monotonic() - started),
    }
