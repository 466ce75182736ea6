"""A teacher with inverted bottlenecks that begins with what a published encoder knows.

    python recipes/mini/transplant.py ENCODER CONFIG DATA OUTPUT

ENCODER is a BERT encoder, CONFIG the config.json of the student, whose stream and embeddings the
teacher has too (paper, section 3.2): inside its layers are those of the encoder as they are, and
between them the encoder's states in their principal directions. What leads there and back is
fitted by least squares to what both say to some text, one part after the other, so that each makes
up for what the parts before it have lost. Nothing is learned yet: ``mobilebert pretrain --init``
goes on with it.
"""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import exchange
import numpy as np
import torch
from by_itself import run_script
from checkpoints import save_with_tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from mobilebert import MobileBertConfig, MobileBertForPreTraining, MobileBertTokenizerFast
from mobilebert.corpora.manifest import Split
from mobilebert.corpora.prepared import PreparedCorpus
from mobilebert.errors import InputError
from mobilebert.pretraining.encoder_facts import EncoderFacts
from mobilebert.pretraining.published_encoder import PublishedEncoder
from mobilebert.torch.embeddings import trigram
from mobilebert.torch.layers import MobileBertLayer
from mobilebert.torch.packed import pack

__all__ = ["main", "teacher_config", "transplant"]

# What a layer gives to the stream, as a multiple of what was there before: the more, the less of
# the layer below is left in it (explained of the states of all-MiniLM-L6-v2's fifth layer, with
# embeddings 128 wide: with a multiple of 2, 0.79; with 4, 0.84).
MULTIPLE = 4.0
# Added to the variances of what is read, as a share of their mean.
RIDGE = 1e-4
# Sequences that words are counted in.
COUNTED = 20_000


def teacher_config(facts: EncoderFacts, student: MobileBertConfig) -> MobileBertConfig:
    """Return the configuration: outside a layer the student's, inside it the encoder's.

    Args:
        facts: The encoder's.
        student: The student's.

    Raises:
        InputError: The encoder is narrower than the stream, or has other words or fewer places;
            or the student's words go into its stream as they are.
    """
    wide, long = student.hidden_size, student.max_position_embeddings
    if facts.hidden_size < wide or facts.max_position_embeddings < long:
        raise InputError(
            f"The encoder is {facts.hidden_size} wide and reads {facts.max_position_embeddings} "
            f"tokens; the student's stream needs at least {wide}, and {long} tokens."
        )
    if (facts.vocab_size, facts.type_vocab_size) != (student.vocab_size, student.type_vocab_size):
        raise InputError(
            f"The encoder has {facts.vocab_size} words and {facts.type_vocab_size} segments, the "
            f"student {student.vocab_size} and {student.type_vocab_size}; they have to be the same."
        )
    if not student.trigram_input and student.embedding_size == wide:
        raise InputError(
            f"The student's embeddings are {wide} wide, as its stream, and no trigrams, so there "
            "is nothing between words and stream that could be fitted."
        )
    inside = {
        "num_hidden_layers": facts.num_hidden_layers,
        "num_attention_heads": facts.num_attention_heads,
        "intermediate_size": facts.intermediate_size,
        "intra_bottleneck_size": facts.hidden_size,
        "hidden_act": facts.hidden_act,
        "layer_norm_eps": facts.layer_norm_eps,
        "normalization_type": "layer_norm",
        "num_feedforward_networks": 1,
        "use_bottleneck": True,
        "use_bottleneck_attention": True,
        "key_query_shared_bottleneck": False,
    }
    return MobileBertConfig.from_dict({**student.to_dict(), **inside})


def _fit(dense: nn.Linear, read: Tensor, wanted: Tensor) -> Tensor:
    """Let a dense layer say what is wanted, as nearly as it can; return what it says."""
    x, y = read.flatten(0, -2), wanted.flatten(0, -2)
    centred = x - x.mean(0)
    squares = centred.T @ centred
    squares += RIDGE * squares.diagonal().mean() * torch.eye(len(squares), dtype=x.dtype)
    weight = torch.linalg.solve(squares, centred.T @ (y - y.mean(0))).T
    dense.weight.copy_(weight)
    dense.bias.copy_(y.mean(0) - weight @ x.mean(0))
    return cast(Tensor, dense(read))


