"""Knowledge transfer from end to end, small enough for two processor cores and an hour.

    python recipes/transfer/transfer.py --data DIR --output DIR
    python recipes/transfer/transfer.py --data DIR --output DIR --print

A vocabulary, a teacher, a student that is taught layer by layer, and a classifier made of it. It
prints each command before it runs it; the same command goes on where it was interrupted.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from corpus import files_of
from rows import ROWS
from steps import Step, keep_commands, options_of, run_steps, written

__all__ = ["main", "transfer_steps"]

HERE = Path(__file__).parent
# The modern part of the corpus: 18 MB of text.
TEXT = ("openstax_ccby", "wiki_vital_summaries", "factbook")
LAYERS = 4
TEACHER_STEPS, TRANSFER_STEPS, DISTILLATION_STEPS, TUNING_STEPS = 6000, 800, 2200, 300
# 64 tokens and 8,000 pieces: short texts and few words, so that a step takes a quarter of a second.
PREPARATION = {"max_length": 64, "held_out": 0.05}
VOCAB_SIZE = 8000
TRAINING = {"batch_size": 32, "learning_rate": 2e-3}
REVIEW = "a warm , funny , engaging film ."


def transfer_steps(data: Path, output: Path, share: float = 1.0) -> list[Step]:
    """Return the commands.

    Args:
        data: The directory of all data sets.
        output: For all that is made.
        share: Of the steps of each training.
    """

    def count(steps: int) -> int:
        return max(LAYERS, round(share * steps))

    text = files_of(data, TEXT)
    words, prepared = output / "tokenizer", output / "data"
    teacher, student, tuned = output / "teacher", output / "student", output / "sst2"
    tokenizer = options_of({"input": text, "vocab_size": VOCAB_SIZE, "output": words})
    sequences = options_of({"input": text, "tokenizer": words, **PREPARATION, "output": prepared})
    taught = {"steps": count(TEACHER_STEPS), **TRAINING}
    learning = {
        "transfer_steps": count(TRANSFER_STEPS),
        "distillation_steps": count(DISTILLATION_STEPS),
        **TRAINING,
    }
    alone = {"config": HERE / "teacher.json", "tokenizer": words, "data": prepared, **taught}
    pair = {"teacher": teacher, "student": HERE / "student.json", "data": prepared, **learning}
    row = dataclasses.replace(
        ROWS["sst2"],
        settings={"model": student, "max_steps": count(TUNING_STEPS), "learning_rate": 5e-4},
    )
    return [
        Step(title="A vocabulary", arguments=("train-tokenizer", *tokenizer), output=words),
        Step(
            title="Text to sequences",
            arguments=("prepare-pretraining", *sequences),
            output=prepared,
        ),
        Step(
            title="The teacher, with layer normalisation and wide inside",
            arguments=("pretrain", *options_of({**alone, "output": teacher})),
            output=teacher,
        ),
        Step(
            title="The student: layer by layer, then words",
            arguments=("distill", *options_of({**pair, "output": student})),
            output=student,
        ),
        Step(
            title="A classifier of sentences, begun with the student",
            arguments=tuple(row.arguments(data, tuned)),
            output=tuned,
        ),
        Step(title="An answer", arguments=("run", "--model", str(tuned), REVIEW)),
    ]


def main(given: Sequence[str] | None = None) -> None:
    """Print the commands, and run those that are not finished."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="of all data sets")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="for all results")
    parser.add_argument("--print", action="store_true", help="print the commands alone")
    parser.add_argument("--share", type=float, default=1.0, metavar="F", help="of all steps")
    parser.add_argument("--threads", type=int, metavar="N", help="of PyTorch")
    options = parser.parse_args(given)
    steps = transfer_steps(options.data, options.output, options.share)
    if options.print:
        print(written(steps), end="")
        return
    keep_commands(steps, options.output)
    run_steps(steps, threads=options.threads)


if __name__ == "__main__":
    main()
