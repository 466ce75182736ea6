"""The functions with gradients of their own, each beside the same in single operations of torch."""

import torch
from torch.nn import functional as F

from mobilebert.torch.packed_projections import (
    FoldedDense,
    enter_attention,
    feed_forward,
    project,
)

__all__ = ["FUNCTIONS", "WIDE", "results_and_gradients"]

ROWS, WIDTH, INNER, WIDE = 7, 6, 4, 10


def drawn(*shapes):
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    ]


def folded_shapes(out, into):
    return (out, into), (out,), (out,), (out,)


def normed(x, dense, residual=0.0):
    return (F.linear(x, dense.weight, dense.bias) + residual) * dense.factor + dense.shift


def entry_inputs(wanted):
    inputs = drawn(
        (ROWS, WIDTH),
        (2, WIDTH),
        *folded_shapes(INNER, WIDTH),
        *folded_shapes(INNER, WIDTH),
        *((INNER, INNER), (INNER,)) * 2,
        *((INNER, WIDTH), (INNER,)),
    )
    return inputs if wanted else [inputs[0], None, *inputs[2:]]


def fast_entry(stream, wanted, *weights):
    return enter_attention(
        stream, wanted, FoldedDense(*weights[:4]), FoldedDense(*weights[4:8]), weights[8:]
    )


def slow_entry(stream, wanted, *weights):
    narrow = normed(stream, FoldedDense(*weights[4:8]))
    query, query_bias, key, key_bias, value, value_bias = weights[8:]
    joint = F.linear(narrow, query, query_bias), F.linear(narrow, key, key_bias)
    residual = normed(stream if wanted is None else wanted, FoldedDense(*weights[:4]))
    return residual, torch.cat([*joint, F.linear(stream, value, value_bias)], dim=1)


FUNCTIONS = {
    "project": (
        lambda x, residual, *dense: project(x, FoldedDense(*dense), residual),
        lambda x, residual, *dense: normed(x, FoldedDense(*dense), residual),
        lambda: drawn((ROWS, INNER), (ROWS, WIDTH), *folded_shapes(WIDTH, INNER)),
    ),
    "feed_forward": (
        lambda x, weight, bias, *dense: feed_forward(x, weight, bias, FoldedDense(*dense)),
        lambda x, weight, bias, *dense: normed(
            F.relu(F.linear(x, weight, bias)), FoldedDense(*dense), x
        ),
        lambda: drawn((ROWS, INNER), (WIDE, INNER), (WIDE,), *folded_shapes(INNER, WIDE)),
    ),
    "enter_attention": (fast_entry, slow_entry, lambda: entry_inputs(False)),
    "enter_attention, some rows": (fast_entry, slow_entry, lambda: entry_inputs(True)),
}


def results_and_gradients(function, inputs):
    """What comes out, and the gradients of a sum with other weights for each number."""
    results = function(*inputs)
    results = results if isinstance(results, tuple) else (results,)
    total = sum((x * torch.arange(x.numel()).view(x.shape).sin()).sum() for x in results)
    wanted = [x for x in inputs if x is not None and x.requires_grad]
    return results, torch.autograd.grad(total, wanted)