def _fit_norm(part: nn.LayerNorm, read: Tensor, wanted: Tensor) -> Tensor:
    """The same for the scales and shifts of a layer normalisation."""
    x = F.layer_norm(read, part.normalized_shape, eps=part.eps).flatten(0, -2)
    y = wanted.flatten(0, -2)
    centred = x - x.mean(0)
    scale = (centred * y).mean(0) / (centred**2).mean(0)
    part.weight.copy_(scale)
    part.bias.copy_(y.mean(0) - scale * x.mean(0))
    return cast(Tensor, part(read))


def _directions(squares: Tensor, width: int, drawn: torch.Generator) -> Tensor:
    """Return the principal directions, the first ones, turned among themselves, [W, width].

    Turned, each channel has its share of all: scales of the channels alike suit both layer
    normalisation and an optimizer with one rate.
    """
    highest = torch.linalg.eigh(squares).eigenvectors[:, -width:]
    turn = torch.linalg.qr(torch.randn(width, width, dtype=squares.dtype, generator=drawn)).Q
    return highest @ turn


def _states(encoder: PublishedEncoder, ids: Tensor, types: Tensor) -> list[Tensor]:
    """Return what the encoder's embeddings and each of its layers say, [B, S, W] each."""
    packed = pack([row.numpy() for row in ids], [row.numpy() for row in types])
    states = [encoder.embeddings(packed).unflatten(0, ids.shape)]
    for layer in _layers(encoder):
        states.append(layer(states[-1], None))
    return states


def _layers(encoder: PublishedEncoder) -> Iterator[nn.Module]:
    return iter(cast(nn.ModuleList, encoder.get_submodule("encoder.layer")))


@torch.no_grad()
def transplant(
    encoder: PublishedEncoder, student: MobileBertConfig, text: dict[str, Tensor], counts: Tensor
) -> MobileBertForPreTraining:
    """Return the teacher.

    Args:
        encoder: The encoder.
        student: The student's configuration.
        text: Some text: ``input_ids`` and ``token_type_ids``, [B, S], without padding.
        counts: How often each id stands in the text of the training, [V].

    Raises:
        InputError: As `teacher_config`.
    """
    model = MobileBertForPreTraining(teacher_config(encoder.facts, student)).double().eval()
    encoder = copy.deepcopy(encoder).double()
    drawn = torch.Generator().manual_seed(0)
    ids, types = text["input_ids"], text["token_type_ids"]
    states = _states(encoder, ids, types)
    spread = sum(torch.cov(found.flatten(0, 1).T) for found in states)
    assert isinstance(spread, Tensor)
    ways = _directions(spread, student.hidden_size, drawn)  # [W, H]
    words = _fit_words(model, encoder, counts, drawn)
    stream = _fit_embeddings(model, encoder, (ids, types), words, (states[0], ways))
    norm = encoder.embeddings.LayerNorm
    for number, theirs in enumerate(_layers(encoder)):
        ours = cast(MobileBertLayer, model.mobilebert.encoder.layer[number])
        _take_inside(ours, theirs)
        # Before its scales and shifts, a state is what a layer normalisation makes of anything.
        narrow, wanted = ours.bottleneck.input, (states[number] - norm.bias) / norm.weight
        narrow.LayerNorm.load_state_dict(norm.state_dict())
        inner = narrow.LayerNorm(_fit(narrow.dense, stream, wanted))
        inner, _ = ours.attention(inner, inner, inner)
        inner = ours.output(ours.intermediate(inner), inner)
        wide, wanted = ours.output.bottleneck, states[number + 1] @ ways
        added = stream + _fit(wide.dense, inner, MULTIPLE * wanted - stream)
        stream = _fit_norm(wide.LayerNorm, added, wanted)
        norm = theirs.get_submodule("output.LayerNorm")
    table = words[ids]
    _fit(model.cls.predictions.transform.dense, stream, table / table.std())
    return model.float()


