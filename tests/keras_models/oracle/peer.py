"""What transformers' TensorFlow classes answer, write and read; run in the second environment.

``python peer.py PLACE`` does for every directory of PLACE what its ``case.json`` says. Nothing of
this library is imported here. In a case:

- ``ours/`` and ``inputs.npz`` are given: a checkpoint of ours, inputs and labels;
- ``theirs/`` gets the answers of a model that has ``ours/config.json`` and weights drawn here,
  and the files it writes, one directory for each form;
- ``read/`` gets the answers of a model that was loaded from ``ours/``.
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import tensorflow as tf
import transformers
from outputs import flat  # beside this file

# Form -> how it is written. Eight kilobytes a shard give many.
FORMS = {
    "h5": {"safe_serialization": False},
    "safetensors": {"safe_serialization": True},
    "h5 shards": {"safe_serialization": False, "max_shard_size": "8KB"},
    "safetensors shards": {"safe_serialization": True, "max_shard_size": "8KB"},
}
DECODER = "predictions/decoder/weight:0"
WORDS = "embeddings/word_embeddings/weight:0"


def drawn(name, shape, rng):
    """Draw a value that keeps hidden values moderate; no bias is zero and no factor one."""
    leaf = name.rsplit("/", 1)[-1]
    if len(shape) == 1:
        factor = leaf == "gamma:0" or (leaf == "weight:0" and "Norm" in name)
        return factor + 0.3 * rng.standard_normal(shape)
    if "embeddings/" in name and leaf != "kernel:0":
        return 0.5 * rng.standard_normal(shape)
    return 0.8 / np.sqrt(shape[0]) * rng.standard_normal(shape)


def redraw(model, seed, *, tied):
    """Draw every variable; there the decoder is one of its own, which `tied` makes the words'."""
    rng = np.random.default_rng(seed)
    named = {variable.name: variable for variable in model.variables}
    for name, variable in named.items():
        variable.assign(drawn(name, variable.shape, rng))
    (words,) = (variable for name, variable in named.items() if name.endswith(WORDS))
    for name, variable in named.items():
        if tied and name.endswith(DECODER):
            variable.assign(words)


def answers(model, inputs, labels):
    """Outputs for the inputs, losses with the labels, and the losses that are not reduced."""
    states = {"output_hidden_states": True, "output_attentions": True}
    found = flat(model(**inputs, **states, training=False))
    if labels:
        labels = {name: tf.constant(array) for name, array in labels.items()}
        for name, legacy in (("loss", False), ("legacy loss", True)):
            model.config.tf_legacy_loss = legacy
            found[name] = np.asarray(model(**inputs, **labels, training=False).loss)
        model.config.tf_legacy_loss = False
    return found


def do(place):
    """Do one case."""
    case = json.loads((place / "case.json").read_text())
    cls = getattr(transformers, case["class"])
    inputs = dict(np.load(place / "inputs.npz"))
    labels = {name: inputs.pop(name) for name in case["labels"]}

    model = cls(transformers.MobileBertConfig.from_pretrained(place / "ours"))
    model.build_in_name_scope()
    redraw(model, zlib.crc32(place.name.encode()), tied=case["tied"])
    (place / "theirs").mkdir()
    np.savez(place / "theirs" / "answers.npz", **answers(model, inputs, labels))
    for form in case["forms"]:
        model.save_pretrained(place / "theirs" / form, **FORMS[form])

    # Without from_pt it iterates over an open safetensors file, which cannot be done.
    model, report = cls.from_pretrained(place / "ours", from_pt=True, output_loading_info=True)
    (place / "read").mkdir()
    np.savez(place / "read" / "answers.npz", **answers(model, inputs, labels))
    (place / "read" / "report.json").write_text(json.dumps(report, default=str))


if __name__ == "__main__":
    for directory in sorted(Path(sys.argv[1]).iterdir()):
        do(directory)
