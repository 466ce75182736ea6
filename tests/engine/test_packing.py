"""Layouts of packed weights, against the plain formula of each."""

import numpy as np
import pytest

from mobilebert.engine.layouts import (
    PANEL,
    pack_byte_tiles,
    pack_panels,
    pack_tiles,
    padded_width,
    to_bfloat16,
)
from mobilebert.engine.packing import Recipe, pack_program, recipes
from mobilebert.engine.program import build_program
from mobilebert.engine.quantization import INTEGER_MATRICES
from mobilebert.tasks import TASKS
from models import VARIANTS, random_tensors, small_config


def test_the_panel_is_the_kernels():
    from mobilebert.engine import _native

    assert _native.PANEL == PANEL
    assert [padded_width(width) for width in (1, 31, 32, 33)] == [32, 32, 32, 64]


def test_a_panel_has_32_outputs_beside_each_other():
    matrix = np.arange(64 * 96, dtype=np.float32).reshape(64, 96)
    panels = pack_panels(matrix)
    assert panels.shape == (2, 96, 32)
    for out, into in ((0, 0), (5, 7), (33, 95), (63, 32)):
        assert panels[out // 32, into, out % 32] == matrix[out, into]


def test_a_tile_has_pairs_of_inputs_by_16_outputs():
    matrix = np.arange(64 * 96, dtype=np.float32).reshape(64, 96) % 251  # exact in bfloat16
    tiles = pack_tiles(matrix)
    assert tiles.shape == (2, 3, 2, 16, 16, 2)
    for out, into in ((0, 0), (5, 7), (33, 95), (63, 32), (17, 64)):
        place = (out // 32, into // 32, out % 32 // 16, into % 32 // 2, out % 16, into % 2)
        assert tiles[place] == to_bfloat16(matrix[out, into][None])[0]


@pytest.mark.parametrize("depth", [96, 128])
def test_a_byte_tile_has_fours_of_inputs_by_16_outputs(depth):
    matrix = (np.arange(64 * depth).reshape(64, depth) % 251 - 125).astype(np.float32)
    tiles = pack_byte_tiles(matrix)
    assert tiles.shape == (2, 2, 2, 16, 16, 4)
    assert tiles.dtype == np.int8
    for out, into in ((0, 0), (5, 7), (33, 95), (63, 32), (17, 64)):
        place = (out // 32, into // 64, out % 32 // 16, into % 64 // 4, out % 16, into % 4)
        assert tiles[place] == matrix[out, into]
    assert (tiles != 0).sum() == (matrix != 0).sum(), "the rest is zeros"


def test_int8_never_computes_attention():
    assert recipes("float32", "generic") == (Recipe("float32", "float32", "float32"),)
    for isa, wide in (("avx512vnni", "float32"), ("amx", "bfloat16")):
        fastest, accurate = recipes("int8", isa)
        assert fastest == Recipe("int8", "int8", wide)
        assert accurate == Recipe("int8", wide, wide)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_widths_of_a_packed_program_fit_each_other(variant, dtype):
    config = small_config(variant)
    spec = TASKS["pretraining"]
    tensors = random_tensors(config, "pretraining")
    stream_dtype = "float32" if dtype == "int8" else dtype
    recipe = recipes(dtype, "avx512vnni")[-1]
    packed = pack_program(build_program(tensors, config, spec), recipe)
    assert (packed.dtype, packed.stream_width) == (dtype, config.hidden_size)
    for layer in packed.layers:
        for network in layer.feed_forward:
            assert network.inner.width_in == network.outer.width_out == packed.narrow
            assert network.inner.width_out == network.outer.width_in == packed.inner
        assert layer.attention_output.width_in == layer.heads * packed.head
        assert layer.attention_output.dtype == network.inner.dtype == dtype
        for name in ("query", "key", "value"):
            inside = name in INTEGER_MATRICES[layer.reads]
            assert getattr(layer, name).dtype == (dtype if inside else stream_dtype)
        if layer.input_bottleneck is not None:
            assert layer.input_bottleneck.dtype == layer.output_bottleneck.dtype == stream_dtype
    assert packed.vocabulary.dtype == stream_dtype
    assert packed.projection.dtype == "float32"
    for linear in (packed.layers[0].query, packed.vocabulary):
        depth = linear.width_in + (-linear.width_in % 64 if linear.dtype == "int8" else 0)
        assert linear.weight.size == depth * linear.width_out
        assert not linear.weight.ctypes.data % 64, "no vector straddles two lines of the cache"
        assert linear.bias.shape == (linear.width_out,)
