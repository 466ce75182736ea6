"""What tokenizer and model cannot use is said before training, and leaves nothing in the way."""

import pytest

from mobilebert.errors import InputError
from mobilebert.training.finetune import finetune
from pipelines.random_checkpoints import write_checkpoint

QUIET = {"max_steps": 2, "batch_size": 8, "max_length": 16}
# A control character: no cell is empty, and the tokenizer keeps nothing.
NOTHING = "\u200b\u200b"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("start") / "encoder", "fill-mask")


def table(path, rows):
    lines = [f"{text},{label}\n" for text, label in rows]
    path.write_text("".join(["text,label\n", *lines]), encoding="utf-8")
    return path


def good(count, what="film"):
    return [(f"a {what} number {n}", "yn"[n % 2]) for n in range(count)]


def tuned(model, tmp_path, train, **options):
    return finetune(
        "text-classification", train=train, model=model, output=tmp_path / "m", **(QUIET | options)
    )


def test_rows_without_tokens_are_refused_or_left_out(model, tmp_path):
    train = table(tmp_path / "train.csv", [*good(20), (NOTHING, "y")])
    dev = table(tmp_path / "dev.csv", good(6, "play"))
    with pytest.raises(InputError, match="to learn from has 1 bad row of 21") as caught:
        tuned(model, tmp_path, train, dev=dev)
    assert "train.csv, line 22" in str(caught.value)
    result = tuned(model, tmp_path, train, dev=dev, skip_bad_rows=True)
    (problem,) = [x for x in result.report.data.problems if "tokenizer" in x.kind]
    assert (problem.count, problem.skipped) == (1, True)


def test_rows_to_judge_by_are_looked_at_first(model, tmp_path):
    train = table(tmp_path / "train.csv", good(20))
    dev = table(tmp_path / "dev.csv", [*good(6, "play"), (NOTHING, "y")])
    with pytest.raises(InputError, match="to judge by has 1 bad row of 7"):
        tuned(model, tmp_path, train, dev=dev)
    assert not (tmp_path / "m").exists()
    result = tuned(model, tmp_path, train, dev=dev, skip_bad_rows=True)
    assert result.report.evaluation.items == result.report.data.dev_items == 6


def test_no_row_at_all(model, tmp_path):
    train = table(tmp_path / "train.csv", [(NOTHING * n, "yn"[n % 2]) for n in range(1, 9)])
    dev = table(tmp_path / "dev.csv", good(6))
    with pytest.raises(InputError, match="No row to learn from can be used"):
        tuned(model, tmp_path, train, dev=dev, skip_bad_rows=True)


def test_a_tokenizer_of_another_model(tmp_path):
    small = write_checkpoint(tmp_path / "small", "fill-mask", vocab_size=500)
    with pytest.raises(InputError, match=r"30,522 tokens, but its model 500"):
        tuned(small, tmp_path, table(tmp_path / "train.csv", good(20)))


def test_a_wrong_setting_leaves_no_interrupted_run(model, tmp_path):
    train = table(tmp_path / "train.csv", good(20))
    with pytest.raises(InputError, match="toes"):
        tuned(model, tmp_path, train, freeze="toes")
    assert tuned(model, tmp_path, train).output_dir == tmp_path / "m"


@pytest.mark.parametrize("options", [{"freeze": "toes"}, {"lora_rank": 2, "lora_on": "toes"}])
def test_parts_that_are_missing_are_named_before_data_are_read(options, model, tmp_path):
    with pytest.raises(InputError, match="toes"):
        tuned(model, tmp_path, tmp_path / "nowhere.csv", **options)
    with pytest.raises(InputError, match="nowhere"):
        tuned(model, tmp_path, tmp_path / "nowhere.csv")


def test_other_rows_to_judge_by_are_another_run(model, tmp_path, monkeypatch):
    from mobilebert.training import finetune as module

    def killed(*_):
        raise RuntimeError

    train = table(tmp_path / "train.csv", good(20))
    dev = table(tmp_path / "dev.csv", good(6, "play"))
    monkeypatch.setattr(module, "publish", killed)
    with pytest.raises(RuntimeError):
        tuned(model, tmp_path, train, dev=dev)
    monkeypatch.undo()
    other = table(tmp_path / "other.csv", good(8, "song"))
    with pytest.raises(InputError, match="other data"):
        tuned(model, tmp_path, train, dev=other, resume=True)
    moved = dev.rename(tmp_path / "moved.csv")
    assert tuned(model, tmp_path, train, dev=moved, resume=True).report.evaluation.items == 6


def test_leaks_are_counted_among_rows_that_can_be_used(model, tmp_path):
    train = table(tmp_path / "train.csv", [*good(20), (NOTHING, "y")])
    dev = table(tmp_path / "dev.csv", [*good(3), (NOTHING, "y")])
    result = tuned(model, tmp_path, train, dev=dev, skip_bad_rows=True)
    assert (result.report.data.dev_items, result.report.data.leaks) == (3, 3)
    assert result.report.data.dev_labels == {"y": 2, "n": 1}
