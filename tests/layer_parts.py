"""The functions with gradients of their own, each beside the same in single operations of torch."""

import torch
from torch.nn import functional as F

from mobilebert.torch.folding import FoldedDense
from mobilebert.torch.packed_projections import enter_attention, feed_forward, project

__all__ = ["FUNCTIONS", "WIDE", "functions_of", "results_and_gradients"]

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


def functions_of(rows, width, inner, wide):
    """Name -> the function, the same in single operations, and what makes its inputs.

    Args:
        rows: How many.
        width: Of the residual stream.
        inner: Inside a layer.
        wide: Of a feed-forward network.
    """

    def entry_inputs(wanted):
        inputs = drawn(
            (rows, width),
            (2, width),
            *folded_shapes(inner, width),
            *folded_shapes(inner, width),
            *((inner, inner), (inner,)) * 2,
            *((inner, width), (inner,)),
        )
        return inputs if wanted else [inputs[0], None, *inputs[2:]]

    return {
        "project": (
            lambda x, residual, *dense: project(x, FoldedDense(*dense), residual),
            lambda x, residual, *dense: normed(x, FoldedDense(*dense), residual),
            lambda: drawn((rows, inner), (rows, width), *folded_shapes(width, inner)),
        ),
        "feed_forward": (
            lambda x, weight, bias, *dense: feed_forward(x, weight, bias, FoldedDense(*dense)),
            lambda x, weight, bias, *dense: normed(
                F.relu(F.linear(x, weight, bias)), FoldedDense(*dense), x
            ),
            lambda: drawn((rows, inner), (wide, inner), (wide,), *folded_shapes(inner, wide)),
        ),
        "enter_attention": (fast_entry, slow_entry, lambda: entry_inputs(False)),
        "enter_attention, some rows": (fast_entry, slow_entry, lambda: entry_inputs(True)),
    }


FUNCTIONS = functions_of(ROWS, WIDTH, INNER, WIDE)


def results_and_gradients(function, inputs):
    """What comes out, and the gradients of a sum with other weights for each number."""
    results = function(*inputs)
    results = results if isinstance(results, tuple) else (results,)
    total = sum((x * torch.arange(x.numel()).view(x.shape).sin()).sum() for x in results)
    wanted = [x for x in inputs if x is not None and x.requires_grad]
    return results, torch.autograd.grad(total, wanted)
