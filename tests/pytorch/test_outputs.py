"""Output objects: attribute, key, position, tuple, pytree."""

import copy
import pickle
from collections import OrderedDict

import pytest
import torch
from torch.utils import _pytree as pytree

import mobilebert.modeling_outputs
from mobilebert.tasks import TASKS
from mobilebert.torch.outputs import OUTPUT_CLASSES, MaskedLMOutput, ModelOutput
from torch_models import batch_for, build

LOGITS, STATES = torch.ones(2, 3), (torch.zeros(1), torch.ones(1))


def output():
    return MaskedLMOutput(logits=LOGITS, hidden_states=STATES)


def test_absent_results_are_none_and_have_no_place():
    found = output()
    assert found.loss is None
    assert found.attentions is None
    assert list(found) == ["logits", "hidden_states"]
    assert "loss" not in found
    with pytest.raises(KeyError):
        found["loss"]


def test_results_are_reached_in_every_way():
    found = output()
    assert isinstance(found, OrderedDict)
    assert found.logits is found["logits"] is found[0] is found.to_tuple()[0]
    assert found[1] is found[-1] is STATES
    assert found[:1] == (LOGITS,)
    assert len(found) == 2
    with pytest.raises(IndexError):
        found[2]


def test_assignment_keeps_attribute_and_key_together():
    found = output()
    found.logits = LOGITS + 1
    assert found["logits"] is found.logits
    found["logits"] = LOGITS + 2
    assert found.logits is found["logits"]


@pytest.mark.parametrize(
    "change",
    [
        lambda o: o.pop("logits"),
        lambda o: o.update(loss=1),
        lambda o: o.setdefault("loss", 1),
        lambda o: o.__delitem__("logits"),
    ],
)
def test_the_set_of_results_is_fixed(change):
    with pytest.raises(TypeError, match="MaskedLMOutput"):
        change(output())


@pytest.mark.parametrize("rebuild", [lambda o: dict(o), lambda o: list(o.items()), iter])
def test_an_output_is_rebuilt_from_pairs(rebuild):
    # torch.nn.DataParallel and accelerate do that.
    pairs = rebuild(output()) if rebuild is not iter else iter(output().items())
    found = MaskedLMOutput(pairs)
    assert list(found) == ["logits", "hidden_states"]
    assert found.logits is LOGITS
    assert found.loss is None


def test_unknown_results_are_refused():
    with pytest.raises(KeyError, match="colour"):
        MaskedLMOutput({"colour": LOGITS})
    with pytest.raises(TypeError):
        MaskedLMOutput(colour=LOGITS)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_outputs_are_copied_and_pickled(copied):
    found = copied(output())
    assert type(found) is MaskedLMOutput
    assert torch.equal(found.logits, LOGITS)
    assert list(found) == ["logits", "hidden_states"]


def test_outputs_are_pytrees():
    doubled = pytree.tree_map(lambda x: x * 2, output())
    assert type(doubled) is MaskedLMOutput
    assert torch.equal(doubled.hidden_states[1], STATES[1] * 2)
    assert doubled.loss is None


def test_every_task_has_its_output_class():
    assert {row.output_name for row in TASKS.values()} == set(OUTPUT_CLASSES)
    for row in TASKS.values():
        names = list(OUTPUT_CLASSES[row.output_name].__dataclass_fields__)
        first = [] if row.name == "feature_extraction" else ["loss"]
        assert names == [*first, *row.emits, "hidden_states", "attentions"]


def test_documented_qualified_names():
    from mobilebert.models.mobilebert import modeling_mobilebert

    assert mobilebert.modeling_outputs.MaskedLMOutput is MaskedLMOutput
    assert issubclass(modeling_mobilebert.MobileBertForPreTrainingOutput, ModelOutput)
    for name in modeling_mobilebert.__all__:
        assert getattr(mobilebert, name) is getattr(modeling_mobilebert, name)


def test_scores_of_starts_and_ends_are_apart_in_memory():
    model = build("question_answering", num_hidden_layers=1)
    found = model(**batch_for(model))
    assert found.start_logits.is_contiguous()
    assert found.end_logits.is_contiguous()
