"""Models that are compiled, exported, traced, transformed, or computed twice (checkpointing)."""

import contextlib

import pytest
import torch

from assertions import assert_close
from mobilebert.tasks import TASKS
from tolerances import FLOAT32
from torch_models import batch_for, build

DYNAMIC = torch.export.Dim.DYNAMIC


def labels_for(task):
    """Return labels for a batch of 3 sequences of length 11."""
    row = TASKS[task]
    wide = ("masked_lm", "pretraining", "token_classification")
    shape = (3, 11) if task in wide else (3,)
    labels = {name: torch.ones(3, dtype=torch.long) for name in row.labels}
    return labels | ({"labels": torch.ones(shape, dtype=torch.long)} if "labels" in labels else {})


def assert_same(found, wanted):
    assert list(found) == list(wanted)
    for name in wanted:
        assert_close(found[name].detach(), wanted[name].detach(), FLOAT32, name)


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("task", TASKS)
def test_models_compile_as_one_graph(task):
    model = build(task, num_hidden_layers=1)
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="eager")
    for rows, length in ((3, 11), (2, 9)):
        batch = batch_for(model, rows, length)
        assert_same(compiled(**batch), model(**batch))
    assert len(torch._dynamo.utils.guard_failures) == 0


@pytest.mark.parametrize("task", ["pretraining", "sequence_classification", "question_answering"])
def test_training_compiles_as_one_graph(task):
    model = build(task, num_hidden_layers=1)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    inputs = batch_for(model) | labels_for(task)
    model(**inputs).loss.backward()
    wanted = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    compiled(**inputs).loss.backward()
    for name, parameter in model.named_parameters():
        assert_close(parameter.grad, wanted[name], FLOAT32, name)


def test_float16_compiles_as_one_graph():
    model = build("masked_lm", dtype=torch.float16, num_hidden_layers=1)
    batch = batch_for(model)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        assert_same(compiled(**batch), model(**batch))


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # of torch, for fused attention
def test_gradients_of_each_sample():
    model = build("token_classification", num_hidden_layers=1)
    batch = batch_for(model)
    labels = torch.tensor([[0, 1, -100] * 3 + [1, 1]] * 3)

    def loss(parameters, inputs, given):
        inputs = {name: tensor[None] for name, tensor in inputs.items()}
        inputs["labels"] = given[None]
        return torch.func.functional_call(model, parameters, (), inputs).loss

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
    found = gradients(dict(model.named_parameters()), batch, labels)
    for row in range(3):
        model.zero_grad()
        one = {name: tensor[row : row + 1] for name, tensor in batch.items()}
        model(**one, labels=labels[row : row + 1]).loss.backward()
        for name, parameter in model.named_parameters():
            assert_close(found[name][row].detach(), parameter.grad, FLOAT32, name)


@pytest.mark.parametrize("task", TASKS)
def test_models_export_with_dynamic_sizes(task):
    model = build(task, num_hidden_layers=1)
    batch = batch_for(model)
    shapes = {name: {0: DYNAMIC, x.dim() - 1: DYNAMIC} for name, x in batch.items()}
    program = torch.export.export(model, (), batch, dynamic_shapes=shapes).module()
    for rows, length in ((3, 11), (2, 9)):
        other = batch_for(model, rows, length)
        found = program(**other)
        assert type(found).__name__ == TASKS[task].output_name
        assert_same(found, model(**other))


def test_exported_programs_are_saved_and_loaded(tmp_path):
    model = build("token_classification", num_hidden_layers=1)
    batch = batch_for(model)
    path = tmp_path / "program.pt2"
    torch.export.save(torch.export.export(model, (), batch, strict=True), path)
    assert_same(torch.export.load(path).module()(**batch), model(**batch))


def test_float16_exports():
    model = build("masked_lm", dtype=torch.float16, num_hidden_layers=1)
    batch = batch_for(model)
    program = torch.export.export(model, (), batch).module()
    assert_same(program(**batch), model(**batch))


# Gradient checkpointing


@contextlib.contextmanager
def counted_layers(model):
    """Note every run of a layer when it starts; a repeated run stops as soon as it may."""
    runs = []

    def note(module, inputs):
        runs.append(module)

    hooks = [layer.register_forward_pre_hook(note) for layer in model.base_model.encoder.layer]
    yield runs
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("options", [None, {"use_reentrant": True}])
@pytest.mark.parametrize("task", TASKS)
def test_checkpointed_gradients_are_the_same(task, options):
    model = build(task).train()
    inputs = batch_for(model) | labels_for(task)

    def gradients():
        model.zero_grad()
        output = model(**inputs)
        loss = output.last_hidden_state.sum() if "loss" not in output else output.loss
        with counted_layers(model) as runs:
            loss.backward()
        gathered = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        return gathered, len(runs)

    wanted, again = gradients()
    assert again == 0
    assert not model.is_gradient_checkpointing
    model.gradient_checkpointing_enable(options)
    assert model.is_gradient_checkpointing
    found, again = gradients()
    assert again == 2  # each layer ran once more
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert torch.equal(found[name], wanted[name]), name
    model.gradient_checkpointing_disable()
    assert not model.is_gradient_checkpointing
    assert gradients()[1] == 0


def test_checkpointing_keeps_attentions_and_rests_in_evaluation():
    model = build().train()
    batch = batch_for(model)
    wanted = model(**batch, output_attentions=True, output_hidden_states=True)
    model.gradient_checkpointing_enable()
    found = model(**batch, output_attentions=True, output_hidden_states=True)
    for name in ("attentions", "hidden_states"):
        for ours, theirs in zip(found[name], wanted[name], strict=True):
            assert torch.equal(ours, theirs)
    model.eval()
    total = model(**batch).last_hidden_state.sum()
    with counted_layers(model) as runs:
        total.backward()
    assert not runs


def test_old_configurations_may_ask_for_checkpointing():
    model = build("masked_lm", gradient_checkpointing=True)
    assert model.is_gradient_checkpointing
    assert "gradient_checkpointing" not in model.config.to_dict()
