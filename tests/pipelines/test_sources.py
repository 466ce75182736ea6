"""Which model and backend a pipeline runs."""

import logging
import subprocess
import sys

import pytest
import torch

import mobilebert.torch as models
from mobilebert import backend
from mobilebert.config import MobileBertConfig
from mobilebert.engine.native import isa_dtypes
from mobilebert.errors import CheckpointError, InputError, WeightsError
from mobilebert.hub import BUNDLED_MODEL
from mobilebert.pipelines import pipeline, sources
from mobilebert.tasks import PIPELINE_TASKS
from pipelines.random_checkpoints import write_checkpoint
from tolerances import PIPELINE_SCORES


@pytest.mark.parametrize("task", ["fill-mask", "masked_lm", "feature-extraction"])
def test_the_default_model_is_said_in_one_line(task, caplog):
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        pipeline(task)
    (record,) = caplog.records
    assert BUNDLED_MODEL in record.message
    assert "google/mobilebert-uncased" in record.message


@pytest.mark.parametrize("task", sorted(set(PIPELINE_TASKS) - {"fill-mask", "feature-extraction"}))
def test_other_tasks_have_no_default(task):
    with pytest.raises(InputError, match=f"{task}.* has no default model"):
        pipeline(task)


@pytest.mark.parametrize("task", PIPELINE_TASKS)
def test_the_task_is_inferred(task, checkpoints):
    inferred = pipeline(model=checkpoints[task]).task
    assert inferred == task or (task, inferred) == (
        "zero-shot-classification",
        "text-classification",
    )


def test_pretraining_answers_two_tasks():
    assert pipeline(model=BUNDLED_MODEL).task == "fill-mask"
    answer = pipeline("next-sentence-prediction", BUNDLED_MODEL)(("I went home.", "I slept."))
    assert len(answer) == 2


def test_without_architectures_a_task_is_asked_for(tmp_path):
    write_checkpoint(tmp_path, "masked_lm")
    config = MobileBertConfig.from_pretrained(tmp_path)
    config.architectures = None
    config.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="does not say what the model was made for; give a task"):
        pipeline(model=tmp_path)
    with pytest.raises(InputError, match="Give a task or a model"):
        pipeline()


HEADS = ["text-classification", "token-classification", "question-answering", "multiple-choice"]


@pytest.mark.parametrize("task", HEADS)
def test_an_untrained_head_is_refused(task, caplog):
    with pytest.raises(WeightsError, match=r"not trained for .*random.*allow_untrained"):
        pipeline(task, BUNDLED_MODEL)
    assert pipeline(task, BUNDLED_MODEL, allow_untrained=True).task == task


def test_an_untrained_model_object_is_refused():
    model = models.MobileBertForTokenClassification.from_pretrained(BUNDLED_MODEL)
    with pytest.raises(WeightsError, match="not trained"):
        pipeline("ner", model, BUNDLED_MODEL)
    assert pipeline("ner", model, BUNDLED_MODEL, allow_untrained=True)("hi") is not None


@pytest.mark.parametrize("backend", ["torch", "engine", "numpy", "keras"])
def test_a_table_without_numbers_is_not_untrained(tmp_path, backend):
    pytest.importorskip("keras" if backend == "keras" else "numpy")
    widths = {"embedding_size": 32, "trigram_input": False}
    left_out = ("cls.predictions.dense.weight",)
    directory = write_checkpoint(tmp_path, "masked_lm", leave_out=left_out, **widths)
    assert len(pipeline("fill-mask", directory, backend=backend)("a [MASK]")) == 5


def test_a_model_object_with_a_table_without_numbers_is_not_refused(tmp_path):
    widths = {"embedding_size": 32, "trigram_input": False}
    left_out = ("cls.predictions.dense.weight",)
    directory = write_checkpoint(tmp_path, "masked_lm", leave_out=left_out, **widths)
    model = models.MobileBertForMaskedLM.from_pretrained(directory)
    assert not model.newly_initialized_weights
    assert len(pipeline("fill-mask", model, directory)("a [MASK]")) == 5


def test_a_missing_pooler_does_not_matter_for_features(tmp_path):
    directory = write_checkpoint(tmp_path, "masked_lm")
    assert len(pipeline("feature-extraction", directory)("a b")[0]) == 4


@pytest.mark.parametrize("task", PIPELINE_TASKS)
def test_a_model_object_gives_the_same_answers(task, checkpoints):
    kind = getattr(models, PIPELINE_TASKS[task].class_name)
    model = kind.from_pretrained(checkpoints[task])
    item = {
        "fill-mask": "a [MASK]",
        "question-answering": {"question": "who?", "context": "we"},
        "multiple-choice": {"text": "a", "choices": ["b", "c"]},
        "next-sentence-prediction": ("a", "b"),
    }.get(task, "some text")
    labels = {"candidate_labels": "x,y"} if task.startswith("zero") else {}
    by_object = pipeline(task, model)
    assert by_object.model.name == "torch"
    by_name = pipeline(task, checkpoints[task], backend="torch")
    found, scores = flat(by_object(item, **labels))
    wanted, wanted_scores = flat(by_name(item, **labels))
    assert found == wanted
    assert scores == pytest.approx(wanted_scores, rel=PIPELINE_SCORES)


