"""Speed of the engine beside PyTorch: our classes, and transformers where it is installed.

    python benchmarks/engine.py [--lengths 16 128 384] [--batches 1 16] [--repeat 9] [--threads 2]
                                [--layers 24] [--json FILE]

The model is the published size (24 layers, random weights, every text of full length; the encoder
alone). All rows of a shape are measured in turn, so that all meet the same machine; shown are
medians, and how many times as fast as the fastest row of PyTorch each is. Before anything is
measured, all outputs are compared with the float64 reference; the error is relative to the largest
value.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
from side_by_side import machine, seconds_in_turn

# Largest error of a row against float64, by element type.
BOUNDS = {"float32": 1e-4, "bfloat16": 0.1, "int8": 0.1}


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 128, 384])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--json", type=Path, help="also write the results there")
    return parser.parse_args()


def eager(model):
    import torch

    def run(ids):
        with torch.inference_mode():
            return model(torch.as_tensor(ids))[0].float().numpy()

    return run


def ways(layers, threads):
    """Name -> (element type, function from ids to the last hidden state); and the model."""
    import torch

    import mobilebert
    from mobilebert.engine.native import choose_isa, isa_dtypes

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = mobilebert.MobileBertModel(mobilebert.MobileBertConfig(num_hidden_layers=layers)).eval()
    found = {"PyTorch float32": ("float32", eager(model))}
    narrow = mobilebert.MobileBertModel(model.config).to(torch.bfloat16).eval()
    narrow.load_state_dict(model.state_dict())
    found["PyTorch bfloat16"] = ("bfloat16", eager(narrow))
    try:
        import transformers
    except ModuleNotFoundError:
        print("transformers is not installed: no row for it")
    else:
        config = transformers.MobileBertConfig(**model.config.to_diff_dict())
        theirs = transformers.MobileBertModel(config).eval()
        theirs.load_state_dict(model.state_dict())
        found["transformers"] = ("float32", eager(theirs))
    isa = choose_isa()
    for dtype in isa_dtypes()[isa]:
        engine = mobilebert.Engine.from_model(model, dtype=dtype, threads=threads)
        found[f"engine {dtype}"] = (dtype, lambda ids, run=engine: run(ids).last_hidden_state)
    return found, model, isa


def errors(functions, model, length):
    """Largest error of each function on two texts, relative to the largest value."""
    from mobilebert.reference import forward

    ids = np.random.default_rng(length).integers(1, model.config.vocab_size, (2, length))
    tensors = {name: x.double().numpy() for name, x in model.state_dict().items()}
    wanted = forward(tensors, model.config, "feature_extraction", ids)["last_hidden_state"]
    return {
        name: float(np.abs(function(ids) - wanted).max() / np.abs(wanted).max())
        for name, (_, function) in functions.items()
    }


def main():
    options = parsed()
    where = machine(options.threads)
    functions, model, isa = ways(options.layers, options.threads)
    print(f"{where}; engine on {isa}")
    found_errors = errors(functions, model, 64)
    for name, (dtype, _) in functions.items():
        print(f"{name:<18} error {found_errors[name]:.1e}")
        if not found_errors[name] <= BOUNDS[dtype]:
            sys.exit(f"{name} differs from the float64 reference by {found_errors[name]:.2g}")
    runs = {name: function for name, (_, function) in functions.items()}
    print(f"{'batch':>5} {'length':>6} " + " ".join(f"{name:>20}" for name in runs))
    rows = []
    for length in options.lengths:
        for batch in options.batches:
            rng = np.random.default_rng(length + batch)
            ids = rng.integers(1, model.config.vocab_size, (batch, length))
            found = seconds_in_turn(runs, ids, options.repeat)
            best = min(x for name, x in found.items() if not name.startswith("engine"))
            shown = (f"{x * 1e3:9.1f} ms {best / x:5.2f} x" for x in found.values())
            print(f"{batch:5} {length:6} " + " ".join(f"{text:>20}" for text in shown), flush=True)
            rows.append({"batch": batch, "length": length, "seconds": found})
    if options.json:
        facts = {"machine": where, "isa": isa, "errors": found_errors, "rows": rows}
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