def _take_inside(ours: MobileBertLayer, theirs: nn.Module) -> None:
    """Copy what is inside a layer; the names are BERT's but for the bottlenecks."""
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not unexpected
    assert all("bottleneck" in name for name in missing)


def _fit_words(
    model: MobileBertForPreTraining,
    encoder: PublishedEncoder,
    counts: Tensor,
    drawn: torch.Generator,
) -> Tensor:
    """Fill the word tables and the biases of words; return all of them, [V, H]."""
    config, table = model.config, encoder.embeddings.word_embeddings.weight
    # A word counts by the root of how often it is read: the most frequent ones are few.
    shares = (counts + 1).to(table.dtype).sqrt()
    shares = shares / shares.sum()
    centred = table - shares @ table
    squares = (shares[:, None] * centred).T @ centred
    first = _directions(squares, config.embedding_size, drawn)
    rest = centred - centred @ first @ first.T
    width = config.hidden_size - config.embedding_size
    model.mobilebert.embeddings.word_embeddings.weight.copy_(centred @ first)
    found = [centred @ first]
    if width:
        second = _directions((shares[:, None] * rest).T @ rest, width, drawn)
        found.append(rest @ second)
        model.cls.predictions.dense.weight.copy_(found[1].T)
    often = ((counts + 1) / (counts + 1).sum()).log()
    model.cls.predictions.bias.copy_(often - often.mean())
    return torch.cat(found, 1)


def _fit_embeddings(
    model: MobileBertForPreTraining,
    encoder: PublishedEncoder,
    text: tuple[Tensor, Tensor],
    words: Tensor,
    wanted: tuple[Tensor, Tensor],
) -> Tensor:
    """Fill the other embeddings; return the stream, [B, S, H]."""
    ours, theirs = model.mobilebert.embeddings, encoder.embeddings
    (ids, types), (states, ways) = text, wanted
    places = len(ours.position_embeddings.weight)
    ours.position_embeddings.weight.copy_(theirs.position_embeddings.weight[:places] @ ways)
    ours.token_type_embeddings.weight.copy_(theirs.token_type_embeddings.weight @ ways)
    read = words[..., : model.config.embedding_size][ids]
    read = trigram(read) if model.config.trigram_input else read
    stream = _fit(ours.embedding_transformation, read, theirs.word_embeddings(ids) @ ways)
    stream = stream + ours.position_embeddings.weight[: ids.shape[1]]
    stream = stream + ours.token_type_embeddings(types)
    return _fit_norm(cast(nn.LayerNorm, ours.LayerNorm), stream, states @ ways)


def word_counts(data: Path, vocab_size: int) -> Tensor:
    """Return how often each id stands in some sequences of prepared data, [V].

    Args:
        data: Its directory.
        vocab_size: V.
    """
    corpus = PreparedCorpus.open(data, Split.TRAIN)
    step = max(1, len(corpus) // COUNTED)
    counts = np.zeros(vocab_size, np.int64)
    for place in range(0, len(corpus), step):
        counts += np.bincount(corpus[place].ids, minlength=vocab_size)
    return torch.from_numpy(counts)


def main(given: Sequence[str]) -> None:
    """Save it, with its tokenizer.

    Args:
        given: Encoder, the student's config.json, prepared data, the directory for the result.
    """
    name, file, data, output = given
    encoder: Any = PublishedEncoder.load(name)
    student = MobileBertConfig.from_json_file(file)
    tokenizer = MobileBertTokenizerFast.from_pretrained(name)
    text = exchange.some_text(Path(data), tokenizer)
    counts = word_counts(Path(data), student.vocab_size)
    teacher = transplant(encoder, student, text, counts)
    save_with_tokenizer(teacher, tokenizer, Path(output))


if __name__ == "__main__":
    run_script(main, __doc__)
