"""The description of the inputs that all models share, put into their docstrings."""

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["documents_inputs"]

Call = TypeVar("Call", bound=Callable[..., Any])

_INPUTS = """
Args:
    input_ids: Token ids, [B, S] (for multiple choice all inputs are [B, C, S]); or all inputs as
        a table by name or as a list in order. Either ids or `inputs_embeds`.
    attention_mask: 1 for tokens and 0 for padding, [B, S], or what each position may attend to,
        [B, S, S]. Everything by default.
    token_type_ids: 0 for the first text and 1 for the second, [B, S]; 0 by default.
    position_ids: Positions, [B, S] or [1, S]; counted from 0 by default.
    head_mask: Factor on each head's attention probabilities, [heads] or [layers, heads].
    inputs_embeds: Rows in place of the word table's, [B, S, embedding_size].
    output_attentions: Whether to return the attention probabilities; `config.output_attentions`
        by default.
    output_hidden_states: Whether to return all hidden states; `config.output_hidden_states` by
        default.
    return_dict: Whether to return an output object or a tuple of what is there;
        `config.use_return_dict` by default.
{labels}
    training: Whether dropout acts.
    pad_neighbor: For this call, what a padding neighbour contributes to the trigram:
        "pad_embedding" or "zero". It matters with an [B, S] `attention_mask`.

Raises:
    InputError: Inputs contradict each other, have a wrong shape, or hold an id outside its
        table. Inside a TensorFlow graph ids are checked by an assertion operation; under XLA
        and JAX they are not checked.
"""

_LABELS = {
    "labels": "What the model should say; gives a loss.",
    "next_sentence_label": "0 if the second text continues the first, 1 if it is random, [B].",
    "start_positions": "The answer's first token, [B]; outside the sequence it does not count.",
    "end_positions": "The answer's last token, [B]; outside the sequence it does not count.",
}


def documents_inputs(call: Call) -> Call:
    """Put the description of the inputs where a docstring says ``{inputs}``.

    The function itself stays as it is, so its signature does too.
    """
    code = call.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    labels = "\n".join(f"    {n}: {text}" for n, text in _LABELS.items() if n in names)
    text = _INPUTS.strip().replace("{labels}\n", f"{labels}\n" if labels else "")
    if call.__doc__ is not None:
        indented = text.replace("\n", "\n        ").replace("\n        \n", "\n\n")
        call.__doc__ = call.__doc__.replace("{inputs}", indented)
    return call
