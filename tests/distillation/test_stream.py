"""The stages of a run read one stream: what one has read, the next does not read again."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file

from distillation.small_pair import SETTINGS, distilled, student, teacher
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.distillation import distill as module
from mobilebert.distillation.workload import TransferWorkload
from mobilebert.pretraining.batches import PretrainingData
from mobilebert.pretraining.running import StageContext
from mobilebert.pretraining.source_passes import sequence_passes
from mobilebert.training.batching import BatchPlan
from pretraining.small_fixtures import prepared, tokenizer, tokenizer_dir

__all__ = ["distilled", "prepared", "student", "teacher", "tokenizer", "tokenizer_dir"]

# Steps of the stages, and of all before each.
STEPS = {"layer-00": 5, "layer-01": 5, "distillation": 8}
BEFORE = {"layer-00": 0, "layer-01": 5, "distillation": 10}
ALL = [(name, BEFORE[name] + step) for name, steps in STEPS.items() for step in range(steps)]


@dataclass(frozen=True)
class Reading:
    """What a step read."""

    stage: str
    step: int
    examples: list[int]
    ids: list[int]
    seed: int


class Readings(list):
    """What was read, and the step at which a run is interrupted."""

    ends_at = None

    def places(self):
        return [(reading.stage, reading.step) for reading in self]


@pytest.fixture
def readings(monkeypatch):
    told = Readings()

    class Reads(TransferWorkload):
        def loss(self, examples, step):
            place = (self.stage.name, step)
            if place == told.ends_at:
                raise KeyboardInterrupt
            ids = self.data.batch(examples, step).packed.ids
            told.append(Reading(*place, examples.tolist(), ids.tolist(), torch.initial_seed()))
            return super().loss(examples, step)

    monkeypatch.setattr(module, "TransferWorkload", Reads)
    return told


@pytest.fixture
def data(prepared, tokenizer):
    return PretrainingData(PreparedCorpus.open(prepared), tokenizer, len(tokenizer))


def plan_of(data, source_passes=None):
    passes = None if source_passes is None else sequence_passes(data.corpus, source_passes)
    return BatchPlan(data.lengths, SETTINGS["batch_size"], seed=0, passes=passes)


@pytest.mark.parametrize("source_passes", [None, "a=2,b=0.5"])
def test_every_stage_reads_on(distilled, readings, data, source_passes):
    distilled(source_passes=source_passes)
    assert readings.places() == ALL
    plan = plan_of(data, source_passes)
    for reading in readings:
        examples = plan.batch(reading.step)
        assert reading.examples == examples.tolist()
        assert reading.ids == data.batch(examples, reading.step).packed.ids.tolist()
    # Dropout is drawn by it.
    assert len({reading.seed for reading in readings}) == len(ALL)
    begun = [next(x for x in readings if x.stage == name) for name in STEPS]
    for one, other in pairwise(begun):
        assert one.examples != other.examples
        assert one.ids != other.ids


def test_an_epoch_ends_in_the_next_stage(distilled, readings, data):
    result = distilled()
    epoch = plan_of(data).steps_per_epoch
    assert STEPS["layer-00"] < epoch  # else this says nothing
    read = [example for reading in readings[:epoch] for example in reading.examples]
    assert sorted(read) == list(range(len(data.lengths)))
    # Curves have the steps of a stage, and how often all was read.
    told = [(x["stage"], x["step"], x["epoch"]) for x in result.history if "loss" in x]
    assert told == [
        (stage, step - BEFORE[stage] + 1, round((step + 1) / epoch, 4)) for stage, step in ALL
    ]


def weights(directory):
    return load_file(directory / "model.safetensors")


def interrupted(distilled, readings, place):
    readings.ends_at = place
    with pytest.raises(KeyboardInterrupt):
        distilled()
    readings.ends_at = None
    readings.clear()


@pytest.mark.parametrize("place", [("layer-00", 3), ("layer-01", 8), ("distillation", 16)])
def test_what_was_interrupted_reads_on_where_it_was(distilled, readings, place):
    wanted = weights(distilled("whole").output_dir)
    interrupted(distilled, readings, place)
    found = weights(distilled(resume=True).output_dir)
    assert readings.places() == ALL[ALL.index(place) :]
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []


def test_a_stage_that_earlier_code_began_reads_on_as_it_began(
    distilled, readings, monkeypatch, tmp_path
):
    loop = StageContext.loop

    def from_the_beginning(*arguments):
        *others, _ = arguments
        return loop(*others)

    with monkeypatch.context() as earlier:
        earlier.setattr(StageContext, "loop", from_the_beginning)
        interrupted(distilled, readings, ("layer-01", 3))
    distilled(resume=True)
    stages_behind = [place for place in ALL if place[0] == "distillation"]
    assert readings.places() == [("layer-01", 3), ("layer-01", 4), *stages_behind]
