"""`lora_rank` and `lora_on` of fine-tuning: which weights move, and what is refused."""

import pytest
import torch
from safetensors.torch import load_file

from commands.running import assert_refused, invoke
from mobilebert.errors import InputError
from mobilebert.training.finetune import finetune
from mobilebert.training.loop import TrainingLoop
from mobilebert.training.settings import FinetuneSettings

TASK = "text-classification"
# Names -> the ends of the names of the weights that move.
CHOICES = {
    None: ("attention.self.query.weight", "attention.self.value.weight"),
    "query": ("attention.self.query.weight",),
    "layer.1.attention.self.key, ffn.0.output.dense": (
        "layer.1.attention.self.key.weight",
        "ffn.0.output.dense.weight",
    ),
    "dense": (".dense.weight",),
}


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "reviews.csv"
    rows = [f"{w} film {n},{s}" for n in range(12) for w, s in (("fine", "good"), ("dull", "bad"))]
    path.write_text("\n".join(["text,label", *rows]) + "\n")
    return path


@pytest.fixture
def tuned(checkpoints, reviews, tmp_path):
    def tune(name, **options):
        given = {"max_steps": 3, "batch_size": 8, "learning_rate": 1e-2, "max_length": 32} | options
        model, output = checkpoints["fill-mask"], tmp_path / name
        result = finetune(TASK, train=reviews, model=model, output=output, **given)
        counts.append(result.report.model.trained_parameters)
        return result.model.state_dict()

    counts = []
    tune.counts = counts
    return tune


def moved(checkpoints, weights):
    """Names of the encoder's weights that are others than before."""
    before = load_file(checkpoints["fill-mask"] / "model.safetensors")
    names = [name for name in before if ".encoder." in name or ".embeddings." in name]
    return {name for name in names if not torch.equal(before[name], weights[name])}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("names", CHOICES)
def test_the_names_say_which_weights_move(checkpoints, tuned, names, precision):
    given = {} if names is None else {"lora_on": names}
    weights = tuned("m", lora_rank=2, precision=precision, **given)
    found = moved(checkpoints, weights)
    encoder = [name for name in weights if ".encoder." in name]
    assert found == {name for name in encoder if name.endswith(CHOICES[names])}


@pytest.mark.parametrize("part", ["1", "encoder"])
def test_frozen_layers_have_no_low_rank_changes(checkpoints, tuned, part):
    found = moved(checkpoints, tuned("m", lora_rank=2, freeze=part))
    assert not any(".layer.0." in name for name in found)
    assert any(".layer.1." in name for name in found) == (part == "1")


def test_the_report_counts_what_was_trained(tuned):
    weights = tuned("m", lora_rank=2)
    encoder = {name: tensor for name, tensor in weights.items() if ".encoder." in name}
    chosen = [tensor for name, tensor in encoder.items() if name.endswith(CHOICES[None])]
    low_rank = sum(2 * sum(tensor.shape) for tensor in chosen)
    above = sum(x.numel() for n, x in weights.items() if not n.startswith("mobilebert.e"))
    assert tuned.counts == [low_rank + above]
    tuned("all")
    assert tuned.counts[1] is None


def test_without_low_rank_changes_everything_moves(checkpoints, tuned):
    """The twin."""
    found = moved(checkpoints, tuned("m"))
    assert {name.rsplit(".", 1)[1] for name in found} == {"weight", "bias"}


def test_the_default_is_query_and_value(tuned):
    default, said = tuned("default", lora_rank=2), tuned("said", lora_rank=2, lora_on="query,value")
    assert all(torch.equal(tensor, said[name]) for name, tensor in default.items())
    assert FinetuneSettings(lora_rank=2) == FinetuneSettings(lora_rank=2, lora_on="query,value")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"lora_rank": 2, "lora_on": "query,vlaue"},
            r"named 'vlaue'; there are attention\.self\.query, .*ffn\.0\.intermediate\.dense",
        ),
        ({"lora_rank": 2, "lora_on": "query,"}, r"named ''; there are attention\.self\.query"),
        ({"lora_rank": 2, "lora_on": "classifier"}, "named 'classifier'"),
        ({"lora_rank": 2, "lora_on": ""}, "No projection is named"),
        ({"lora_rank": 2, "lora_on": ["query"]}, "lora_on must be a text"),
        ({"lora_on": "query"}, "give lora_rank too"),
    ],
)
def test_names_that_cannot_be_used_are_refused(tuned, tmp_path, options, said):
    with pytest.raises(InputError, match=said):
        tuned("m", **options)
    assert not (tmp_path / "m" / "training").exists()


def test_the_command_has_it_too(checkpoints, reviews, tmp_path):
    where = ("--task", TASK, "--train", reviews, "--model", checkpoints["fill-mask"])
    given = (*where, "--output", tmp_path / "m", "--max-steps", 1, "--lora-rank", 2)
    assert_refused(invoke("finetune", *given, "--lora-on", "query,vlaue"), "attention.self.query")
    result = invoke("finetune", *given, "--lora-on", "key")
    assert result.exit_code == 0, result.stderr
    found = moved(checkpoints, load_file(tmp_path / "m" / "model.safetensors"))
    assert {name.split(".attention.self.")[-1] for name in found} == {"key.weight"}


class Interrupted(Exception):
    pass


def test_a_run_goes_on_with_the_same_names_alone(tuned, monkeypatch):
    step = TrainingLoop._step

    def interrupted(self):
        if self.progress.step == 2:
            raise Interrupted
        step(self)

    options = {"lora_rank": 2, "lora_on": "query,dense", "checkpoint_every": 1}
    whole = tuned("whole", **options)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_step", interrupted)
        with pytest.raises(Interrupted):
            tuned("m", **options)
    with pytest.raises(InputError, match="other data, settings"):
        tuned("m", **(options | {"lora_on": "query"}), resume=True)
    resumed = tuned("m", **options, resume=True)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())
