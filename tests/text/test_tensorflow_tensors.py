"""TensorFlow in and out, in a process of its own so that the others stay without it."""

import subprocess
import sys

SCRIPT = """
import sys
from mobilebert.text import MobileBertTokenizer, MobileBertTokenizerFast
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
print("done")
"""


def test_tensorflow_tensors():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert run.stdout.strip().endswith("done"), run.stderr[-2000:]
