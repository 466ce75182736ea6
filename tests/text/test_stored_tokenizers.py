"""Tokenizer files: what we write transformers reads, and the other way round."""

import copy
import json
import pickle
import shutil

import pytest
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from mobilebert import AutoTokenizer
from mobilebert.errors import ArgumentError, CheckpointError, InputError
from mobilebert.text import AddedToken, MobileBertTokenizer, MobileBertTokenizerFast
from text.peers import OURS, PEERS

TEXTS = ["Hello, [MASK] wörld!", "un<new>wanted Newword", "字 and 12"]

CHANGES = {
    "as it is": {},
    "cased": {"do_lower_case": False, "strip_accents": False},
    "other special tokens": {"mask_token": "<mask>", "pad_token": "[unused1]"},
    "lengths and sides": {
        "model_max_length": 77,
        "padding_side": "left",
        "truncation_side": "left",
    },
    "additional": {"additional_special_tokens": ["<s1>", AddedToken("<s2>", lstrip=True)]},
    "own fields": {"something": {"own": [1, 2]}},
}


def same(a, b):
    assert a.get_vocab() == b.get_vocab()
    assert a.special_tokens_map == b.special_tokens_map
    assert a.added_tokens_encoder == b.added_tokens_encoder
    assert {i: repr(t) for i, t in a.added_tokens_decoder.items()} == {
        i: repr(t) for i, t in b.added_tokens_decoder.items()
    }
    for name in ("model_max_length", "padding_side", "truncation_side", "model_input_names"):
        assert getattr(a, name) == getattr(b, name)
    assert a.clean_up_tokenization_spaces == b.clean_up_tokenization_spaces
    assert dict(a(TEXTS, padding=True)) == dict(b(TEXTS, padding=True))


def changed(classes, kind, directory, change):
    tokenizer = classes[kind].from_pretrained(directory, **change)
    tokenizer.add_tokens(["<new>", "Newword"])
    return tokenizer


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_round_trips(kind, directory, change, tmp_path):
    ours = changed(OURS, kind, directory, change)
    peer = changed(PEERS, kind, directory, change)
    same(ours, peer)
    ours.save_pretrained(tmp_path / "ours")
    peer.save_pretrained(tmp_path / "peer")
    for classes in (OURS, PEERS):
        for written in ("ours", "peer"):
            same(classes[kind].from_pretrained(tmp_path / written), peer)
    ours_files = {path.name for path in (tmp_path / "ours").iterdir()}
    assert ours_files == {path.name for path in (tmp_path / "peer").iterdir()}
    for name in ("special_tokens_map.json", "vocab.txt", "added_tokens.json"):
        assert (tmp_path / "ours" / name).read_text() == (tmp_path / "peer" / name).read_text()
    found, expected = (
        json.loads((tmp_path / who / "tokenizer_config.json").read_text())
        for who in ("ours", "peer")
    )
    assert found.items() <= expected.items()
    assert expected.keys() - found.keys() <= {"do_basic_tokenize", "never_split", "tokenizer_file"}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_kind_reads_the_files(kind, directory, change, tmp_path):
    other = "fast" if kind == "slow" else "slow"
    ours = changed(OURS, kind, directory, change)
    ours.save_pretrained(tmp_path)
    assert OURS[other].from_pretrained(tmp_path).get_vocab() == ours.get_vocab()
    texts = TEXTS[1:]  # [MASK] is a special token of its own where mask_token is another
    assert OURS[other].from_pretrained(tmp_path)(texts)["input_ids"] == ours(texts)["input_ids"]


@pytest.mark.parametrize("only", ["vocab.txt", "tokenizer.json"])
def test_one_file_is_enough(kind, directory, only, tmp_path):
    shutil.copy(directory / only, tmp_path)
    expected = OURS[kind].from_pretrained(directory)
    for source in (tmp_path, tmp_path / only):
        tokenizer = OURS[kind].from_pretrained(source)
        assert tokenizer.get_vocab() == expected.get_vocab()
        assert dict(tokenizer(TEXTS)) == dict(expected(TEXTS))
        assert tokenizer.model_max_length > 10**20


