"""Another vocabulary size and fewer heads between steps of training, on whatever Keras runs."""

import keras
import numpy as np
import pytest

import mobilebert
from assertions import assert_close
from mobilebert.keras.variables import read
from mobilebert.weights import weight_specs
from small_keras import batch_for, build
from tolerances import FLOAT32


# Keras itself reads variables in a way numpy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_training_goes_on_with_the_new_variables(tmp_path):
    model = build("masked_lm", "untied", num_hidden_layers=1, num_feedforward_networks=1)
    batch = batch_for(model)
    model.compile(optimizer=keras.optimizers.Adam(0.01, beta_1=0.8))
    model.fit({**batch, "labels": batch["input_ids"]}, verbose=0)
    first = model.optimizer
    whole = model.predict(batch, verbose=0).logits
    masked = model(**batch, head_mask=np.array([1, 0, 1, 1], np.float32)).logits
    masked = keras.ops.convert_to_numpy(masked)
    assert np.abs(whole - masked).max() > 0.01  # the head did something
    model.prune_heads({0: [1]})
    model.resize_token_embeddings(104)
    # Neither the recorded prediction nor the optimizer goes on with the old variables.
    found = model.predict(batch, verbose=0).logits
    assert_close(found[..., :97], masked, FLOAT32)
    assert model.optimizer is not first
    assert model.optimizer.get_config() == first.get_config()
    before = tensors(model)
    rows = weight_specs(model.config, "masked_lm")
    assert {name: x.shape for name, x in before.items()} == {
        row.name: row.shape for row in rows if row.tied_to is None
    }
    batch["input_ids"] = batch["input_ids"] + 7
    history = model.fit({**batch, "labels": batch["input_ids"]}, epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
    after = tensors(model)
    for name in ("cls.predictions.dense.weight", "cls.predictions.bias"):
        moved = np.abs(after[name] - before[name])
        assert moved[..., 97:].max() > 0.005
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert (again.config.vocab_size, again.config.pruned_heads) == (104, {0: [1]})
    assert_close(again(**batch).logits, model(**batch).logits, FLOAT32)


def test_weights_are_new_until_they_are_trained(tmp_path):
    fields = {"num_hidden_layers": 1, "num_feedforward_networks": 1}
    build("masked_lm", "raw_pooler", **fields).save_pretrained(tmp_path)
    model = mobilebert.TFMobileBertForTokenClassification.from_pretrained(tmp_path, num_labels=3)
    untrained = ("classifier.weight", "classifier.bias")
    assert model.newly_initialized_weights == untrained
    model.resize_token_embeddings(104)
    model.prune_heads({0: [1]})
    assert model.newly_initialized_weights == untrained
    batch = batch_for(model)
    batch["labels"] = batch["input_ids"] % 3
    model.compile(optimizer="adam", run_eagerly=True)
    model.fit(batch, verbose=0)
    assert not model.newly_initialized_weights
    assert repr(model.newly_initialized_weights) == "()"
    # Only what was written to: another head that is new stays so.
    model = mobilebert.TFMobileBertForPreTraining.from_pretrained(tmp_path)
    layer = "cls.seq_relationship"
    assert model.newly_initialized_weights == (f"{layer}.weight", f"{layer}.bias")
    model.get_input_embeddings().embeddings.assign(np.ones((97, 16)))
    assert len(model.newly_initialized_weights) == 2
    model.cls.seq_relationship.kernel.assign(np.ones((32, 2)))
    assert len(model.newly_initialized_weights) == 0


def tensors(model):
    return {name: np.array(x) for name, x in read(model, model.weight_specs()).items()}
