"""The file of a packed program: what comes back, and that nothing else is taken for one."""

import json
import mmap
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mobilebert.engine import pack_file
from mobilebert.engine.execution import Execution
from mobilebert.engine.native import isa_dtypes
from mobilebert.engine.pack_file import ALIGNMENT, PackError, check_arrays, open_pack, write_pack
from mobilebert.engine.packing import pack_program, recipes
from mobilebert.engine.program import build_program
from mobilebert.engine.ragged import RaggedBatch
from mobilebert.tasks import TASKS
from models import VARIANTS, random_tensors, small_config
from packed_checkpoints import arrays_of

HEADER = slice(64, None)
PATHS = [(isa, dtype) for isa, dtypes in isa_dtypes().items() for dtype in dtypes]


def packed(variant="mobilebert", dtype="float32", isa="generic", in_memory=True, **fields):
    config = small_config(variant, **fields)
    tensors = random_tensors(config, "pretraining")
    program = build_program(tensors, config, TASKS["pretraining"])
    return pack_program(program, recipes(dtype, isa)[-1], in_memory=in_memory)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("packs") / "a.pack"
    write_pack(path, packed(), {"state": {"files": []}})
    return path.read_bytes()


def shape_of(value):
    """A program without its arrays, to compare."""
    if isinstance(value, np.ndarray):
        return (value.dtype, value.shape)
    if isinstance(value, tuple):
        return tuple(map(shape_of, value))
    if hasattr(value, "__dataclass_fields__"):
        names = value.__dataclass_fields__
        return (type(value), {name: shape_of(getattr(value, name)) for name in names})
    return (type(value), value)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_program_comes_back_whole(variant, dtype, tmp_path):
    program = packed(variant, dtype)
    write_pack(tmp_path / "a.pack", program, {"of": [1, None, "ä"]})
    pack = open_pack(tmp_path / "a.pack")
    check_arrays(pack, program)
    found = pack.program()
    assert pack.facts == {"of": [1, None, "ä"]}
    assert shape_of(found) == shape_of(program)
    pairs = list(zip(arrays_of(found), arrays_of(program), strict=True))
    assert len(pairs) > 40
    assert all((mine == theirs).all() for mine, theirs in pairs)


@pytest.mark.parametrize(("isa", "dtype"), PATHS)
def test_the_native_part_takes_a_mapped_file(isa, dtype, tmp_path):
    program = packed(dtype=dtype, isa=isa)
    write_pack(tmp_path / "a.pack", program, {})
    mapped = open_pack(tmp_path / "a.pack").program()
    for array in arrays_of(mapped):
        assert isinstance(array.base, mmap.mmap)
        assert not array.flags.writeable
        assert array.ctypes.data % ALIGNMENT == 0
    (tmp_path / "a.pack").unlink()
    batch = RaggedBatch.from_rows([[1, 2, 3], [4] * 20])
    task = TASKS["pretraining"]
    wanted = Execution(program, task, isa, 2).run(batch)
    found = Execution(mapped, task, isa, 2).run(batch)
    del mapped  # the encoder keeps the file mapped
    for name, result in wanted.items():
        assert (found[name].array == result.array).all()


def test_a_mapped_file_outlives_its_replacement(tmp_path):
    path = tmp_path / "a.pack"
    write_pack(path, packed(), {})
    mapped, number = open_pack(path), path.stat().st_ino
    before = bytes(mapped.buffer)
    write_pack(path, packed("tiny"), {})
    assert path.stat().st_ino != number
    assert bytes(mapped.buffer) == before


@settings(max_examples=80)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(share, written, tmp_path_factory):
    path = tmp_path_factory.mktemp("cut") / "a.pack"
    path.write_bytes(written[: int(share * len(written))])
    with pytest.raises(PackError):
        open_pack(path)