def test_built_from_a_vocabulary_file(kind, vocab_file):
    ours, peer = OURS[kind](vocab_file), PEERS[kind](vocab_file)
    same(ours, peer)
    assert ours.clean_up_tokenization_spaces is True
    if kind == "fast":
        path = vocab_file.parent / "tokenizer.json"
        ours, peer = OURS[kind](tokenizer_file=path), PEERS[kind](tokenizer_file=str(path))
        same(ours, peer)
        assert ours.clean_up_tokenization_spaces is False


def test_special_tokens_that_the_vocabulary_misses(kind, tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("a\nb\n##c\n[UNK]\n")
    same(OURS[kind](path), PEERS[kind](path))


def test_old_layout_with_special_tokens_map_and_added_tokens(kind, directory, tmp_path):
    shutil.copy(directory / "vocab.txt", tmp_path)
    (tmp_path / "special_tokens_map.json").write_text(
        json.dumps({"mask_token": {"content": "<m>", "lstrip": True}, "unk_token": "[UNK]"})
    )
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<m>": 30522, "plusplus": 30523}))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer"})
    )
    tokenizer = OURS[kind].from_pretrained(tmp_path)
    assert tokenizer.mask_token == "<m>"
    assert tokenizer.mask_token_id == 30522
    assert tokenizer.convert_tokens_to_ids("plusplus") == 30523
    assert tokenizer.tokenize("a <m> plusplus b") == ["a", "<m>", "plusplus", "b"]


GENERIC_VOCABULARY = ["[UNK]", "[CLS]", "[SEP]", "Hello", "hello", "w", "W", "##ö", "##o", "字"]

NORMALIZERS = {
    "cased": normalizers.BertNormalizer(lowercase=False),
    "accents kept": normalizers.BertNormalizer(lowercase=True, strip_accents=False),
    "no normalizer": None,
    "a sequence": normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()]),
}


@pytest.mark.parametrize("normalizer", NORMALIZERS.values(), ids=NORMALIZERS)
def test_a_tokenizer_of_no_class_is_what_its_file_says(kind, normalizer, tmp_path):
    vocabulary = {token: id_ for id_, token in enumerate(GENERIC_VOCABULARY)}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    if normalizer is not None:
        backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    options = {"unk_token": "[UNK]", "do_lower_case": True}  # which says nothing in such a class
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **options).save_pretrained(
        tmp_path
    )
    peer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = AutoTokenizer.from_pretrained(tmp_path, use_fast=kind == "fast")
    assert type(ours) is OURS[kind]
    assert len(ours) == len(peer) == len(GENERIC_VOCABULARY)
    assert (ours.pad_token, ours.mask_token, ours.cls_token) == (None, None, "[CLS]")
    for text in ("Hello hello", "wö WÖ", "wo\u0301 Wo"):
        wanted = peer(text, add_special_tokens=False)["input_ids"]
        assert ours(text, add_special_tokens=False)["input_ids"] == wanted
    if kind == "fast":
        assert ours("字字", add_special_tokens=False)["input_ids"] == peer("字字")["input_ids"]
    ours.save_pretrained(tmp_path / "again")
    again = OURS[kind].from_pretrained(tmp_path / "again")
    assert again("Hello WÖ")["input_ids"] == ours("Hello WÖ")["input_ids"]
    assert again.special_tokens_map == ours.special_tokens_map
    louder = OURS[kind].from_pretrained(tmp_path, do_lower_case=not ours.do_lower_case)
    assert louder.do_lower_case is not ours.do_lower_case


def test_another_model_in_a_tokenizer_of_no_class_is_refused_by_its_kind(kind, tmp_path):
    backend = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], unk_id=0))
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend).save_pretrained(tmp_path)
    told = {
        "fast": "has a Unigram model; MobileBERT uses WordPiece",
        "slow": "has no WordPiece vocabulary",
    }
    with pytest.raises(CheckpointError, match=told[kind]):
        OURS[kind].from_pretrained(tmp_path)


