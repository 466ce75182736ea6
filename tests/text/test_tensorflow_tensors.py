"""TensorFlow in and out, in a process of its own so that the others stay without it."""

import subprocess
import sys

SCRIPT = """
import sys
import numpy as np
from mobilebert.text import BatchEncoding, MobileBertTokenizer, MobileBertTokenizerFast
for cls in (MobileBertTokenizer, MobileBertTokenizerFast):
    tokenizer = cls.from_pretrained("mobilebert-mini-uncased")
    assert cls is not MobileBertTokenizer or "tensorflow" not in sys.modules
    batch = tokenizer(["a b", "c"], padding=True, return_tensors="tf")
    import tensorflow as tf
    for value in batch.values():
        assert tf.is_tensor(value) and value.dtype == tf.int32 and value.shape == (2, 4)
    assert tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True) == ["a b", "c"]
    assert tokenizer.decode(batch["input_ids"][0]) == "[CLS] a b [SEP]"
    assert tokenizer("a", return_tensors="tf")["input_ids"].shape == (1, 3)
    padded = tokenizer.pad({"input_ids": [tf.constant([1, 2]), tf.constant([3])]})
    assert tf.is_tensor(padded["input_ids"])
    assert padded["input_ids"].numpy().tolist() == [[1, 2], [3, 0]]
    try:
        tokenizer(["a b", "c"], return_tensors="tf")
    except ValueError as error:
        assert "padding=True" in str(error)
    else:
        raise SystemExit("rows of different length were accepted")

    def refused(call, message):
        try:
            call()
        except ValueError as error:
            assert message in str(error), error
        else:
            raise SystemExit(f"accepted: {message}")

    ids = batch["input_ids"]
    words = ["[CLS]", "a", "b", "[SEP]"]
    assert [t.dtype for t in tokenizer("a", "b", return_tensors="tf").values()] == [tf.int32] * 3
    assert tokenizer.encode("a", return_tensors="tf").dtype == tf.int32
    rows = {"input_ids": [[1], [2]], "scores": [[0.5], [1.5]]}
    assert tokenizer.pad(rows, return_tensors="tf")["scores"].dtype == tf.float32
    typed = BatchEncoding({"x": np.zeros((1, 2)), "y": np.zeros(2, np.int64), "z": [True]})
    found = typed.convert_to_tensors("tf").values()
    assert [value.dtype for value in found] == [tf.float64, tf.int64, tf.bool]
    alone = tokenizer("a").convert_to_tensors("tf", prepend_batch_axis=True)
    assert alone["input_ids"].shape == (1, 3)
    padded = tokenizer(["a b", "c"], padding="max_length", max_length=9, return_tensors="tf")
    assert padded["attention_mask"].shape == (2, 9)

    # What models give: the best ids, of 64 bits.
    best = tf.math.argmax(tf.one_hot(ids, 30522), axis=-1)
    assert best.dtype == tf.int64
    for rows in (ids, best, list(best), tf.Variable(ids), tf.ragged.constant([[101, 1037], [101]])):
        assert tokenizer.batch_decode(rows)[0].startswith("[CLS] a")
    assert tokenizer.decode(best[0]) == "[CLS] a b [SEP]"
    assert tokenizer.decode(best[0, 1]) == tokenizer.decode([best[0, 1]]) == "a"
    assert tokenizer.decode(ids[1][ids[1] != 0], skip_special_tokens=True) == "c"
    assert tokenizer.convert_ids_to_tokens(best[0]) == words
    assert tokenizer.convert_ids_to_tokens(list(best[0])) == words
    assert tokenizer.convert_ids_to_tokens(best[0, 1]) == "a"
    assert tokenizer.convert_ids_to_tokens(ids[0], skip_special_tokens=True) == ["a", "b"]
    mask = tokenizer.get_special_tokens_mask(ids[0], already_has_special_tokens=True)
    assert mask == [1, 0, 0, 1]
    refused(lambda: tokenizer.decode(ids), "batch_decode takes several rows")
    refused(lambda: tokenizer.decode(tf.constant([1.5])), "give one id or one row of ids")

    # Inside a graph there are no ids yet.
    for call in (
        lambda x: tokenizer.decode(x[0]),
        tokenizer.batch_decode,
        lambda x: tokenizer.convert_ids_to_tokens(x[0]),
    ):
        graph = tf.function(call, autograph=False)
        refused(lambda: graph(ids), "has no values here")
print("done")
"""


def test_tensorflow_tensors():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert run.stdout.strip().endswith("done"), run.stderr[-2000:]