@pytest.mark.parametrize("length", [0, 1, 8, 63, 64, 65])
def test_a_beginning_is_refused(length, written, tmp_path):
    path = tmp_path / "a.pack"
    path.write_bytes(written[:length])
    with pytest.raises(PackError):
        open_pack(path)
    path.write_bytes(written + b"\0")
    with pytest.raises(PackError, match="bytes of arrays should be"):
        open_pack(path)


def damaged(written, place, bits):
    content = bytearray(written)
    content[place] ^= bits
    return bytes(content)


# The bytes behind the header's checksum say nothing.
MEANINGLESS = range(24, 64)


@settings(max_examples=80)
@given(data=st.data(), bits=st.integers(1, 255))
def test_a_garbled_header_is_refused(data, bits, written, tmp_path_factory):
    length = struct.unpack_from("<I", written, 12)[0]
    place = data.draw(st.integers(0, 64 + length - 1).filter(lambda x: x not in MEANINGLESS))
    path = tmp_path_factory.mktemp("garbled") / "a.pack"
    path.write_bytes(damaged(written, place, bits))
    with pytest.raises(PackError):
        open_pack(path)


@settings(max_examples=40)
@given(share=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_garbled_arrays_are_found_by_reading_them(share, bits, written, tmp_path_factory):
    path = tmp_path_factory.mktemp("garbled") / "a.pack"
    path.write_bytes(written)
    pack = open_pack(path)
    places = pack.header["arrays"]
    dtype, shape, offset = places[int(share * len(places))]
    inside = int(share * np.dtype(dtype).itemsize * np.prod(shape))
    path.unlink()  # a mapped file is never written to, only replaced
    path.write_bytes(damaged(written, pack.start + offset + inside, bits))
    with pytest.raises(PackError, match="arrays are damaged|not what these weights give"):
        check_arrays(open_pack(path), packed())
    check_arrays(pack, packed())


@pytest.mark.parametrize(
    "other", [{"dtype": "bfloat16"}, {"vocab_size": 96}, {"num_hidden_layers": 1}]
)
def test_a_pack_of_something_else_is_found(other, written, tmp_path):
    (tmp_path / "a.pack").write_bytes(written)
    pack = open_pack(tmp_path / "a.pack")
    check_arrays(pack, packed())
    with pytest.raises(PackError, match="not what these weights give"):
        check_arrays(pack, packed(**other))


def test_holes_that_a_power_cut_leaves_are_found(tmp_path):
    """Nobody waits until a pack is on the disk; its length may be there before its bytes are."""
    path = tmp_path / "a.pack"
    write_pack(path, packed(vocab_size=20_000), {})
    content, start = path.read_bytes(), open_pack(path).start
    path.unlink()
    size = len(content)
    assert size > 1_500_000
    for first, last in ((start, size), (size // 2, size), (start, size // 2), (size - 4096, size)):
        holed = content[:first] + bytes(last - first) + content[last:]
        path.write_bytes(holed)
        with pytest.raises(PackError, match="arrays are damaged"):
            open_pack(path)
        path.unlink()
    path.write_bytes(content)
    open_pack(path)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_arrays_that_are_made_while_they_are_written_are_the_same(dtype, tmp_path):
    """More than one block of each."""
    isas = [isa for isa, known in isa_dtypes().items() if dtype in known]
    for isa in isas[:1]:
        made = packed(dtype=dtype, isa=isa, vocab_size=20_000)
        left = packed(dtype=dtype, isa=isa, vocab_size=20_000, in_memory=False)
        for name, program in (("made", made), ("left", left)):
            write_pack(tmp_path / name, program, {})
        assert (tmp_path / "made").read_bytes() == (tmp_path / "left").read_bytes()


def rewritten(written, change):
    """A file with another header, hashed as it should be."""
    length, _, samples = struct.unpack_from("<III", written, 12)
    header = json.loads(written[64 : 64 + length])
    change(header)
    text = json.dumps(header).encode()
    start = struct.pack("<8sIIII40x", b"MBPACK\r\n", 2, len(text), zlib.crc32(text), samples)
    front = start + text
    arrays = written[-(-(64 + length) // 64) * 64 :]
    return front + bytes(-len(front) % 64) + arrays


FIRST = ("arrays", 0)
WRONG_FIELDS = {
    "another version": (("made by", "library"), "0.0.9", "another version made it, 0.0.9"),
    "other sources": (("made by", "sources"), "0", "another version"),
    "another machine": (("made by", "byte order"), "middle", "another version"),
    "no maker": (("made by",), None, "no header"),
    "no facts": (("facts",), [], "lacks"),
    "fewer bytes": (("bytes",), 64, "bytes of arrays should be 64"),
    "an unknown type": ((*FIRST, 0), "object", "'object'"),
    "a negative size": ((*FIRST, 1), [-1], r"\[-1\]"),
    "a fraction": ((*FIRST, 1), [1.5], r"\[1.5\]"),
    "no shape": ((*FIRST, 1), 5, "describes an array"),
    "a huge size": ((*FIRST, 1), [2**62, 2**62], "outside"),
    "another place": ((*FIRST, 2), 32, "outside"),
    "a place behind the end": ((*FIRST, 2), 2**40, "outside"),
    "no array": (FIRST, None, "no header"),
}


@pytest.mark.parametrize("case", WRONG_FIELDS)
def test_a_header_is_checked_field_by_field(case, written, tmp_path):
    (*path, last), value, message = WRONG_FIELDS[case]

    def change(header):
        for step in path:
            header = header[step]
        header[last] = value

    (tmp_path / "a.pack").write_bytes(rewritten(written, change))
    with pytest.raises(PackError, match=message):
        open_pack(tmp_path / "a.pack")


@pytest.mark.parametrize(
    "tree",
    [
        {"class": "Norm", "fields": {}},
        {"class": "os", "fields": {}},
        {"class": "AttentionInput", "value": "all"},
        {"array": 10**6},
        [],
        "text",
    ],
)
def test_a_tree_that_is_no_program_is_refused(tree, written, tmp_path):
    changed = rewritten(written, lambda header: header.update(program=tree))
    (tmp_path / "a.pack").write_bytes(changed)
    with pytest.raises(PackError, match="no program"):
        open_pack(tmp_path / "a.pack").program()


def test_the_header_may_change_its_length(written, tmp_path):
    """The twin of the two tests above: what `rewritten` writes is a pack."""
    (tmp_path / "a.pack").write_bytes(rewritten(written, lambda header: None))
    check_arrays(open_pack(tmp_path / "a.pack"), packed())
    assert open_pack(tmp_path / "a.pack").program().dtype == "float32"


def test_every_change_of_the_engine_is_another_version(monkeypatch, written, tmp_path):
    (tmp_path / "a.pack").write_bytes(written)
    open_pack(tmp_path / "a.pack")
    monkeypatch.setattr(pack_file, "__file__", str(tmp_path / "engine" / "pack_file.py"))
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "packing.py").write_text("# another layout\n")
    pack_file._makers.cache_clear()
    try:
        with pytest.raises(PackError, match="another version"):
            open_pack(tmp_path / "a.pack")
    finally:
        pack_file._makers.cache_clear()


@pytest.mark.parametrize(
    "source", ["engine/fold.py", "checkpoint/names.py", "weights.py", "tasks.py", "reference.py"]
)
def test_a_change_of_what_decides_the_arrays_is_another_version(source, monkeypatch, tmp_path):
    assert (Path(pack_file.__file__).parents[1] / source).exists()
    monkeypatch.setattr(pack_file, "__file__", str(tmp_path / "engine" / "pack_file.py"))
    file, found = tmp_path / source, []
    file.parent.mkdir(exist_ok=True)
    for text in ("# one\n", "# another\n"):
        file.write_text(text)
        found.append(pack_file._makers.__wrapped__())
    assert found[0] != found[1]
