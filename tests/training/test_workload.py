"""The loss of each task, beside what the ordinary model says of one example after the other."""

import math

import numpy as np
import pytest
import torch

from mobilebert.corpora.masking import Masking
from mobilebert.datasets.items import (
    Answer,
    ChoiceItem,
    FinetuneTask,
    PlainItem,
    QuestionItem,
    TaggedItem,
    TextItem,
)
from mobilebert.datasets.label_texts import names_of
from mobilebert.training.encoding import encode_items
from mobilebert.training.labels import collect_labels
from mobilebert.training.objectives import build_objective
from mobilebert.training.settings import Precision
from mobilebert.training.start import Start
from mobilebert.training.tuned_model import TunedModel, pack_examples
from mobilebert.training.workload import TaskWorkload
from pipelines.random_checkpoints import write_checkpoint
from tolerances import FLOAT32, FOLDED_LOGITS

T = FinetuneTask
ITEMS = {
    T.TEXT_CLASSIFICATION: [
        TextItem("a", "one fine day", label="x"),
        TextItem("b", "a rather longer night it was", "yes", label="y"),
        TextItem("c", "dull", label="z"),
    ],
    T.MULTI_LABEL: [
        TextItem("a", "one fine day", label=("x", "z")),
        TextItem("b", "a rather longer night", label=()),
        TextItem("c", "dull", label=("y",)),
    ],
    T.REGRESSION: [
        TextItem("a", "one fine day", label=300.0),
        TextItem("b", "a rather longer night", label=-20.0),
        TextItem("c", "dull", label=100.0),
    ],
    T.TOKEN_CLASSIFICATION: [
        TaggedItem("a", ("Ann", "lives", "in", "Rome"), ("B-p", "O", "O", "B-l")),
        TaggedItem("b", ("Antananarivo",), ("B-l",)),
    ],
    T.QUESTION_ANSWERING: [
        QuestionItem("a", "1", "Who?", "It was Ann who came.", (Answer("Ann", 7),)),
        QuestionItem("b", "2", "Where did she go?", "Nobody knows."),
    ],
    T.MULTIPLE_CHOICE: [
        ChoiceItem("a", "It rained,", ("so we stayed.", "so the sun was green and blue."), 0),
        ChoiceItem("b", "She sang", ("well.", "a stone.", "of two rivers."), 2),
    ],
    T.MASKED_LM: [PlainItem("a", "one fine day in may"), PlainItem("b", "the long dark night")],
}


class Case:
    """A workload over all items of a task, and the ordinary model."""

    def __init__(self, checkpoint, tokenizer, task):
        items = ITEMS[task]
        labels = collect_labels(task, {name for item in items for name in names_of(item)})
        self.task, self.tokenizer = task, tokenizer
        start = Start(task, checkpoint, labels)
        self.model = start.model(seed=0)
        self.examples = encode_items(
            task, items, tokenizer, self.model.config, labels=labels
        ).examples
        self.tuned = TunedModel(self.model, Precision.FLOAT32)
        if task is not T.MASKED_LM:
            batch = pack_examples(list(self.examples))
            targets = torch.tensor(self.examples.targets) if task is T.REGRESSION else None
            self.tuned.start_head([batch], targets)
        self.masking = Masking.of(tokenizer, self.model.config.vocab_size)
        self.all = np.arange(len(self.examples))

    def workload(self, **options):
        smoothing = options.pop("label_smoothing", 0.0)
        objective = build_objective(self.task, label_smoothing=smoothing)
        return TaskWorkload(
            self.tuned, self.examples, self.task, objective, masking=self.masking, **options
        )

    def mean(self, **options):
        loss = self.workload(**options).loss(self.all, 0)
        return float(loss.total.detach()) / loss.units

    @torch.no_grad()
    def ordinary(self, example):
        """The documented loss of one example, with the head's function folded in."""
        self.tuned.fold()
        self.model.eval()
        borders = np.cumsum(example.sequences)[:-1]
        ids, types = (
            torch.nn.utils.rnn.pad_sequence(
                [torch.tensor(part) for part in np.split(column, borders)], batch_first=True
            ).long()
            for column in (example.ids, example.types)
        )
        mask = torch.arange(ids.shape[1]) < torch.tensor(example.sequences)[:, None]
        inputs = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask.long()}
        target = torch.tensor(example.target)
        if self.task is T.MULTIPLE_CHOICE:
            inputs = {name: value[None] for name, value in inputs.items()}
        if self.task is T.QUESTION_ANSWERING:
            labels = {"start_positions": target[:1], "end_positions": target[1:]}
        elif self.task in (T.MULTI_LABEL, T.REGRESSION):
            labels = {"labels": target[None].float()}
        else:
            row = target if self.task is T.MULTIPLE_CHOICE else target[None]
            labels = {"labels": row[:, 0] if self.task is T.TEXT_CLASSIFICATION else row}
        return float(self.model(**inputs, **labels, pad_neighbor="zero").loss)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """An encoder whose classifier reads a tanh pooler, as the bundled one's does."""
    directory = tmp_path_factory.mktemp("workload") / "encoder"
    return write_checkpoint(directory, "fill-mask", classifier_activation=True)


TASKS = [task for task in FinetuneTask if task is not T.MASKED_LM]
# Units of an example: tags, or one; a span has two, whose mean is documented.
UNITS = {T.TOKEN_CLASSIFICATION: lambda example: int((example.target >= 0).sum())}