def flat(answer):
    """What an answer says, and its numbers: of float32 products, which may differ by rounding with
    the place of weights in memory."""
    if isinstance(answer, float):
        return [], [answer]
    if isinstance(answer, dict):
        answer = [part for pair in answer.items() for part in pair]
    if not isinstance(answer, list | tuple):
        return [answer], []
    parts = [flat(part) for part in answer]
    return [x for words, _ in parts for x in words], [x for _, numbers in parts for x in numbers]


def test_a_model_object_of_another_task_is_refused(checkpoints):
    model = models.MobileBertForQuestionAnswering.from_pretrained(checkpoints["question-answering"])
    with pytest.raises(InputError, match="needs a MobileBertForMaskedLM, not a MobileBertForQ"):
        pipeline("fill-mask", model, BUNDLED_MODEL)
    with pytest.raises(InputError, match="runs on backend='torch', not 'numpy'"):
        pipeline("question-answering", model, backend="numpy")
    with pytest.raises(InputError, match="not list"):
        pipeline("fill-mask", [1])


def test_a_new_model_object_needs_a_tokenizer():
    model = models.MobileBertForMaskedLM(MobileBertConfig(num_hidden_layers=1))
    with pytest.raises(InputError, match="give tokenizer="):
        pipeline("fill-mask", model, allow_untrained=True)


def test_a_backend_is_a_model_too(checkpoints):
    first = pipeline("fill-mask", checkpoints["fill-mask"])
    second = pipeline("fill-mask", first.model, first.tokenizer)
    assert second("a [MASK]") == first("a [MASK]")


def test_a_vocabulary_that_does_not_fit_is_refused(tmp_path):
    directory = write_checkpoint(tmp_path, "masked_lm", vocab_size=30600)
    with pytest.raises(CheckpointError, match="smaller than the model's embedding"):
        pipeline("fill-mask", directory)


@pytest.mark.parametrize("rows", [30528, 30592])
def test_spare_rows_of_the_embedding_only_matter_where_tokens_are_predicted(rows, tmp_path):
    """resize_token_embeddings(pad_to_multiple_of=...) with the tokenizer as it was."""
    predicts = write_checkpoint(tmp_path / "lm", "masked_lm", vocab_size=rows)
    with pytest.raises(CheckpointError, match=r"resize_token_embeddings\(30522\)"):
        pipeline("fill-mask", predicts)
    reads = write_checkpoint(tmp_path / "classifier", "sequence_classification", vocab_size=rows)
    assert len(pipeline("text-classification", reads)("a text")) == 1
    assert len(pipeline("feature-extraction", predicts)("a text")[0]) == 4


@pytest.mark.parametrize("rows", [30000, 30521, 30523, 31000])
def test_other_sizes_of_the_embedding_are_refused_in_every_task(rows, tmp_path):
    directory = write_checkpoint(tmp_path, "sequence_classification", vocab_size=rows)
    with pytest.raises(CheckpointError, match="than the model's embedding"):
        pipeline("text-classification", directory)


@pytest.mark.parametrize(
    ("options", "backend"),
    [
        ({}, "engine"),
        ({"device": "cpu"}, "engine"),
        ({"device": -1}, "engine"),
        ({"dtype": "float64"}, "numpy"),
        ({"dtype": torch.float32}, "engine"),
        ({"torch_dtype": "auto"}, "engine"),
        ({"backend": "numpy"}, "numpy"),
        ({"backend": "torch"}, "torch"),
        ({"backend": "torch", "dtype": torch.bfloat16}, "torch"),
        ({"backend": "torch", "dtype": "auto"}, "torch"),
    ],
)
def test_the_backend_chosen(options, backend, checkpoints):
    answerer = pipeline("fill-mask", checkpoints["fill-mask"], **options)
    assert answerer.model.name == backend
    assert len(answerer("a [MASK]")) == 5


def test_an_element_type_the_processor_lacks_is_not_chosen(tmp_path, monkeypatch):
    """A bfloat16 checkpoint runs where there is no AMX: in float32."""
    directory = write_checkpoint(tmp_path, "masked_lm")
    loaded = models.MobileBertForMaskedLM.from_pretrained(directory)
    loaded.to(torch.bfloat16).save_pretrained(directory)
    monkeypatch.setenv("MOBILEBERT_ISA", "generic")
    answerer = pipeline("fill-mask", directory, dtype="auto")
    assert (answerer.model.name, answerer.model.engine.dtype) == ("engine", "float32")
    with pytest.raises(InputError, match="none in 'bfloat16'; backend='torch' has more"):
        pipeline("fill-mask", directory, dtype="bfloat16")