def test_padding_and_truncation_in_tokenizer_json_become_defaults(directory, tmp_path):
    tokenizer = MobileBertTokenizerFast.from_pretrained(directory)
    backend = copy.deepcopy(tokenizer.backend_tokenizer)
    backend.enable_truncation(5, direction="left")
    backend.enable_padding(direction="left", length=9)
    backend.save(str(tmp_path / "tokenizer.json"))
    loaded = MobileBertTokenizerFast.from_pretrained(tmp_path)
    assert loaded("a b c d e f g")["input_ids"] == tokenizer("a b c d e f g")["input_ids"]
    assert (loaded.padding_side, loaded.truncation_side) == ("left", "left")


def test_legacy_format_and_prefix(slow, fast, tmp_path):
    def names(tokenizer, where, **options):
        written = tokenizer.save_pretrained(tmp_path / where, **options)
        found = {path.name for path in (tmp_path / where).iterdir()}
        named = {name.rsplit("/", 1)[-1] for name in written}
        assert {name for name in named if not name.endswith("added_tokens.json")} == found
        return found

    config = {"tokenizer_config.json", "special_tokens_map.json"}
    assert names(fast, "a") == config | {"vocab.txt", "tokenizer.json"}
    assert names(fast, "b", legacy_format=True) == config | {"vocab.txt"}
    assert names(fast, "c", legacy_format=False) == config | {"tokenizer.json"}
    assert names(slow, "d") == config | {"vocab.txt"}
    prefixed = names(fast, "e", filename_prefix="x")
    assert prefixed == {f"x-{name}" for name in config | {"vocab.txt", "tokenizer.json"}}
    with pytest.raises(InputError, match="MobileBertTokenizerFast"):
        slow.save_pretrained(tmp_path / "f", legacy_format=False)


@pytest.mark.parametrize("added", [[], ["Newword"]], ids=["none", "one"])
@pytest.mark.parametrize("options", [{}, {"legacy_format": True, "filename_prefix": "x"}])
def test_the_paths_are_those_of_transformers(kind, directory, added, options, tmp_path):
    said = []
    for classes in (OURS, PEERS):
        tokenizer = classes[kind].from_pretrained(directory)
        tokenizer.add_tokens(added)
        said.append(tokenizer.save_pretrained(str(tmp_path), **options, save_jinja_files=False))
    assert said[0] == said[1]


def test_an_unknown_keyword_of_saving_is_refused(fast, tmp_path):
    with pytest.raises(ArgumentError, match="does not know legacy_fromat; .*legacy_format"):
        fast.save_pretrained(tmp_path, legacy_fromat=True, repo_id="owner/name")
    assert not list(tmp_path.iterdir())


def test_save_vocabulary(ours, vocab_file, tmp_path):
    (path,) = ours.save_vocabulary(tmp_path)
    assert path == str(tmp_path / "vocab.txt")
    assert (tmp_path / "vocab.txt").read_bytes() == vocab_file.read_bytes()
    assert ours.save_vocabulary(tmp_path, "p") == (str(tmp_path / "p-vocab.txt"),)
    assert ours.save_vocabulary(tmp_path / "own.txt") == (str(tmp_path / "own.txt"),)


def test_nothing_is_half_written(ours, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(CheckpointError, match="Cannot make directory"):
        ours.save_pretrained(tmp_path / "file")
    with pytest.raises(CheckpointError, match="Cannot write"):
        ours.save_vocabulary(tmp_path / "missing" / "vocab.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    unwritable = OURS["slow"](vocab={"[UNK]": 0}, own=object())
    with pytest.raises(ArgumentError, match="no JSON value"):
        unwritable.save_pretrained(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_code_of_a_checkpoint_is_never_run(kind, directory, tmp_path):
    shutil.copy(directory / "vocab.txt", tmp_path)
    (tmp_path / "evil.py").write_text("raise SystemExit('run')")
    config = {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert OURS[kind].from_pretrained(tmp_path).tokenize("a b") == ["a", "b"]
    with pytest.raises(ArgumentError, match="trust_remote_code"):
        OURS[kind].from_pretrained(tmp_path, trust_remote_code=True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer_config.json", '{"tokenizer_class": "T5Tokenizer"}', "T5Tokenizer"),
        ("tokenizer_config.json", "{", "not a valid JSON"),
        ("tokenizer_config.json", "[]", "JSON object"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"1": 5}}', "damaged"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"x": {"content": "a"}}}', "damaged"),
        ("tokenizer_config.json", '{"added_tokens_decoder": []}', "damaged"),
        ("special_tokens_map.json", '{"cls_token": {"contents": "a"}}', "damaged"),
        ("added_tokens.json", '{"a": "b"}', "damaged"),
        ("vocab.txt", b"a\n\xff", "line 2"),
    ],
)
def test_damaged_files(kind, tmp_path, name, content, message):
    (tmp_path / "vocab.txt").write_text("[UNK]\na\n")
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CheckpointError, match=message):
        OURS[kind].from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"model": {}}', '{"model": {"type": "BPE", "vocab": {}, "merges": []}}'],
)
def test_damaged_tokenizer_json(kind, tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    if kind == "slow" and "BPE" in content:
        content = '{"model": {"vocab": 3}}'
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError):
        OURS[kind].from_pretrained(tmp_path)


