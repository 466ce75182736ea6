"""`MobileBertConfig`: the sizes and switches of one model.

The fields and defaults are those documented for transformers' class of the same name, and
config.json files are exchanged with it. Paper: Sun et al. 2020, table 1 and section 3.
"""

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

from mobilebert.config_rules import GENERIC_DEFAULTS, check_combination, checked
from mobilebert.config_storage import CONFIG_NAME, StoredConfig
from mobilebert.errors import ConfigError
from mobilebert.logging import get_logger
from mobilebert.presets import preset_fields

__all__ = ["CONFIG_NAME", "MobileBertConfig"]

logger = get_logger(__name__)

# Facts about this architecture that generic code of the field asks a configuration for.
_CONSTANTS: dict[str, Any] = {
    "add_cross_attention": False,
    "cross_attention_hidden_size": None,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "tie_encoder_decoder": False,
}


class MobileBertConfig(StoredConfig):
    """Configuration of a MobileBERT model.

    Every assignment is checked; the combination is checked at construction and again when a model
    is built. Unknown keywords are kept as attributes and written back, never interpreted.

    Args:
        vocab_size: Rows of the word embedding table.
        hidden_size: Width of the residual stream between layers.
        num_hidden_layers: Number of layers.
        num_attention_heads: Heads per layer; divides `true_hidden_size`.
        intermediate_size: Width inside each feed-forward network.
        hidden_act: Activation: gelu, gelu_new, relu, relu6, silu, another name of
            `mobilebert.activations`, or a function.
        hidden_dropout_prob: Dropout after the embeddings and the output bottleneck.
        attention_probs_dropout_prob: Dropout on attention probabilities.
        max_position_embeddings: Longest sequence, in tokens.
        type_vocab_size: Number of segment ids.
        initializer_range: Standard deviation of initial weights.
        layer_norm_eps: Epsilon of true layer normalisations.
        pad_token_id: Id of the padding token.
        embedding_size: Width of the word embedding table.
        trigram_input: Whether each position reads its two neighbours' embeddings.
        use_bottleneck: Whether layers narrow (or widen) their input.
        intra_bottleneck_size: Width inside a layer with bottleneck.
        use_bottleneck_attention: Whether queries, keys and values read the input bottleneck.
        key_query_shared_bottleneck: Whether queries and keys read a bottleneck of their own.
        num_feedforward_networks: Stacked feed-forward networks per layer.
        normalization_type: no_norm (scale and shift) or layer_norm.
        classifier_activation: Whether the pooler has a dense layer and tanh; without, the pooled
            output is the raw first token.
        classifier_dropout: Dropout before a classifier; `hidden_dropout_prob` when None.
        **kwargs: Generic settings (num_labels, id2label, label2id, problem_type,
            output_attentions, output_hidden_states, return_dict, tie_word_embeddings,
            pruned_heads, ...) and unknown keys, which are kept.

    Raises:
        ConfigError: A value or a combination is impossible; the message says what is allowed.
    """

    model_type: ClassVar[str] = "mobilebert"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]
    is_composition: ClassVar[bool] = False
    sub_configs: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        /,  # a file may have a key "self"
        vocab_size: int = 30522,
        hidden_size: int = 512,
        num_hidden_layers: int = 24,
        num_attention_heads: int = 4,
        intermediate_size: int = 512,
        hidden_act: str | Callable[..., Any] = "relu",
        hidden_dropout_prob: float = 0.0,
        attention_probs_dropout_prob: float = 0.1,
        max_position_embeddings: int = 512,
        type_vocab_size: int = 2,
        initializer_range: float = 0.02,
        layer_norm_eps: float = 1e-12,
        pad_token_id: int | None = 0,
        embedding_size: int = 128,
        trigram_input: bool = True,
        use_bottleneck: bool = True,
        intra_bottleneck_size: int = 128,
        use_bottleneck_attention: bool = False,
        key_query_shared_bottleneck: bool = True,
        num_feedforward_networks: int = 4,
        normalization_type: str = "no_norm",
        classifier_activation: bool = True,
        classifier_dropout: float | None = None,
        **kwargs: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _FIELD_NAMES}
        self._unnamed: dict[str, Any] = {}
        self._name_or_path = str(kwargs.pop("name_or_path", kwargs.pop("_name_or_path", "")))
        self._attn_implementation: str | None = kwargs.pop("attn_implementation", None)
        kwargs.pop("true_hidden_size", None)
        if (dtype := kwargs.pop("torch_dtype", None)) is not None:
            kwargs.setdefault("dtype", dtype)
        labels = {key: kwargs.pop(key, None) for key in ("num_labels", "id2label", "label2id")}
        for name, value in given.items():
            setattr(self, name, value)
        for name, default in GENERIC_DEFAULTS.items():
            value = kwargs.pop(name, None)
            setattr(self, name, copy.deepcopy(default) if value is None else value)
        self._set_labels(**labels)
        for name, value in kwargs.items():
            self._keep(name, value)
        check_combination(self)

    def _set_labels(self, num_labels: Any, id2label: Any, label2id: Any) -> None:
        if label2id is not None:
            label2id = checked("label2id", label2id)
        if id2label is not None:
            self.id2label = id2label
            if num_labels is not None and num_labels != self.num_labels:
                logger.warning(
                    "num_labels=%s does not fit id2label, which has %d labels; id2label counts.",
                    num_labels,
                    self.num_labels,
                )
        elif num_labels is not None:
            self.num_labels = num_labels
        elif label2id:
            self.id2label = {number: label for label, number in label2id.items()}
        if label2id is not None:
            self.label2id = label2id

    def _keep(self, name: str, value: Any) -> None:
        """Keep an unknown key: as an attribute if it can be one, else beside them.

        A file must not be able to replace a method or to set private state: transformers ran hub
        code through such a key (CVE-2026-4372).
        """
        if name in _CONSTANTS or name in ("model_type", "use_return_dict"):
            return
        if name.isidentifier() and not name.startswith("_") and not hasattr(type(self), name):
            setattr(self, name, value)
        else:
            self._unnamed[name] = value

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "dtype" and value is not None:
            # torch.float16 and "torch.float16" are both kept as "float16": no torch needed.
            value = str(value).removeprefix("torch.")
        super().__setattr__(name, checked(name, value))
        if name == "id2label":
            inverse = {label: number for number, label in self.id2label.items()}
            super().__setattr__("label2id", inverse)

    def __getattr__(self, name: str) -> Any:
        # Only reached for names that are not set.
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    @property
    def true_hidden_size(self) -> int:
        """Width inside a layer: `intra_bottleneck_size`, or `hidden_size` without bottleneck."""
        return int(self.intra_bottleneck_size if self.use_bottleneck else self.hidden_size)

    @property
    def num_labels(self) -> int:
        """Number of labels, the length of `id2label`."""
        return len(self.id2label)

    @num_labels.setter
    def num_labels(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 2**20:
            raise ConfigError(f"num_labels must be an integer from 1 to {2**20:,}, not {value!r}.")
        if value != len(self.id2label):
            self.id2label = {number: f"LABEL_{number}" for number in range(value)}

    @property
    def use_return_dict(self) -> bool:
        """Whether models return output objects rather than tuples."""
        return bool(self.return_dict and not self.torchscript)

    @property
    def torch_dtype(self) -> str | None:
        """The older name of `dtype`."""
        dtype: str | None = self.dtype
        return dtype

    @torch_dtype.setter
    def torch_dtype(self, value: Any) -> None:
        self.dtype = value

    @property
    def name_or_path(self) -> str:
        """Where the configuration was loaded from; empty for a new one."""
        return self._name_or_path

    @name_or_path.setter
    def name_or_path(self, value: str | os.PathLike[str]) -> None:
        self._name_or_path = str(value)

    def get_text_config(self, decoder: bool = False) -> Self:
        """Return the configuration itself: there is no part of it for another kind of input."""
        return self

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> Self:
        """Build a named configuration.

        Args:
            name: mobilebert, mobilebert-tiny, mobilebert-no-opt, mobilebert-qat, ib-bert-large
                (the teacher), mobilebert-mini (the bundled model) or ib-bert-mini (a teacher for
                it).
            **overrides: Fields to change.

        Raises:
            ConfigError: There is no such preset.
        """
        return cls(**(preset_fields(name) | overrides))

    def update(self, config_dict: Mapping[str, Any]) -> None:
        """Assign several fields at once; the combination is checked afterwards."""
        for name, value in config_dict.items():
            setattr(self, name, value)
        check_combination(self)

    def __iter__(self) -> Iterator[str]:
        yield from (name for name in self.__dict__ if not name.startswith("_"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MobileBertConfig) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # mutable, as upstream

    def __repr__(self) -> str:
        content = json.dumps(self.to_diff_dict(), indent=2, sort_keys=True, default=repr)
        return f"{type(self).__name__} {content}\n"


_FIELD_NAMES = tuple(
    name
    for name in MobileBertConfig.__init__.__code__.co_varnames[
        1 : MobileBertConfig.__init__.__code__.co_argcount
    ]
)
