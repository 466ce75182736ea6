"""Speed of the Keras forward pass, recorded (`tf.function`) and with XLA, beside PyTorch's.

    python benchmarks/keras_forward.py [--lengths 16 128 384] [--batches 1 8] [--repeat 9]
                                       [--threads 2] [--layers 24] [--compile] [--json FILE]

The model is the published size (24 layers, random weights, every text of full length). All rows of
a shape are measured in turn, so that all meet the same machine; shown are medians, and how many
times as fast as eager PyTorch each is. Before anything is measured, all outputs must agree.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from side_by_side import machine, seconds_in_turn


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 128, 384])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--compile", action="store_true", help="also torch.compile")
    parser.add_argument("--json", type=Path, help="also write the results there")
    return parser.parse_args()


def build(layers):
    """Return both models with the same weights."""
    import torch

    import mobilebert
    from mobilebert.keras.variables import assign

    config = mobilebert.MobileBertConfig(num_hidden_layers=layers)
    torch.manual_seed(0)
    theirs = mobilebert.MobileBertModel(config).eval()
    ours = mobilebert.TFMobileBertModel(config)
    assign(ours, ours.weight_specs(), {n: x.numpy() for n, x in theirs.state_dict().items()})
    return ours, theirs


def ways(ours, theirs, compiles):
    """Name -> function from ids (numpy) to the last hidden state."""
    import tensorflow as tf
    import torch

    signature = [tf.TensorSpec((None, None), tf.int32)]
    recorded = tf.function(lambda ids: ours(ids)[0], input_signature=signature)
    compiled = tf.function(lambda ids: ours(ids)[0], jit_compile=True)

    def eager(model):
        def run(ids):
            with torch.inference_mode():
                return model(torch.as_tensor(ids))[0].numpy()

        return run

    found = {
        "PyTorch": eager(theirs),
        "tf.function": lambda ids: recorded(tf.constant(ids)).numpy(),
        "XLA": lambda ids: compiled(tf.constant(ids)).numpy(),
    }
    return found | ({"torch.compile": eager(torch.compile(theirs))} if compiles else {})


def main():
    options = parsed()
    import numpy as np
    import tensorflow as tf
    import torch

    where = machine(options.threads)
    torch.set_num_threads(options.threads)
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    ours, theirs = build(options.layers)
    functions = ways(ours, theirs, options.compile)
    print(f"{where}; tensorflow {tf.__version__}, torch {torch.__version__}")
    print(f"{'batch':>5} {'length':>6} " + " ".join(f"{name:>20}" for name in functions))
    rows = []
    for length in options.lengths:
        for batch in options.batches:
            rng = np.random.default_rng(length + batch)
            ids = rng.integers(1, ours.config.vocab_size, (batch, length), dtype=np.int32)
            wanted = functions["PyTorch"](ids)
            for name, function in functions.items():
                error = np.abs(function(ids) - wanted).max() / np.abs(wanted).max()
                if not error < 1e-4:
                    sys.exit(f"{name} differs from PyTorch by {error:.2g}")
            found = seconds_in_turn(functions, ids, options.repeat)
            shown = (f"{x * 1e3:9.1f} ms {found['PyTorch'] / x:5.2f} x" for x in found.values())
            print(f"{batch:5} {length:6} " + " ".join(f"{text:>20}" for text in shown), flush=True)
            rows.append({"batch": batch, "length": length, "seconds": found})
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
