"""Every weight's name in every dialect: one table, readable in both directions.

Canonical names are the state-dict names of transformers' MobileBERT. Google's TF1 checkpoints and
the Keras files of transformers' TensorFlow classes (``tf_model.h5`` and safetensors with metadata
``{"format": "tf"}``) name the same tensors by variable scopes and store some of them transposed.
The rows are derived from the weight specification, so a new head is named here without a change.

Sources: Google's google-research/mobilebert code and released checkpoint; the names observed in
files that transformers 4.x writes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from mobilebert.checkpoint.stored import StoredTensor
from mobilebert.config import MobileBertConfig
from mobilebert.errors import CheckpointError
from mobilebert.tasks import TASKS
from mobilebert.weights import WeightKind, WeightSpec, weight_specs

__all__ = [
    "ENCODER_PREFIX",
    "OWN_PREFIX",
    "Dialect",
    "ForeignName",
    "NameTable",
    "canonical_tensors",
    "modern_name",
    "with_prefix",
]

ENCODER_PREFIX = "mobilebert."
# Before canonical names of tensors that a user's class named like parts of the encoder.
OWN_PREFIX = "own:"
_ENCODER_PARTS = ("embeddings.", "encoder.", "pooler.")


class Dialect(StrEnum):
    """Who named the tensors of a file."""

    CANONICAL = "canonical"  # PyTorch state dicts
    GOOGLE = "google"  # TF1 variables
    KERAS = "keras"  # tf_model.h5, safetensors of TensorFlow classes


@dataclass(frozen=True)
class ForeignName:
    """What another dialect calls a tensor.

    Attributes:
        name: The name there.
        transposed: Whether the axes are stored in reverse order.
    """

    name: str
    transposed: bool = False


# Kind -> last part of the name and whether it is transposed. Keras names the two norm tensors
# "weight" and "bias" for NoNorm, which is a layer of its own there.
_GOOGLE_LEAF = {
    WeightKind.EMBEDDING: ("", False),
    WeightKind.LINEAR_WEIGHT: ("/kernel", True),
    WeightKind.LINEAR_BIAS: ("/bias", False),
    WeightKind.NORM_WEIGHT: ("/gamma", False),
    WeightKind.NORM_BIAS: ("/beta", False),
}
_KERAS_LEAF = {
    WeightKind.EMBEDDING: ("/embeddings", False),
    WeightKind.LINEAR_WEIGHT: ("/kernel", True),
    WeightKind.LINEAR_BIAS: ("/bias", False),
    WeightKind.NORM_WEIGHT: ("/gamma", False),
    WeightKind.NORM_BIAS: ("/beta", False),
    WeightKind.VOCABULARY_EXTENSION: ("/weight", False),
    WeightKind.VOCABULARY_BIAS: ("/bias", False),
}

# Names that follow no pattern. Google's classifiers are bare matrices of shape (labels, H), so
# they are not transposed; its run_classifier.py puts them at top level.
_GOOGLE_EXCEPTIONS = {
    "cls.predictions.bias": ForeignName("cls/predictions/output_bias"),
    "cls.predictions.dense.weight": ForeignName(
        "cls/predictions/extra_output_weights", transposed=True
    ),
    "cls.seq_relationship.weight": ForeignName("cls/seq_relationship/output_weights"),
    "cls.seq_relationship.bias": ForeignName("cls/seq_relationship/output_bias"),
    "qa_outputs.weight": ForeignName("cls/squad/output_weights"),
    "qa_outputs.bias": ForeignName("cls/squad/output_bias"),
    "classifier.weight": ForeignName("output_weights"),
    "classifier.bias": ForeignName("output_bias"),
}
_KERAS_EXCEPTIONS = {
    "embeddings.word_embeddings.weight": ForeignName(
        "mobilebert/embeddings/word_embeddings/weight:0"
    ),
    "cls.predictions.decoder.weight": ForeignName("predictions___cls/predictions/decoder/weight:0"),
}
# No counterpart: Google ties by reusing the variable, Keras has no second bias.
_ABSENT = {
    Dialect.GOOGLE: {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"},
    Dialect.KERAS: {"cls.predictions.decoder.bias"},
}
# Keras scope of a head: "attribute___name", of which the first part is only the Python attribute.
_KERAS_HEADS = {
    "cls/predictions": "predictions___cls/predictions",
    "cls/seq_relationship": "seq_relationship___cls/seq_relationship",
}

# Optimizer state and counters of TensorFlow's training runs.
_SLOTS = re.compile(
    r"(^|/)(adam_[mv]|lamb_[mv]|AdamWeightDecayOptimizer(_1)?|LAMBOptimizer(_1)?|global_step|"
    r"save_counter|_CHECKPOINTABLE_OBJECT_GRAPH)(/|$)"
)
_IGNORED = re.compile(r"(^|\.)embeddings\.position_ids$")


def _scope(path: str, layer: str, ffn: str) -> str:
    """Spell a dotted path with slashes; numbered parts as the dialect writes them."""
    scope = re.sub(r"\blayer\.(\d+)", rf"{layer}\1", path)
    scope = re.sub(r"\bffn\.(\d+)", rf"{ffn}\1", scope)
    return "/".join(part.replace("#", ".") for part in scope.split("."))


def _is_encoder(name: str) -> bool:
    return name.startswith(_ENCODER_PARTS)


def _google(row: WeightSpec, config: MobileBertConfig) -> ForeignName:
    if row.name in _GOOGLE_EXCEPTIONS:
        return _GOOGLE_EXCEPTIONS[row.name]
    leaf, transposed = _GOOGLE_LEAF[row.kind]
    scope = _scope(row.name.rpartition(".")[0], "layer_", "ffn_layer_")
    if _is_encoder(row.name):
        scope = f"bert/{scope}"
        if config.normalization_type == "no_norm":
            scope = scope.replace("LayerNorm", "FakeLayerNorm")
    return ForeignName(scope + leaf, transposed)


def _keras(row: WeightSpec, config: MobileBertConfig) -> ForeignName:
    if row.name in _KERAS_EXCEPTIONS:
        return _KERAS_EXCEPTIONS[row.name]
    leaf, transposed = _KERAS_LEAF[row.kind]
    if leaf in ("/gamma", "/beta") and _is_encoder(row.name):
        if config.normalization_type == "no_norm":
            leaf = {"/gamma": "/weight", "/beta": "/bias"}[leaf]
    scope = _scope(row.name.rpartition(".")[0], "layer_#_", "ffn#")
    for head, spelled in _KERAS_HEADS.items():
        scope = spelled + scope.removeprefix(head) if scope.startswith(head) else scope
    if _is_encoder(row.name):
        scope = f"mobilebert/{scope}"
    return ForeignName(f"{scope}{leaf}:0", transposed)


class NameTable:
    """The names of all tensors that any task of a configuration has.

    Canonical names are without the ``mobilebert.`` prefix here.

    Args:
        config: The configuration; layers, norms and bottlenecks decide which names exist.
    """

    def __init__(self, config: MobileBertConfig) -> None:
        self._config = config

    @cached_property
    def specs(self) -> dict[str, WeightSpec]:
        """Canonical name -> specification, for the encoder and every head."""
        rows: dict[str, WeightSpec] = {}
        for task in TASKS.values():
            if task.vocabulary and self._config.embedding_size > self._config.hidden_size:
                continue  # such a model has no vocabulary head
            for row in weight_specs(self._config, task):
                name = row.name.removeprefix(ENCODER_PREFIX)
                rows.setdefault(name, WeightSpec(name, row.kind, row.shape, row.tied_to))
        return rows

    def foreign(self, canonical: str, dialect: Dialect) -> ForeignName | None:
        """Return a tensor's name in a dialect; None when it has no such tensor.

        Args:
            canonical: Canonical name, with or without the encoder's prefix.
            dialect: Whose name is wanted.

        Raises:
            CheckpointError: No model of this configuration has the tensor.
        """
        name = canonical.removeprefix(ENCODER_PREFIX)
        if name not in self.specs:
            raise CheckpointError(
                f"No MobileBERT of this configuration has a tensor {canonical!r}."
            )
        if name in _ABSENT.get(dialect, ()):
            return None
        row = self.specs[name]
        match dialect:
            case Dialect.GOOGLE:
                return _google(row, self._config)
            case Dialect.KERAS:
                return _keras(row, self._config)
            case _:
                return ForeignName(name)

    def canonical(self, dialect: Dialect) -> dict[str, tuple[str, bool]]:
        """Return the reverse table: name in a dialect -> (canonical name, transposed)."""
        table = {}
        for name in self.specs:
            foreign = self.foreign(name, dialect)
            if foreign is not None:
                table[foreign.name] = (name, foreign.transposed)
        return table


def canonical_tensors(
    tensors: Mapping[str, StoredTensor], config: MobileBertConfig, dialect: Dialect
) -> dict[str, StoredTensor]:
    """Rename the tensors of a file to canonical names without prefix.

    Names that no MobileBERT has are kept as they are; optimizer state and position ids are left
    out. In a state dict whose encoder has its prefix, `pooler`, `encoder` and `embeddings` without
    it are a user's own modules; their names get `OWN_PREFIX`.

    Args:
        tensors: Name in the file -> tensor.
        config: The configuration.
        dialect: Who named them.

    Raises:
        CheckpointError: Two tensors of the file have the same canonical name.
    """
    names = NameTable(config)
    of_torch = dialect is Dialect.CANONICAL
    table = {} if of_torch else names.canonical(dialect)
    own_names = of_torch and any(n.startswith(ENCODER_PREFIX) for n in tensors)
    renamed: dict[str, StoredTensor] = {}
    origin: dict[str, str] = {}
    for name, tensor in tensors.items():
        if _IGNORED.search(name) or (not of_torch and _SLOTS.search(name)):
            continue
        if own_names and _is_encoder(name):
            canonical, transposed = OWN_PREFIX + name, False
        elif of_torch:
            canonical, transposed = _modern(name, names), False
        else:
            canonical, transposed = _lookup(name, table, dialect)
        if canonical in origin:
            raise CheckpointError(
                f"The tensors {origin[canonical]!r} and {name!r} of the checkpoint are both "
                f"{canonical!r}; keep one of them."
            )
        origin[canonical] = name
        renamed[canonical] = tensor.transposed() if transposed else tensor
    return renamed


def _modern(name: str, names: NameTable) -> str:
    """Return the canonical name of one in a state dict; users' modules keep theirs."""
    modern = modern_name(name).removeprefix(ENCODER_PREFIX)
    plain = name.removeprefix(ENCODER_PREFIX)
    return modern if modern == plain or modern in names.specs else plain


