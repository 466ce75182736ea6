"""The trainings of the bundled checkpoint, as steps of the recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import average
import checkpoints
import exchange
import stretch
import transplant
from keep import BEGUN, STRETCHED
from scales import Scale
from steps import Step, options_of

__all__ = ["FACTS", "NORMED", "PREPARATIONS", "STUDENT", "Round", "Sequences", "own"]


class Sequences(StrEnum):
    """What a training reads: the directory of its sequences."""

    SHORT = "data"
    LONG = "long_data"


# Documents are held out by a hash of their text: one in a hundred characters of each file.
PREPARATIONS: dict[Sequences, dict[str, object]] = {
    Sequences.SHORT: {"max_length": 128, "held_out": 0.01},
    # One in five is as long as the model reads; in the others stand half of the tokens.
    Sequences.LONG: {
        "max_length": 512,
        "short_sequences": 0.8,
        "short_length": 128,
        "held_out": 0.01,
    },
}
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
# A model that has learned all but longer texts.
LONG_SHARE = 1 / 5
# Of the weights behind that, in the mean with those before it. Found of 163,163 held-out words in
# sequences of 128 tokens, and of 7,300 in such of 512, in percent: before it 39.8 and 25.9, behind
# it 39.4 and 30.5; means with shares of 0.5 and 0.6 39.75 and 29.3, 39.7 and 29.7.
MEAN_SHARE = 0.6
_DIGITS = 12
TITLES = {
    "normed": "The student with layer normalisation, which learns faster",
    "student": "The student itself",
    "long_student": "The same, with longer text",
}


def own(name: str) -> str:
    """Return how a shell calls a script of the recipe.

    Args:
        name: Of the script.
    """
    return f"python {Path(__file__).parent / name}.py"


@dataclass(frozen=True, kw_only=True)
class Round:
    """Trainings that belong together.

    Attributes:
        output: For all that is made.
        scale: How long to train.
        teacher: Who teaches.
        seed: Of masks and order; of new weights too. Each training of a student has another one.
    """

    output: Path
    scale: Scale
    teacher: Path
    seed: int

    def teacher_steps(self, encoder: Path) -> list[Step]:
        """Return how the teacher is made.

        Args:
            encoder: What it begins as.
        """
        begun, teacher, scale = self.output / "transplanted", self.output / "teacher", self.scale

        def trained(title: str, to: Path, read: Sequences, **settings: object) -> Step:
            words = options_of({**settings, **self._common(read, self.seed), "output": to})
            return Step(title=title, arguments=("pretrain", *words), output=to)

        return [
            Step(
                title="A teacher that is the encoder inside",
                program=own("transplant"),
                main=transplant.main,
                arguments=(str(encoder), STUDENT, str(self.output / Sequences.SHORT), str(begun)),
                output=begun,
                last=checkpoints.LAST,
            ),
            trained(
                "The teacher, with layer normalisation",
                teacher,
                Sequences.SHORT,
                init=begun,
                steps=scale.teacher_steps,
                learning_rate=scale.teacher_rate,
            ),
            trained(
                "The same, with longer text",
                self.output / "long_teacher",
                Sequences.LONG,
                init=teacher,
                steps=scale.long_teacher_steps,
                learning_rate=scale.long_teacher_rate,
            ),
        ]

    def student_steps(self) -> list[Step]:
        """Return how a new student is made, which reads short sequences."""
        begun = {
            "student": NORMED,
            **LAYER_BY_LAYER,
            "transfer_steps": self.scale.transfer_steps,
            "learning_rate": self.scale.learning_rate,
        }
        return self._both_norms(begun, Sequences.SHORT)

    def further_steps(self, model: str) -> list[Step]:
        """Return how a checkpoint that reads longer texts is trained further.

        Args:
            model: The checkpoint.
        """
        title = "The checkpoint that is trained further, with layer normalisation"
        begun = self.output / BEGUN
        return [
            self._exchanging(title, model, "layer_norm", begun),
            *self._both_norms(self._words(begun, AGAIN_SHARE), Sequences.LONG),
        ]

    def long_steps(self, student: Path | str) -> list[Step]:
        """Return how a student learns to read longer texts.

        Args:
            student: The student; what its positions behind the short sequences say is lost.
        """
        stretched, taught, averaged = (
            self.output / name for name in (STRETCHED, "long_student", "averaged")
        )
        trained = str(PREPARATIONS[Sequences.SHORT]["max_length"])
        return [
            Step(
                title="The student with positions for longer text",
                program=own("stretch"),
                main=stretch.main,
                arguments=(str(student), trained, str(stretched)),
                output=stretched,
                last=checkpoints.LAST,
            ),
            self._taught("long_student", Sequences.LONG, self._words(stretched, LONG_SHARE), 2),
            Step(
                title="The mean of the weights before and after it",
                program=own("average"),
                main=average.main,
                arguments=(str(stretched), str(taught), str(MEAN_SHARE), str(averaged)),
                output=averaged,
                last=checkpoints.LAST,
            ),
        ]

    def _both_norms(self, begun: Mapping[str, object], read: Sequences) -> list[Step]:
        normed, exchanged = self.output / "normed", self.output / "exchanged"
        return [
            self._taught("normed", read, begun, 0),
            self._exchanging("NoNorm in its place", normed, "no_norm", exchanged),
            self._taught("student", read, self._words(exchanged, LAST_SHARE), 1),
        ]

    def _common(self, read: Sequences, seed: int) -> dict[str, object]:
        sizes = {
            Sequences.SHORT: self.scale.batch_size,
            Sequences.LONG: self.scale.long_batch_size,
        }
        return {
            "data": self.output / read,
            "batch_size": sizes[read],
            "precision": self.scale.precision,
            "checkpoint_every": self.scale.checkpoint_every,
            "seed": seed,
        }

    def _words(self, init: Path, share: float) -> dict[str, object]:
        rate = round(share * self.scale.learning_rate, _DIGITS)
        return {"init": init, **WORDS_ALONE, "learning_rate": rate, **AGAIN}

    def _taught(self, name: str, read: Sequences, begun: Mapping[str, object], number: int) -> Step:
        steps = {
            "normed": self.scale.normed_steps,
            "student": self.scale.student_steps,
            "long_student": self.scale.long_steps,
        }
        settings = {
            "teacher": self.teacher,
            **begun,
            "distillation_steps": steps[name],
            **FACTS,
            **self._common(read, self.seed + number),
            "output": self.output / name,
        }
        return Step(
            title=TITLES[name],
            arguments=("distill", *options_of(settings)),
            output=self.output / name,
        )

    def _exchanging(self, title: str, model: Path | str, kind: str, output: Path) -> Step:
        return Step(
            title=title,
            program=own("exchange"),
            main=exchange.main,
            arguments=(str(model), str(self.output / Sequences.SHORT), kind, str(output)),
            output=output,
            last=checkpoints.LAST,
        )