@pytest.mark.parametrize("in_sequence", [False, True])
def test_a_template_with_undefined_tokens_is_refused(directory, tmp_path, in_sequence):
    """The Rust library would read it, and panic at the first text."""
    shutil.copytree(directory, tmp_path / "tokenizer")
    path = tmp_path / "tokenizer" / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["post_processor"]["special_tokens"]["[SEP]"]
    if in_sequence:
        parts = [content["post_processor"]]
        content["post_processor"] = {"type": "Sequence", "processors": parts}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json puts '\[SEP\]' around texts"):
        MobileBertTokenizerFast.from_pretrained(tmp_path / "tokenizer")


def test_missing_files(kind, tmp_path):
    with pytest.raises(CheckpointError, match=r"neither vocab\.txt nor tokenizer\.json"):
        OURS[kind].from_pretrained(tmp_path)
    with pytest.raises(InputError, match="no vocabulary file"):
        OURS[kind](tmp_path / "vocab.txt")
    with pytest.raises(InputError, match="from_pretrained"):
        OURS[kind]()


def test_pickle_and_copy(kind, directory):
    tokenizer = OURS[kind].from_pretrained(directory, never_split=["DON'T"])
    tokenizer.add_tokens(["Newword"])
    for twin in (pickle.loads(pickle.dumps(tokenizer)), copy.deepcopy(tokenizer)):
        same(twin, tokenizer)
        assert twin.tokenize("DON'T Newword") == tokenizer.tokenize("DON'T Newword")
        assert twin.init_kwargs == tokenizer.init_kwargs
        twin.add_tokens(["othertoken"])
        assert len(twin) == len(tokenizer) + 1


def test_bundled_name_and_text_form():
    for cls in (MobileBertTokenizer, MobileBertTokenizerFast):
        tokenizer = cls.from_pretrained("mobilebert-mini-uncased")
        assert tokenizer.name_or_path == "mobilebert-mini-uncased"
        text = repr(tokenizer)
        assert text.startswith(f"{cls.__name__}(name_or_path='mobilebert-mini-uncased'")
        assert "vocab_size=30522, model_max_length=512" in text


@pytest.mark.parametrize("secret", [{"use_auth_token": "hf_SECRET"}, {"token": "hf_SECRET"}])
def test_what_a_loader_is_told_is_not_saved(kind, directory, vocab_file, secret, tmp_path):
    keywords = {**secret, "proxies": {"https": "me:hf_SECRET@proxy"}, "resume_download": True}
    loaded = OURS[kind].from_pretrained(directory, **keywords)
    built = OURS[kind](vocab_file, **keywords)
    loaded.save_pretrained(tmp_path / "plain")
    plain = json.loads((tmp_path / "plain" / "tokenizer_config.json").read_text())
    assert not keywords.keys() & plain.keys()
    # As an earlier version wrote it.
    (tmp_path / "plain" / "tokenizer_config.json").write_text(json.dumps({**plain, **keywords}))
    for number, tokenizer in enumerate(
        (loaded, built, OURS[kind].from_pretrained(tmp_path / "plain"))
    ):
        target = tmp_path / str(number)
        tokenizer.save_pretrained(target)
        assert not [path for path in target.iterdir() if "hf_SECRET" in path.read_text("utf-8")]
        assert not keywords.keys() & tokenizer.init_kwargs.keys()
