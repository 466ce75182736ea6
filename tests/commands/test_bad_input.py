"""Bad input: exit status 2, one sentence that names the value, no traceback, no file."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from commands.running import assert_refused, invoke, start
from pipelines.random_checkpoints import write_checkpoint

CLASSIFIER = "text-classification"

# (arguments behind "run", a piece of the message)
OPTIONS = [
    (["--task", "summarize", "x"], "Unknown task 'summarize'"),
    (["--task", "ner", "x"], "has no default model"),
    (["x"], "--task fill-mask"),
    (["--task", "fill-mask", "no mask"], "no [MASK]"),
    (["--task", "fill-mask", ""], "empty"),
    (["--task", "fill-mask", "[MASK] " + "x " * 600], "truncation=True"),
    (["--task", "fill-mask", "[MASK]", "--top-k", "0"], "--top-k"),
    (["--task", "fill-mask", "[MASK]", "--top-k", "2", "-p", "top_k=3"], "give one"),
    (["--task", "fill-mask", "[MASK]", "-p", "foo=1"], "no parameter 'foo'"),
    (["--task", "fill-mask", "[MASK]", "-p", "foo"], "NAME=VALUE"),
    (["--task", "fill-mask", "[MASK]", "-p", "model=x"], "no parameter 'model'"),
    (["--task", "fill-mask", "[MASK]", "--batch-size", "0"], "batch_size"),
    (["--task", "fill-mask", "[MASK]", "--dtype", "int4"], "the engine computes in float32"),
    (["--task", "fill-mask", "[MASK]", "--column", "txt=a"], "has the fields text"),
    (["--task", "fill-mask", "[MASK]", "--column", "text=a,text=b"], "names text twice"),
    (["--task", "fill-mask", "[MASK]", "--input", "also.txt"], "not both"),
    (["--task", "fill-mask", "[MASK]", "--resume"], "--resume has no use without --output FILE"),
    (
        ["--task", "fill-mask", "[MASK]", "--overwrite", "--output", "-"],
        "--overwrite has no use without --output FILE",
    ),
    (
        ["--task", "fill-mask", "[MASK]", "--input-format", "csv"],
        "--input-format has no use with TEXT arguments",
    ),
    (["--task", "fill-mask", "[MASK]", "-p", "targets=5"], "list of words, or one word, not 5"),
    (["--task", "fill-mask", "[MASK]", "-p", "tokenizer_kwargs=abc"], "a dictionary"),
    (["--task", "feature-extraction", "x", "-p", "return_tensors=np"], "return_tensors has no use"),
    (["--task", "fill-mask", "--input", "missing.txt"], "Cannot read missing.txt"),
    (["--task", "fill-mask", "--input", "missing.parquet"], "unknown suffix"),
    (["--task", "fill-mask", "--model", "../nowhere", "[MASK]"], "'../nowhere' is not a directory"),
    (["--task", "fill-mask", "--output", "no/such/dir.csv", "[MASK]"], "no directory"),
    (["--task", "fill-mask", "--output", ".", "[MASK]"], "not a file"),
    (
        [
            "--task",
            "fill-mask",
            "--model",
            "mobilebert-mini-uncased",
            "--overwrite",
            "--resume",
            "--output",
            "x.csv",
            "[MASK]",
        ],
        "exclude each other",
    ),
    (["--task", "feature-extraction", "x", "--format", "csv"], "pooling=mean"),
    (["--task", "feature-extraction", "x", "--top-k", "3"], "--top-k has no meaning"),
    (
        ["--task", "text-classification", "--model", "mobilebert-mini-uncased", "x"],
        "not trained for text-classification",
    ),
    (
        ["--task", "next-sentence-prediction", "--model", "mobilebert-mini-uncased", "x"],
        "takes text and text_pair; 1 TEXT",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), OPTIONS)
def test_bad_options(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(invoke("run", *arguments), message)
    assert list(tmp_path.iterdir()) == []


# (file name, its bytes, a piece of the message)
FILES = [
    ("a.txt", b"fine\nb\xffd\n", "byte 0xff in line 2"),
    ("a.csv", b"text\nfine\nb\xe9d\n", "byte 0xe9 in line 3"),
    ("a.txt", "text".encode("utf-16"), "byte 0xff in line 1"),
    ("a.txt", b"fine\n\nfine\n", "line 2: The text is empty"),
    ("a.txt", b"", "holds no inputs"),
    ("a.csv", b"review\nfine\n", "there is no column 'text'; there are 'review'"),
    ("a.csv", b"text,n\nfine,1\n \t,2\n", "line 3: The text is empty"),
    ("a.csv", b"text,n\nfine\n", "line 2: 1 cells, but the header has 2"),
    ("a.csv", b"text,text\na,b\n", "'text' is there twice"),
    ("a.csv", b'text\n"open\n', "unexpected end of data"),
    ("a.csv", b"\n\n", "holds no inputs"),
    ("a.jsonl", b'{"text": "fine"}\n{"text": \n', "line 2: not JSON"),
    ("a.jsonl", b'{"text": "fine"}\n["x"]\n', "line 2: a line is a JSON object"),
    ("a.jsonl", b'{"text": 5}\n', "line 1: The text must be a string, not int"),
    ("a.jsonl", b'{"text": "a \\ud83d"}\n', "lone surrogate U+D83D"),
    ("a.jsonl", b"[" * 100_000, "line 1: not JSON"),
    ("a.jsonl", b'{"text": "fine", "n": ' + b"9" * 5000 + b"}", "line 1: not JSON"),
    ("a.jsonl", b'{"text": "a"}\n{"txt": "a"}\n', "line 2: there is no column 'text'"),
    ("a.tsv", b"text\tx\nfine\t1\t2\n", "line 2: 3 cells"),
]


@pytest.mark.parametrize(("name", "content", "message"), FILES)
@pytest.mark.parametrize("to_file", [True, False])
def test_bad_files(name, content, message, to_file, tmp_path, checkpoints):
    (tmp_path / name).write_bytes(content)
    output = ["--output", tmp_path / "out.jsonl"] if to_file else []
    result = invoke("run", "--model", checkpoints[CLASSIFIER], "--input", tmp_path / name, *output)
    assert_refused(result, message)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_bad_line_far_into_a_file_is_told_before_anything_is_answered(tmp_path, checkpoints):
    (tmp_path / "a.csv").write_text("text\n" + "fine\n" * 500 + '""\n')
    result = invoke(
        "run",
        "--model",
        checkpoints[CLASSIFIER],
        "--input",
        tmp_path / "a.csv",
        "--output",
        tmp_path / "out.csv",
    )
    assert_refused(result, "line 502: The text is empty")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def _edit(name, change):
    def edit(directory):
        path = directory / name
        path.write_bytes(change(path.read_bytes()))

    return edit


def _config(**fields):
    return _edit("config.json", lambda old: json.dumps(json.loads(old) | fields).encode())


def _header(change):
    def edit(content):
        size = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8 : 8 + size])
        change(header)
        new = json.dumps(header).encode()
        return struct.pack("<Q", len(new)) + new + content[8 + size :]

    return _edit("model.safetensors", edit)


def _tensors(change):
    def edit(directory):
        path = directory / "model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)

    return edit


def _remove(name):
    return lambda directory: (directory / name).unlink()


def _lie(header):
    header["classifier.bias"]["data_offsets"][1] += 4


def _overlap(header):
    # The first tensor of the file begins at 0, and it is another one.
    assert header["classifier.weight"]["data_offsets"][0] > 0
    header["classifier.weight"]["data_offsets"] = [0, 3 * 32 * 4]


def _reshape(tensors):
    tensors["classifier.weight"] = np.zeros((3, 5), np.float32)


def _not_a_number(tensors):
    tensors["classifier.weight"][0, 0] = np.nan


def _integers(tensors):
    tensors["classifier.weight"] = np.zeros((3, 32), np.int32)


CHECKPOINTS = {
    "no config": (_remove("config.json"), "config.json"),
    "no weights": (_remove("model.safetensors"), "no weights"),
    "no vocabulary": (lambda d: [_remove(n)(d) for n in ("vocab.txt", "tokenizer.json")], "vocab"),
    "config is no JSON": (_edit("config.json", lambda _: b"{"), "JSON"),
    "config with a number without end": (
        _edit("config.json", lambda _: b'{"vocab_size": ' + b"9" * 5000 + b"}"),
        "JSON",
    ),
    "config of another model": (_config(model_type="bert"), "MobileBERT only"),
    "absurd sizes": (_config(hidden_size=10**15), "hidden_size"),
    "absurd layers": (_config(num_hidden_layers=2**40), "num_hidden_layers"),
    "string sizes": (_config(vocab_size="many"), "vocab_size"),
    "negative sizes": (_config(embedding_size=-1), "embedding_size"),
    "heads do not divide": (_config(num_attention_heads=5), "5"),
    "unknown activation": (_config(hidden_act="exec"), "exec"),
    "truncated": (_edit("model.safetensors", lambda old: old[:5000]), "model.safetensors"),
    "empty": (_edit("model.safetensors", lambda _: b""), "model.safetensors"),
    "not safetensors": (_edit("model.safetensors", lambda _: b"PK\3\4" * 99), "model.safetensors"),
    "header larger than the file": (
        _edit("model.safetensors", lambda old: struct.pack("<Q", 2**40) + old[8:]),
        "model.safetensors",
    ),
    "lying offsets": (_header(_lie), "classifier.bias"),
    "overlapping offsets": (_header(_overlap), "model.safetensors"),
    "wrong shape": (_tensors(_reshape), "classifier.weight"),
    "NaN weights": (_tensors(_not_a_number), "needs finite weights: some are NaN"),
    "wrong dtype": (_tensors(_integers), "classifier.weight"),
    "smaller vocabulary": (
        lambda d: [
            _edit("vocab.txt", lambda old: b"".join(old.splitlines(keepends=True)[:30000]))(d),
            _remove("tokenizer.json")(d),
        ],
        "smaller than the model's embedding",
    ),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_bad_checkpoints(case, tmp_path):
    damage, message = CHECKPOINTS[case]
    directory = write_checkpoint(tmp_path / "model", "sequence_classification")
    damage(directory)
    arguments = ["run", "--task", CLASSIFIER, "--model", directory, "a text"]
    assert_refused(invoke(*arguments), message)


def test_logits_that_are_not_finite_are_refused(tmp_path):
    directory = write_checkpoint(tmp_path / "model", "sequence_classification")
    CHECKPOINTS["NaN weights"][0](directory)
    arguments = ["run", "--task", CLASSIFIER, "--model", directory, "--backend", "numpy", "a text"]
    assert_refused(invoke(*arguments), "logits are not finite")


def test_a_shard_outside_the_directory_is_refused(tmp_path):
    directory = write_checkpoint(tmp_path / "model", "sequence_classification")
    (directory / "model.safetensors").rename(tmp_path / "secret.safetensors")
    index = {"weight_map": {"classifier.bias": "../secret.safetensors"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    result = invoke("run", "--task", CLASSIFIER, "--model", directory, "a text")
    assert_refused(result, "../secret.safetensors")


def test_a_pickle_that_executes_is_refused(tmp_path):
    import pickle

    import torch

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    directory = write_checkpoint(tmp_path / "model", "sequence_classification")
    (directory / "model.safetensors").unlink()
    for write in (
        lambda path: torch.save({"classifier.weight": Evil()}, path),
        lambda path: path.write_bytes(pickle.dumps(Evil())),
    ):
        write(directory / "pytorch_model.bin")
        (tmp_path / "executed").unlink(missing_ok=True)
        result = invoke("run", "--task", CLASSIFIER, "--model", directory, "a text")
        assert_refused(result, "pytorch_model.bin")
        assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "fill-mask", "no mask"], b"no [MASK]"),
        (
            ["--task", "fill-mask", b"a \xff [MASK]".decode("utf-8", "surrogateescape")],
            b"surrogate",
        ),
        (["--task", "fill-mask", "--model", "a b/c", "[MASK]"], b"'a b/c' is not a directory"),
        (["--no-such-option"], b"No such option"),
    ],
)
def test_a_real_process_says_one_sentence(arguments, message):
    """Twin in a process of its own: no traceback, and exit status 2."""
    process = start("run", *arguments)
    out, errors = process.communicate()
    assert process.returncode == 2
    assert message in errors
    assert b"Traceback" not in errors
    assert out == b""


@pytest.mark.parametrize(
    ("library", "option"),
    [
        ("torch", ["--backend", "torch"]),
        ("torch", ["--device", "0"]),
        ("tensorflow", ["--backend", "keras"]),
    ],
)
def test_without_a_framework_the_error_has_the_command(library, option):
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from mobilebert.commands.main import cli\n"
        f"cli(['run', '--task', 'fill-mask', *{option!r}, '[MASK]'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"python -m pip install 'mobilebert[{library}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_defect_is_not_hidden(monkeypatch):
    """Only errors meant for the user become sentences; others keep their traceback."""
    import mobilebert.commands.batch_run as batch_run

    def broken(*arguments, **options):
        raise RuntimeError("a defect")

    monkeypatch.setattr(batch_run, "pipeline", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        invoke("run", "--task", "fill-mask", "[MASK]")
