"""Inputs that no model can read, and what is said about them, for both frameworks.

The models are those of `small_config`: 97 words, 40 positions, rows of 16 numbers, 4 heads.
"""

import numpy as np

__all__ = ["REFUSED", "REFUSED_LABELS"]

IDS = np.ones((2, 5), dtype=np.int64)
ROWS = np.ones((2, 5, 16), dtype=np.float32)

# What is wrong -> (arguments of the bare model, what the message says)
REFUSED = {
    "neither": ({}, "You have to specify either input_ids or inputs_embeds"),
    "mask alone": ({"attention_mask": IDS}, "You have to specify either input_ids"),
    "both": (
        {"input_ids": IDS, "inputs_embeds": ROWS},
        "You cannot specify both input_ids and inputs_embeds",
    ),
    "one sequence": ({"input_ids": IDS[0]}, r"input_ids must be \[batch, sequence\]"),
    "choices": ({"input_ids": IDS[None]}, r"input_ids must be \[batch, sequence\]"),
    "floats": ({"input_ids": IDS.astype(np.float32)}, "must hold integers, not .*float32"),
    "truth values": ({"input_ids": IDS.astype(bool)}, "must hold integers, not .*bool"),
    "id": ({"input_ids": IDS * 97}, "input_ids holds 97, but the model's vocabulary has 97 rows"),
    "negative id": ({"input_ids": -IDS}, "input_ids holds -1"),
    "segment": ({"input_ids": IDS, "token_type_ids": 2 * IDS}, "token_type_ids holds 2"),
    "position": ({"input_ids": IDS, "position_ids": 40 * IDS}, "position_ids holds 40"),
    "segments of another length": (
        {"input_ids": IDS, "token_type_ids": IDS[:, :3]},
        r"token_type_ids must be \[batch, sequence\], as input_ids \(2, 5\)",
    ),
    "segments of more rows": (
        {"input_ids": IDS, "token_type_ids": np.ones((3, 5), np.int64)},
        r"not of shape \(3, 5\)",
    ),
    "segments of choices": (
        {"input_ids": IDS, "token_type_ids": IDS[None]},
        r"token_type_ids must be \[batch, sequence\]",
    ),
    "positions of another length": (
        {"inputs_embeds": ROWS, "position_ids": IDS[:, :3]},
        r"position_ids must be \[batch, sequence\], as inputs_embeds \(2, 5\)",
    ),
    "too long": (
        {"input_ids": np.ones((2, 41), np.int64)},
        "41 tokens, but the model has 40 positions",
    ),
    "too long rows": (
        {"inputs_embeds": np.ones((2, 41, 16), np.float32)},
        "41 tokens, but the model has 40 positions",
    ),
    "narrow rows": ({"inputs_embeds": ROWS[..., :8]}, "embedding_size=16"),
    "rank of rows": ({"inputs_embeds": ROWS[0]}, "embedding_size=16"),
    "no sequence": ({"input_ids": IDS[:0]}, r"input_ids is empty, of shape \(0, 5\)"),
    "no token": ({"input_ids": IDS[:, :0]}, r"input_ids is empty, of shape \(2, 0\)"),
    "no rows": ({"inputs_embeds": ROWS[:, :0]}, "inputs_embeds is empty"),
    "mask of another length": (
        {"input_ids": IDS, "attention_mask": IDS[:, :4]},
        "Wrong shape for input_ids",
    ),
    "mask of more rows": (
        {"input_ids": IDS, "attention_mask": np.ones((3, 5), np.int64)},
        "Wrong shape for input_ids",
    ),
    "mask without batch": (
        {"input_ids": IDS, "attention_mask": IDS[0]},
        "Wrong shape for input_ids",
    ),
    "mask of four axes": (
        {"input_ids": IDS, "attention_mask": IDS[:, None, None]},
        "Wrong shape for input_ids",
    ),
    "head mask": (
        {"input_ids": IDS, "head_mask": np.ones(3, np.float32)},
        r"head_mask must be \[heads=4\]",
    ),
    "head mask of five axes": (
        {"input_ids": IDS, "head_mask": np.ones((2, 1, 3, 1, 1), np.float32)},
        r"head_mask must be \[heads=4\]",
    ),
    "pad_neighbor": (
        {"input_ids": IDS, "pad_neighbor": "none"},
        "pad_neighbor must be zero or pad_embedding",
    ),
}

ONE = "one label is needed for each row of logits"
CHOICES = np.ones((2, 3, 5), dtype=np.int64)

# What is wrong -> (task, arguments, what the message says)
REFUSED_LABELS = {
    "class": (
        "sequence_classification",
        {"input_ids": IDS, "labels": np.array([0, 9])},
        "labels holds 9; allowed are 0 to 1, and -100 for positions that do not count",
    ),
    "negative class": (
        "sequence_classification",
        {"input_ids": IDS, "labels": np.array([0, -1])},
        "labels holds -1",
    ),
    "number of classes": (
        "sequence_classification",
        {"input_ids": IDS, "labels": np.array([0, 1, 1])},
        ONE,
    ),
    "columns of classes": (
        "sequence_classification",
        {"input_ids": IDS, "labels": np.ones((2, 3), np.int64)},
        ONE,
    ),
    "several labels": (
        "sequence_classification",
        {"input_ids": IDS, "labels": np.ones((2, 3), np.float32)},
        r"must have the shape of the logits, \(2, 2\), not \(2, 3\)",
    ),
    "word for a text": ("masked_lm", {"input_ids": IDS, "labels": np.array([0, 1])}, ONE),
    "word": ("masked_lm", {"input_ids": IDS, "labels": IDS * 97}, "labels holds 97"),
    "entity": ("token_classification", {"input_ids": IDS, "labels": IDS + 1}, "labels holds 2"),
    "next sentence": (
        "pretraining",
        {"input_ids": IDS, "next_sentence_label": np.array([0, 2])},
        "next_sentence_label holds 2; allowed are 0 to 1",
    ),
    "span": (
        "question_answering",
        {"input_ids": IDS, "start_positions": np.arange(3), "end_positions": np.arange(3)},
        ONE,
    ),
    "choice": (
        "multiple_choice",
        {"input_ids": CHOICES, "labels": np.array([0, 3])},
        "labels holds 3; allowed are 0 to 2",
    ),
    "no choices": ("multiple_choice", {"input_ids": IDS}, r"\[batch, choices, sequence\]"),
    "no choices of rows": (
        "multiple_choice",
        {"inputs_embeds": ROWS},
        r"\[batch, choices, sequence, embedding_size\]",
    ),
    "nothing to choose from": ("multiple_choice", {}, "You have to specify either input_ids"),
}
