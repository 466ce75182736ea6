"""Checkpoints as Google's code writes them."""

import warnings

import numpy as np

from mobilebert.checkpoint.names import Dialect, NameTable

__all__ = ["google_variables", "write_tf1"]


def google_variables(config, tensors):
    """Name and lay out tensors as Google's code does, with optimizer state among them."""
    table = NameTable(config)
    variables = {"global_step": np.array(7, np.int64)}
    for name, array in tensors.items():
        foreign = table.foreign(name, Dialect.GOOGLE)
        variables[foreign.name] = array.T if foreign.transposed else array
        variables[f"{foreign.name}/adam_m"] = np.zeros_like(variables[foreign.name])
        variables[f"{foreign.name}/adam_v"] = np.zeros_like(variables[foreign.name])
    return variables


def write_tf1(prefix, variables):
    """Write a TF1 checkpoint, ``prefix.index`` and ``prefix.data-00000-of-00001``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow as tf
    names = sorted(variables)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(np.ascontiguousarray(variables[name])) for name in names],
    )
