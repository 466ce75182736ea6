"""Methods take the documented arguments, in the documented order, with the documented defaults.

Models are held the same way in `parity/test_call_parity.py`.
"""

import inspect
import logging

import pytest
import transformers

import mobilebert
from mobilebert.errors import ArgumentError
from mobilebert.hub import BUNDLED_MODEL, BUNDLED_MODELS

TOKENIZER_METHODS = """
    __init__ __call__ encode encode_plus batch_encode_plus prepare_for_model pad decode
    batch_decode tokenize build_inputs_with_special_tokens create_token_type_ids_from_sequences
    get_special_tokens_mask convert_tokens_to_string convert_tokens_to_ids convert_ids_to_tokens
    num_special_tokens_to_add truncate_sequences add_tokens add_special_tokens
    from_pretrained save_pretrained save_vocabulary
"""
METHODS = {
    "MobileBertTokenizer": TOKENIZER_METHODS,
    "MobileBertTokenizerFast": TOKENIZER_METHODS,
    "MobileBertConfig": """
        __init__ to_dict to_diff_dict to_json_string to_json_file from_dict from_json_file
        from_pretrained get_config_dict save_pretrained update
    """,
    "BatchEncoding": """
        __init__ tokens words word_ids sequence_ids token_to_sequence token_to_word token_to_chars
        word_to_tokens word_to_chars char_to_token char_to_word convert_to_tensors to
    """,
}
CASES = [(name, method) for name, methods in METHODS.items() for method in methods.split()]

# (class, method, argument) -> our default, where it is another on purpose.
OTHER_DEFAULTS = {
    # Not needed when the vocabulary is given otherwise, as tokenizer.json gives it.
    ("MobileBertTokenizer", "__init__", "vocab_file"): None,
    # None is the repository's main branch.
    ("MobileBertTokenizer", "from_pretrained", "revision"): None,
    ("MobileBertTokenizerFast", "from_pretrained", "revision"): None,
    ("MobileBertConfig", "from_pretrained", "revision"): None,
}


def parameters(library, name, method):
    cls = library.BatchEncoding if name == "BatchEncoding" else getattr(library, name)
    found = inspect.signature(getattr(cls, method)).parameters.values()
    return [parameter for parameter in found if parameter.name != "self"]


@pytest.mark.parametrize(("name", "method"), CASES)
def test_arguments_are_the_documented_ones(name, method):
    theirs, ours = (parameters(library, name, method) for library in (transformers, mobilebert))
    wanted = [
        (p.name, OTHER_DEFAULTS.get((name, method, p.name), p.default))
        for p in theirs
        if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    positional = [p for p in ours if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [(p.name, p.default) for p in positional[: len(wanted)]] == wanted
    # What comes on top must not be needed.
    assert all(p.default is not p.empty for p in positional[len(wanted) :])
    found = {p.name: p.default for p in ours}
    for p in theirs:
        if p.kind is p.KEYWORD_ONLY:
            assert found[p.name] == OTHER_DEFAULTS.get((name, method, p.name), p.default)


@pytest.fixture(params=["MobileBertTokenizer", "MobileBertTokenizerFast"])
def both(request):
    libraries = (mobilebert, transformers)
    directory = BUNDLED_MODELS[BUNDLED_MODEL]
    return [getattr(library, request.param).from_pretrained(directory) for library in libraries]


OPTIONS = ("max_length", "only_second", 9, 0)
CALLS = {
    "encode": ("A text.", "And a second one.", True, *OPTIONS, "left"),
    "encode_plus": ("A text.", "And a second one.", True, *OPTIONS, False, None, "left", "np"),
    "batch_encode_plus": ([("A text.", "And a second.")], True, *OPTIONS, False, 3, "left"),
    "prepare_for_model": ([7, 8], [9, 10, 11, 12, 13], True, *OPTIONS, None, "left", "np", False),
}


@pytest.mark.parametrize("method", CALLS)
def test_options_by_position_mean_the_same(both, method, caplog):
    caplog.set_level(logging.ERROR, "transformers")
    found, wanted = (getattr(tokenizer, method)(*CALLS[method]) for tokenizer in both)
    if method == "encode":
        found, wanted = {"input_ids": found}, {"input_ids": wanted}
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        assert str(found[name]) == str(values)


def test_an_option_is_given_once(both):
    with pytest.raises(TypeError, match="multiple values"):
        both[0].encode("A text.", None, True, "max_length", padding=True)
    with pytest.raises(ArgumentError, match="at most 9 positional"):
        both[0].encode("A text.", None, True, False, None, None, 0, None, None, "more")


@pytest.mark.parametrize("name", ["MobileBertConfig", "MobileBertTokenizer"])
def test_only_models_are_published(name, tmp_path):
    saved = getattr(mobilebert, name).from_pretrained(BUNDLED_MODEL)
    with pytest.raises(ArgumentError, match=r"push_to_hub"):
        saved.save_pretrained(tmp_path / "one", push_to_hub=True)
    assert not (tmp_path / "one").exists()
    saved.save_pretrained(tmp_path / "one", push_to_hub=False)
