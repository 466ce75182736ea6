import json
import struct
import time

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given, strategies as st

from mobilebert.checkpoint.safetensors_file import read_safetensors, write_safetensors
from mobilebert.checkpoint.stored import DTYPES, StoredTensor
from mobilebert.checkpoint.torch_file import stored_from_torch, torch_from_stored
from mobilebert.errors import CheckpointError

NUMPY_TYPES = [row.name for row in DTYPES.values() if row.code != "BF16"]


@pytest.mark.parametrize("name", NUMPY_TYPES)
def test_every_numpy_type_goes_both_ways_with_the_library(tmp_path, name):
    array = np.arange(-3, 9).astype(name).reshape(3, 4)
    odd = np.arange(5, dtype=np.uint8)  # leaves what follows it unaligned unless it is sorted
    write_safetensors(
        tmp_path / "ours",
        {"odd": StoredTensor.from_array(odd), "x": StoredTensor.from_array(array)},
    )
    np.testing.assert_array_equal(safetensors.numpy.load_file(tmp_path / "ours")["x"], array)
    safetensors.numpy.save_file({"x": array, "odd": odd}, tmp_path / "theirs")
    found = read_safetensors(tmp_path / "theirs").tensors["x"]
    assert (found.shape, found.array().dtype.name) == ((3, 4), name)
    np.testing.assert_array_equal(found.array(), array)


def test_bfloat16_is_read_exactly_without_torch_and_by_torch(tmp_path):
    values = torch.tensor([[1.5, -3e38], [1e-40, float("inf")]], dtype=torch.bfloat16)
    safetensors.torch.save_file({"x": values}, tmp_path / "theirs")
    stored = read_safetensors(tmp_path / "theirs").tensors["x"]
    np.testing.assert_array_equal(stored.array(), values.float().numpy())
    assert torch.equal(torch_from_stored(stored), values)
    write_safetensors(tmp_path / "ours", {"x": stored_from_torch(values.T)})
    assert torch.equal(safetensors.torch.load_file(tmp_path / "ours")["x"], values.T)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1, 2, 3)])
def test_odd_shapes(tmp_path, shape):
    array = np.ones(shape, np.float32)
    write_safetensors(tmp_path / "x", {"x": StoredTensor.from_array(array)}, {"format": "pt"})
    content = read_safetensors(tmp_path / "x")
    assert content.metadata == {"format": "pt"}
    assert content.tensors["x"].array().shape == shape
    assert safetensors.numpy.load_file(tmp_path / "x")["x"].shape == shape
    assert torch_from_stored(content.tensors["x"]).shape == shape


def test_a_transposed_tensor_moves_its_bytes():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    turned = StoredTensor.from_array(array).transposed()
    assert turned.shape == (3, 2)
    np.testing.assert_array_equal(turned.array(), array.T)


def test_arrays_of_unknown_type_are_refused():
    with pytest.raises(CheckpointError, match="complex64"):
        StoredTensor.from_array(np.zeros(2, np.complex64))


def valid_file(path):
    safetensors.numpy.save_file(
        {"a": np.zeros((2, 3), np.float32), "b": np.zeros(4, np.float16)}, path
    )
    return path.read_bytes()


@given(data=st.data())
def test_what_the_library_refuses_we_refuse_with_our_error(tmp_path_factory, data):
    """Mutated files: never another exception, and nothing is accepted that the library rejects."""
    path = tmp_path_factory.getbasetemp() / "mutated.safetensors"
    content = bytearray(valid_file(path))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    content = (
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    path.write_bytes(content)
    try:
        tensors = read_safetensors(path).tensors
    except CheckpointError:
        return
    theirs = safetensors.numpy.load_file(path)
    assert tensors.keys() == theirs.keys()


@given(
    header=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["dtype", "shape", "data_offsets", "__metadata__", "a"]), inner
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_header_gives_our_error_or_a_file(tmp_path_factory, header):
    path = tmp_path_factory.getbasetemp() / "header.safetensors"
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    with pytest.raises(CheckpointError):
        read_safetensors(path)


def test_a_name_that_stands_twice_among_many_is_found_at_once(tmp_path):
    """Counting each name would take half a minute, and hours at the limit of a header."""
    path = tmp_path / "twice.safetensors"
    names = [*range(50_000), 49_999]
    text = ("{" + ",".join(f'"{name}":0' for name in names) + "}").encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    start = time.process_time()
    with pytest.raises(CheckpointError, match="'49999' twice"):
        read_safetensors(path)
    assert time.process_time() - start < 5


def test_an_unwritable_place_is_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match="Cannot write"):
        write_safetensors(tmp_path / "no" / "x", {})
