"""Ways to call the Keras classes, right and wrong, on whatever Keras runs."""

import keras
import numpy as np
import pytest

import mobilebert
from assertions import assert_close
from mobilebert.errors import ArgumentError, InputError
from small_keras import batch_for, build
from tolerances import BFLOAT16, FLOAT32

LABELS = np.arange(3) % 2


def classifier(**fields):
    model = build("sequence_classification", num_hidden_layers=1, **fields)
    return model, batch_for(model)


def test_input_forms_agree(compiled):
    model, batch = classifier()
    wanted = model(**batch).logits
    tensors = {name: keras.ops.convert_to_tensor(x, "int32") for name, x in batch.items()}
    forms = {
        "keywords": lambda: model(**tensors),
        "positions": lambda: model(*tensors.values()),
        "list": lambda: model(list(tensors.values())),
        "table": lambda: model(tensors),
        "keyword table": lambda: model(input_ids=tensors),
        "BatchEncoding": lambda: model(mobilebert.BatchEncoding(batch)),
        "nested lists": lambda: model({name: x.tolist() for name, x in batch.items()}),
    }
    for name, call in forms.items():
        assert_close(call().logits, wanted, FLOAT32, name)
    assert_close(compiled(lambda given: model(given).logits)(tensors), wanted, FLOAT32)
    values = [[v.value for v in model.trainable_variables], []]
    values[1] = [v.value for v in model.non_trainable_variables]
    for given in ([tensors], list(tensors.values())):
        output, _ = model.stateless_call(*values, *given)
        assert_close(output.logits, wanted, FLOAT32)


def test_results_are_tuples_where_asked_for():
    model, batch = classifier()
    loss, logits = model(**batch, labels=LABELS, return_dict=False)
    assert (loss.shape, logits.shape) == ((), (3, 2))


def test_tokens_go_in_and_out():
    name = "mobilebert-mini-uncased"
    tokenizer = mobilebert.AutoTokenizer.from_pretrained(name)
    model = mobilebert.TFAutoModelForMaskedLM.from_pretrained(name)
    encoded = tokenizer("The capital of France is [MASK].", return_tensors="np")
    found = keras.ops.argmax(model(encoded).logits[0], axis=-1)
    place = list(encoded["input_ids"][0]).index(tokenizer.mask_token_id)
    ours = mobilebert.pipeline("fill-mask", model=name, backend="numpy")
    assert (
        tokenizer.decode([int(found[place])])
        == ours("The capital of France is [MASK].")[0]["token_str"]
    )
    words = tokenizer.decode(keras.ops.convert_to_tensor(encoded["input_ids"][0]))
    assert words == "[CLS] the capital of france is [MASK]. [SEP]"


WRONG = {
    "nothing": (lambda m, b: m(attention_mask=b["attention_mask"]), "either input_ids"),
    "both": (lambda m, b: m(**b, inputs_embeds=np.zeros((3, 11, 16))), "cannot specify both"),
    "unknown name": (lambda m, b: m({**b, "words": 1}), "Unknown input words"),
    "rank": (lambda m, b: m(b["input_ids"][0]), r"must be \[batch, sequence\]"),
    "ragged": (lambda m, b: m([[1, 2], [3]]), "rows of one length"),
    "floats": (lambda m, b: m(np.zeros((2, 3))), "must hold integers"),
    "id": (lambda m, b: m(b["input_ids"] + 97), "vocabulary has 97 rows"),
    "segment": (lambda m, b: m(b["input_ids"], token_type_ids=b["input_ids"]), "segment table"),
    "length": (lambda m, b: m(np.ones((1, 41), int)), "41 tokens"),
    "mask": (lambda m, b: m(b["input_ids"], np.ones((3, 2))), "Wrong shape"),
    "label": (lambda m, b: m(b, labels=LABELS + 9), "allowed are 0 to 1"),
    "number of labels": (lambda m, b: m(b, labels=LABELS[:2]), "one label is needed"),
    "head mask": (lambda m, b: m(b, head_mask=np.ones(3)), r"head_mask must be \[heads=4\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_clear_sentence(case):
    call, message = WRONG[case]
    with pytest.raises((InputError, ArgumentError), match=message) as caught:
        call(*classifier())
    assert "\n" not in str(caught.value)


def test_wrong_lengths_are_noticed_where_programs_are_recorded(compiled):
    model, _ = classifier()
    with pytest.raises(InputError, match="41 tokens"):
        compiled(lambda ids: model(ids).logits)(np.ones((1, 41), np.int32))


def test_a_model_is_a_layer_of_another_model():
    # For JAX older Kerases try an unknown length with 83 and 89 tokens.
    model, batch = classifier(max_position_embeddings=100)
    ids = keras.Input((None,), dtype="int32")
    whole = keras.Model(ids, keras.ops.softmax(model(ids).logits))
    wanted = keras.ops.softmax(model(batch["input_ids"]).logits)
    assert_close(whole(batch["input_ids"]), wanted, FLOAT32)


def test_mixed_bfloat16():
    plain, batch = classifier()
    model, _ = classifier(dtype="mixed_bfloat16")
    assert model.mobilebert.embeddings.word_embeddings.embeddings.dtype == "float32"
    found = model(batch).logits
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    assert_close(keras.ops.cast(found, "float32"), plain(batch).logits, BFLOAT16)
