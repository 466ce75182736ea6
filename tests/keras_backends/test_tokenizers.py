"""Tokenizers read the tensors of whatever Keras runs on."""

from keras import ops

from mobilebert import AutoTokenizer


def test_ids_in_tensors_are_decoded():
    tokenizer = AutoTokenizer.from_pretrained("mobilebert-mini-uncased")
    encoded = tokenizer(["a b", "c"], padding=True, return_tensors="np")["input_ids"]
    for ids in (ops.convert_to_tensor(encoded), ops.argmax(ops.one_hot(encoded, 30522), axis=-1)):
        assert tokenizer.batch_decode(ids, skip_special_tokens=True) == ["a b", "c"]
        assert tokenizer.decode(ids[0]) == "[CLS] a b [SEP]"
        assert tokenizer.decode(ids[0, 1]) == "a"
        assert tokenizer.convert_ids_to_tokens(ids[0]) == ["[CLS]", "a", "b", "[SEP]"]
        assert tokenizer.convert_ids_to_tokens(ids[0, 1]) == "a"
