import numpy as np
import pytest

from mobilebert.errors import CheckpointError
from mobilebert.pipelines.encoding import ModelInput
from mobilebert.training.examples import ExampleSet, NewExample


def some(count=700):
    """Examples of one to three sequences of different lengths."""
    rng = np.random.default_rng(0)
    for number in range(count):
        rows = []
        for length in rng.integers(1, 9, size=1 + number % 3):
            ids = rng.integers(0, 30522, size=length).tolist()
            rows.append(ModelInput(ids, [number % 2] * int(length)))
        yield NewExample(rows, list(range(number % 4)), number // 2, number % 2)


def assert_holds(examples, wanted):
    assert len(examples) == len(wanted)
    for example, new in zip(examples, wanted, strict=True):
        assert example.ids.tolist() == [id_ for row in new.rows for id_ in row.ids]
        assert example.types.tolist() == [type_ for row in new.rows for type_ in row.types]
        assert example.sequences.tolist() == [len(row.ids) for row in new.rows]
        assert example.target.tolist() == list(new.target)
        assert (example.item, example.window) == (new.item, new.window)
    assert examples.lengths.dtype == np.int32
    assert examples.lengths.tolist() == [sum(len(r.ids) for r in new.rows) for new in wanted]


@pytest.mark.parametrize("float_targets", [False, True])
@pytest.mark.parametrize("memory_limit", [0, 2000, 10**9])
def test_examples_come_back_as_they_were(tmp_path, memory_limit, float_targets):
    examples = ExampleSet.build(
        some(), float_targets=float_targets, directory=tmp_path / "new", memory_limit=memory_limit
    )
    assert_holds(examples, list(some()))
    assert examples[3].target.dtype == (np.float32 if float_targets else np.int32)
    mapped = memory_limit < 10**9
    assert isinstance(examples.lengths, np.memmap) is mapped
    assert (tmp_path / "new").exists() is mapped


def test_files_are_whole_arrays(tmp_path):
    examples = ExampleSet.build(some(), directory=tmp_path, memory_limit=0)
    names = {path.name for path in tmp_path.iterdir()}
    assert "ids.npy" in names
    assert not any(name.startswith(".") for name in names)
    flat = np.concatenate([example.ids for example in examples])
    assert np.array_equal(np.load(tmp_path / "ids.npy"), flat)


def test_without_a_directory_all_stays_in_memory():
    examples = ExampleSet.build(some(), memory_limit=0)
    assert not isinstance(examples.lengths, np.memmap)
    assert_holds(examples, list(some()))


def test_it_is_a_sequence():
    examples = ExampleSet.build(some(10))
    assert examples[-1].item == 4
    assert [example.item for example in examples[2:5]] == [1, 1, 2]
    with pytest.raises(IndexError):
        examples[10]


def test_no_examples_are_an_empty_set(tmp_path):
    assert len(ExampleSet.build([], directory=tmp_path, memory_limit=0)) == 0
    nothing = [NewExample([ModelInput([1], [0])], [], 0)]
    mapped = ExampleSet.build(iter(nothing), directory=tmp_path, memory_limit=0)
    assert mapped[0].target.tolist() == []


def test_a_failure_leaves_no_files(tmp_path):
    def failing():
        yield from some()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ExampleSet.build(failing(), directory=tmp_path, memory_limit=0)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr("mobilebert.training.growing_columns._Column.flush", _no_space)
    with pytest.raises(CheckpointError, match=r"Cannot write examples to .*: No space left"):
        ExampleSet.build(some(), directory=tmp_path, memory_limit=0)
    assert list(tmp_path.iterdir()) == []


def _no_space(column):
    raise OSError(28, "No space left on device")


def test_a_directory_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file"):
        ExampleSet.build(some(), directory=tmp_path / "file", memory_limit=0)