@pytest.mark.parametrize("task", TASKS)
def test_the_loss_is_that_of_the_ordinary_model(checkpoint, tokenizer, task):
    case = Case(checkpoint, tokenizer, task)
    units = [UNITS.get(task, lambda example: 1)(example) for example in case.examples]
    losses = [case.ordinary(example) for example in case.examples]
    wanted = float(np.average(losses, weights=units))
    if task is T.REGRESSION:  # in units of the targets' deviation
        wanted /= float(np.var(case.examples.targets))
    found = case.mean()
    assert found == pytest.approx(wanted, rel=FOLDED_LOGITS)
    with torch.no_grad():
        case.tuned.head.first.weight[0] += 0.1
    assert case.mean() != pytest.approx(wanted, rel=FOLDED_LOGITS)


def test_masked_words_have_the_loss_of_the_ordinary_model(checkpoint, tokenizer):
    case = Case(checkpoint, tokenizer, T.MASKED_LM)
    workload = case.workload()
    drawn = workload._chosen(case.all, 0)
    units = [int((example.target >= 0).sum()) for example in drawn]
    assert all(units)
    wanted = np.average([case.ordinary(example) for example in drawn], weights=units)
    assert case.mean() == pytest.approx(wanted, rel=FOLDED_LOGITS)
    assert case.mean(seed=1) != pytest.approx(wanted, rel=FOLDED_LOGITS)


def test_masks_depend_on_seed_step_and_example_alone(checkpoint, tokenizer):
    case = Case(checkpoint, tokenizer, T.MASKED_LM)
    workload = case.workload(seed=4)
    (first,) = workload._chosen(case.all[:1], 3)
    again = case.workload(seed=4)._chosen(case.all, 3)[0]
    np.testing.assert_array_equal(first.ids, again.ids)
    others = [workload._chosen(case.all[:1], step)[0].ids for step in range(20)]
    assert any(not np.array_equal(first.ids, ids) for ids in others)


def test_the_fast_loss_of_masked_words_is_the_slow_one(checkpoint, tokenizer):
    case = Case(checkpoint, tokenizer, T.MASKED_LM)
    slow = case.workload()
    slow._masks_words = False
    loss = slow.loss(case.all, 0)
    assert float(loss.total.detach()) / loss.units == pytest.approx(case.mean(), rel=FOLDED_LOGITS)
    assert case.mean(label_smoothing=0.2) != pytest.approx(case.mean(), rel=FOLDED_LOGITS)


@pytest.mark.parametrize("task", [*TASKS, T.MASKED_LM])
def test_parts_of_a_batch_add_up(checkpoint, tokenizer, task):
    case = Case(checkpoint, tokenizer, task)
    workload = case.workload()
    whole = workload.loss(case.all, 0)
    parts = [workload.loss(np.array([number]), 0) for number in case.all]
    added = float(sum(part.total.detach() for part in parts))
    assert added == pytest.approx(float(whole.total.detach()), rel=FOLDED_LOGITS)
    assert sum(part.units for part in parts) == pytest.approx(whole.units)


@pytest.mark.parametrize("task", TASKS)
def test_two_passes_without_dropout_cost_what_one_does(checkpoint, tokenizer, task):
    case = Case(checkpoint, tokenizer, task)
    assert case.mean(divergence_weight=5.0) == pytest.approx(case.mean(), rel=FOLDED_LOGITS)
    case.tuned.train()
    case.tuned.head.dropout = 0.5
    assert case.mean(divergence_weight=5.0) != pytest.approx(case.mean(), rel=FOLDED_LOGITS)


def test_the_layer_without_numbers_is_named(checkpoint, tokenizer):
    case = Case(checkpoint, tokenizer, T.TEXT_CLASSIFICATION)
    workload = case.workload()
    assert workload.fault(case.all, 0) == ""
    weight = case.model.mobilebert.encoder.layer[1].ffn[0].output.dense.weight
    with torch.no_grad():
        weight.fill_(3e38)
    assert workload.fault(case.all, 0) == "layer 1"
    with torch.no_grad():
        weight[0, 0] = float("nan")
    assert "layer.1.ffn.0.output.dense.weight" in workload.fault(case.all, 0)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weights_make_guessing_several_labels_dearer(checkpoint, tokenizer, smoothing):
    case = Case(checkpoint, tokenizer, T.MULTI_LABEL)
    weights = torch.tensor([50.0, 1.0, 0.5])
    objective = build_objective(T.MULTI_LABEL, positive_weights=weights, label_smoothing=smoothing)
    targets = torch.tensor(case.examples.targets).reshape(-1, 3)
    wanted = float(objective.loss(torch.zeros_like(targets), targets).mean())
    found = TaskWorkload(case.tuned, case.examples, T.MULTI_LABEL, objective).guessing
    assert found == pytest.approx(wanted, rel=FLOAT32)
    assert case.workload().guessing == pytest.approx(math.log(2))


@pytest.mark.parametrize("task", [*TASKS, T.MASKED_LM])
def test_guessing_is_near_the_first_loss(checkpoint, tokenizer, task):
    case = Case(checkpoint, tokenizer, task)
    assert 0 < case.workload().guessing
    if task is not T.MASKED_LM:
        assert case.mean() < 2 * case.workload().guessing