@pytest.mark.parametrize("isa", isa_dtypes())
def test_an_element_type_that_nobody_has_is_told_for_all_that_would_run(
    isa, checkpoints, monkeypatch
):
    monkeypatch.setenv("MOBILEBERT_ISA", isa)
    own = " or ".join(isa_dtypes()[isa])
    message = f"Here the engine computes in {own}, numpy in float32 or float64, none in 'int4'"
    with pytest.raises(InputError, match=message):
        pipeline("fill-mask", checkpoints["fill-mask"], dtype="int4")


def test_without_the_engine_numpy_runs_and_it_is_said_once(checkpoints, monkeypatch, caplog):
    monkeypatch.setattr(sources, "engine_is_compiled", lambda: False)
    monkeypatch.setattr(backend, "engine_is_compiled", lambda: False)
    sources._tell_that_the_engine_is_missing.cache_clear()
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        for _ in range(2):
            assert pipeline("fill-mask", checkpoints["fill-mask"]).model.name == "numpy"
    assert caplog.text.count("The engine was not compiled") == 1


def test_an_activation_that_the_engine_lacks_runs_on_numpy_and_it_is_said_once(tmp_path, caplog):
    directory = write_checkpoint(tmp_path, "masked_lm", hidden_act="mish")
    sources._tell_that_the_engine_lacks.cache_clear()
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        for task in ("fill-mask", None):
            answerer = pipeline(task, directory)
            assert answerer.model.name == "numpy"
            assert len(answerer("a [MASK]")) == 5
    assert caplog.text.count("does not know the activation 'mish'") == 1
    other = MobileBertConfig.from_pretrained(directory, hidden_act="relu")
    assert pipeline("fill-mask", directory, config=other).model.name == "engine"
    with pytest.raises(InputError, match="'mish' as hidden_act"):
        pipeline("fill-mask", directory, backend="engine")
    other.hidden_act = torch.tanh
    with pytest.raises(InputError, match="a function as hidden_act"):
        pipeline("fill-mask", directory, config=other)


def test_an_accelerator_that_is_not_there_warns(checkpoints, caplog):
    with caplog.at_level(logging.WARNING, logger="mobilebert"):
        answerer = pipeline("fill-mask", checkpoints["fill-mask"], device=99)
    assert answerer.model.name == "torch"
    assert "running on the CPU" in caplog.text
    assert len(answerer("a [MASK]")) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "jax"}, "Unknown backend 'jax'; choose one of auto, engine, numpy"),
        ({"dtype": "float16"}, "float32 or float64, none in 'float16'; backend='torch'"),
        ({"backend": "numpy", "dtype": "float16"}, "numpy backend computes in float32 or float64"),
        ({"backend": "numpy", "device": 0}, "CPU only"),
        ({"device": -2}, "-2 is no device"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_impossible_choices(options, message, checkpoints):
    with pytest.raises(InputError, match=message):
        pipeline("fill-mask", checkpoints["fill-mask"], **options)


def imported(statement: str, module: str) -> bool:
    code = f"{statement}\nimport sys; print({module!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def test_auto_imports_no_framework_unasked():
    build = "from mobilebert import pipeline; pipeline('fill-mask'{})('a [MASK]')"
    for framework in ("torch", "keras"):
        assert not imported(build.format(", device='cpu'"), framework)
    assert imported(build.format(", backend='torch'"), "torch")


def test_features_of_a_model_object_with_a_head_are_its_encoders(checkpoints):
    directory = checkpoints["text-classification"]
    model = models.MobileBertForSequenceClassification.from_pretrained(directory)
    by_object = pipeline("feature-extraction", model)
    by_name = pipeline("feature-extraction", directory, backend="torch")
    assert by_object("a b") == by_name("a b")


def test_features_need_no_pooler(checkpoints):
    directory = checkpoints["fill-mask"]
    model = models.MobileBertForMaskedLM.from_pretrained(directory)
    by_object = pipeline("feature-extraction", model)
    by_name = pipeline("feature-extraction", directory, backend="torch")
    assert by_object("a b") == by_name("a b")


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_features_of_a_model_object_do_not_ask_for_its_head(framework, tmp_path):
    directory = write_checkpoint(tmp_path / "words", "masked_lm")  # without a pooler too
    library = models if framework == "torch" else pytest.importorskip("mobilebert.keras")
    prefix = "" if framework == "torch" else "TF"
    kind = getattr(library, f"{prefix}MobileBertForTokenClassification")
    model = kind.from_pretrained(directory)
    assert model.newly_initialized_weights
    by_name = pipeline("feature-extraction", directory, backend=framework)
    assert pipeline("feature-extraction", model, directory)("a b") == by_name("a b")

    lost = "mobilebert.encoder.layer.1.output.dense.weight"
    write_checkpoint(tmp_path / "torn", "masked_lm", leave_out=(lost,))
    model = kind.from_pretrained(tmp_path / "torn")
    with pytest.raises(WeightsError, match=r"encoder\.layer\.1\.output\.dense\.weight"):
        pipeline("feature-extraction", model, directory)