def _lookup(name: str, table: Mapping[str, tuple[str, bool]], dialect: Dialect) -> tuple[str, bool]:
    if dialect is Dialect.GOOGLE:
        return _first(_google_spellings(name), table) or (name, False)
    # Before the name stand the class's own name and, in h5 files, the group's.
    parts = name.split("/")
    return _first(("/".join(parts[i:]) for i in range(len(parts))), table) or (name, False)


def _google_spellings(name: str) -> Iterable[str]:
    """The name, and the name as the other norm would have it: transformers reads both."""
    yield name
    yield name.replace("FakeLayerNorm", "LayerNorm")
    yield name.replace("LayerNorm", "FakeLayerNorm")


def _first(names: Iterable[str], table: Mapping[str, tuple[str, bool]]) -> tuple[str, bool] | None:
    return next((table[name] for name in names if name in table), None)


def modern_name(name: str) -> str:
    """Translate the norm names of PyTorch checkpoints from before 2019: gamma and beta."""
    if name.endswith(".LayerNorm.gamma"):
        return name.removesuffix("gamma") + "weight"
    if name.endswith(".LayerNorm.beta"):
        return name.removesuffix("beta") + "bias"
    return name


def with_prefix(name: str, prefix: str) -> str:
    """Put a prefix before the canonical name of an encoder tensor; others stay as they are.

    A user's own modules have their names where the encoder's differ, with a prefix.
    """
    if prefix and name.startswith(OWN_PREFIX):
        return name.removeprefix(OWN_PREFIX)
    return prefix + name if _is_encoder(name) else name
