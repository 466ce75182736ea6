"""Layouts of packed weights, against the plain formula of each."""

import numpy as np
import pytest

from mobilebert.engine.packing import (
    PANEL,
    pack_panels,
    pack_program,
    pack_tiles,
    padded_width,
    to_bfloat16,
)
from mobilebert.engine.program import build_program
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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_widths_of_a_packed_program_fit_each_other(variant, dtype):
    config = small_config(variant)
    spec = TASKS["pretraining"]
    tensors = random_tensors(config, "pretraining")
    packed = pack_program(build_program(tensors, config, spec), dtype)
    assert (packed.dtype, packed.stream_width) == (dtype, config.hidden_size)
    for layer in packed.layers:
        for network in layer.feed_forward:
            assert network.inner.width_in == network.outer.width_out == packed.narrow
            assert network.inner.width_out == network.outer.width_in == packed.inner
        assert layer.attention_output.width_in == layer.heads * packed.head
        assert layer.query.dtype == dtype
    assert packed.vocabulary.dtype == dtype
    assert packed.projection.dtype == "float32"
    for linear in (packed.layers[0].query, packed.vocabulary):
        assert linear.weight.size == linear.width_in * linear.width_out
        assert linear.bias.shape == (linear.width_out,)
