"""`MobileBertPreTrainedModel`: what every model of the family can do besides `forward`."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mobilebert.config import MobileBertConfig
from mobilebert.config_rules import check_combination
from mobilebert.errors import ArgumentError, InputError
from mobilebert.reference import PadNeighbor
from mobilebert.resizing import check_heads, padded_size, set_vocabulary_size
from mobilebert.tasks import TASKS, TaskSpec
from mobilebert.torch.attention import attention_implementation
from mobilebert.torch.counts import CountedModel
from mobilebert.torch.heads import VocabularyHead
from mobilebert.torch.initialization import added_modules, initialize, initialize_module
from mobilebert.torch.inputs import (
    additive_attention_mask,
    head_mask_by_layer,
    warn_about_padding,
)
from mobilebert.torch.losses import LOSSES, LossFunction
from mobilebert.torch.precision import arithmetic_dtype, dtype_of
from mobilebert.torch.pruning import prune_attention
from mobilebert.torch.resize import resize_decoder, resize_embedding, resize_vocabulary_head
from mobilebert.torch.storage import StoredModel
from mobilebert.weights import WeightSpec, weight_specs

__all__ = ["MobileBertPreTrainedModel", "dtype_of"]


class MobileBertPreTrainedModel(CountedModel, StoredModel):
    """The models' common part: weights, their initialisation, saving, resizing, pruning.

    Args:
        config: The configuration. Sizes are read now; output flags, `problem_type` and the
            attention implementation at every call.

    Raises:
        ConfigError: The configuration describes no possible model.
        ArgumentError: `config` is no `MobileBertConfig`.
    """

    config_class: ClassVar[type[MobileBertConfig]] = MobileBertConfig
    base_model_prefix: ClassVar[str] = "mobilebert"
    main_input_name: ClassVar[str] = "input_ids"
    framework: ClassVar[str] = "pt"
    task: ClassVar[TaskSpec] = TASKS["feature_extraction"]
    supports_gradient_checkpointing: ClassVar[bool] = True
    is_parallelizable: ClassVar[bool] = False
    _supports_sdpa: ClassVar[bool] = True
    _no_split_modules: ClassVar[list[str]] = ["MobileBertEmbeddings", "MobileBertLayer"]
    _keep_in_fp32_modules: ClassVar[list[str] | None] = None
    _keep_in_fp32_modules_strict: ClassVar[list[str] | None] = None
    _tied_weights_keys: ClassVar[list[str] | None] = None
    _keys_to_ignore_on_load_missing: ClassVar[list[str] | None] = None
    _keys_to_ignore_on_load_unexpected: ClassVar[list[str] | None] = None
    _keys_to_ignore_on_save: ClassVar[list[str] | None] = None

    config: MobileBertConfig

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        if not isinstance(config, MobileBertConfig):
            raise ArgumentError(
                f"{type(self).__name__}(config) needs a MobileBertConfig, not a "
                f"{type(config).__name__}; a checkpoint is loaded with "
                f"{type(self).__name__}.from_pretrained(name_or_path)."
            )
        check_combination(config)
        config._attn_implementation = attention_implementation(config._attn_implementation).value
        self.config = config
        self.name_or_path = config.name_or_path
        self.warnings_issued: dict[str, bool] = {}
        self.newly_initialized_weights: Sequence[str] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model; a tokenizer's result may be given whole, ``model(encoded)``."""
        if args and isinstance(args[0], Mapping):
            first, *others = args
            if others or (twice := first.keys() & kwargs.keys()):
                named = "positional arguments" if others else ", ".join(sorted(twice))
                raise ArgumentError(f"The inputs are given as a table and as {named}; give one.")
            return super().__call__(**first, **kwargs)
        return super().__call__(*args, **kwargs)

    @classmethod
    def _from_config(
        cls,
        config: MobileBertConfig,
        *,
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        attn_implementation: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Build a model with new weights; the name generic code of the field uses."""
        if attn_implementation is not None:
            config._attn_implementation = attn_implementation
        wanted = dtype_of(dtype or torch_dtype or config.dtype)
        model = cls(config, **kwargs)
        return model if wanted is None else model.to(wanted)

    @classmethod
    def from_config(cls, config: MobileBertConfig, **kwargs: Any) -> Self:
        """Build a model with new weights.

        Args:
            config: The configuration.
            **kwargs: ``dtype`` (or ``torch_dtype``; by default the configuration's),
                ``attn_implementation``, and keywords of the constructor.
        """
        return cls._from_config(config, **kwargs)

    # Weights

    def weight_specs(self) -> tuple[WeightSpec, ...]:
        """List the tensors of this model, in the order of its state dict."""
        pooler = self.base_model.pooler is not None
        return weight_specs(self.config, self.task, add_pooling_layer=pooler)

    def init_weights(self, names: Collection[str] | None = None) -> None:
        """Give weights their initial values and tie them.

        Args:
            names: Canonical names of those to initialise; all by default.
        """
        if names is None:
            self._init_added_modules()
        initialize(self, self.weight_specs(), self.config.initializer_range, names)
        self.tie_weights()

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise a module that a user's class added; such a class may have its own way."""
        initialize_module(module, self.config.initializer_range)

    def _init_added_modules(self) -> None:
        for module in added_modules(self, self.weight_specs(), MobileBertPreTrainedModel):
            self._init_weights(module)

    def post_init(self) -> None:
        """Finish construction: initialise what this class added, and tie."""
        self._init_added_modules()
        # The encoder inside a model for a task has initialised itself.
        inner = self.task.prefix or None
        own = [s.name for s in self.weight_specs() if inner is None or not s.name.startswith(inner)]
        self.init_weights(own)

    def tie_weights(self) -> None:
        """Let tied tensors share their memory, as the weight specification says.

        The decoder that a user's class names is tied too, if it is as wide as the word table.
        """
        head, own = self._vocabulary_head, self._own_decoder
        words = self.get_input_embeddings().weight if self.config.tie_word_embeddings else None
        if words is not None and own is not None and own.weight.shape[1] == words.shape[1]:
            own.weight = words
        if head is not None:
            if words is not None:
                head.decoder.weight = words
            head.tie_bias()

    @property
    def base_model(self) -> Any:
        """The encoder: `mobilebert` of a model for a task, or the model itself."""
        return getattr(self, self.base_model_prefix, self)

    @property
    def _vocabulary_head(self) -> VocabularyHead | None:
        if not self.task.vocabulary:
            return None
        return cast(VocabularyHead, self.get_submodule("cls.predictions"))

    @property
    def _own_decoder(self) -> nn.Linear | None:
        """What a user's class names as output embeddings, besides the vocabulary head."""
        if type(self).get_output_embeddings is MobileBertPreTrainedModel.get_output_embeddings:
            return None
        try:
            return self.get_output_embeddings()
        except AttributeError:
            return None  # the class that this one extends is still being constructed

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the word table."""
        embedding: nn.Embedding = self.base_model.embeddings.word_embeddings
        return embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Put another module in the place of the word table; `tie_weights` follows it."""
        self.base_model.embeddings.word_embeddings = value

    def get_output_embeddings(self) -> nn.Linear | None:
        """Return the decoder of the vocabulary head, or None for models without one."""
        head = self._vocabulary_head
        return None if head is None else head.decoder

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Put another decoder into the vocabulary head; its bias becomes the head's.

        Raises:
            InputError: The model has no vocabulary head.
        """
        head = self._vocabulary_head
        if head is None:
            raise InputError(f"{type(self).__name__} has no output embeddings.")
        head.decoder = new_embeddings
        if new_embeddings.bias is not None:
            head.bias = new_embeddings.bias
        head.tie_bias()

    @property
    def device(self) -> torch.device:
        """Where the first parameter lies."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the first floating-point parameter."""
        return next(p.dtype for p in self.parameters() if p.is_floating_point())

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """A smallest input, for code that records a call."""
        shape = (1, 2, 3) if self.task.choices else (1, 3)
        return {"input_ids": torch.zeros(shape, dtype=torch.long, device=self.device)}

    # Size and shape

    @property
    def vocab_size(self) -> int:
        """Rows of the word table."""
        return int(self.config.vocab_size)

    def resize_token_embeddings(
        self,
        new_num_tokens: int | None = None,
        pad_to_multiple_of: int | None = None,
        mean_resizing: bool = True,
    ) -> nn.Embedding:
        """Change the vocabulary size: the word table, the vocabulary head, `config.vocab_size`.

        The parameters stay the same objects, without gradients. An optimizer that has made a step
        keeps numbers of the old shapes for them: make it anew.

        Args:
            new_num_tokens: Rows wanted; rows are added or removed at the end. With None and no
                `pad_to_multiple_of` nothing changes.
            pad_to_multiple_of: Round the number of rows up to a multiple of this.
            mean_resizing: Draw new rows around the mean of the old ones (new words then change no
                answer); otherwise from the initial distribution.

        Returns:
            The word table.

        Raises:
            InputError: A number that is not a positive integer.
        """
        embedding = self.get_input_embeddings()
        if new_num_tokens is None and pad_to_multiple_of is None:
            return embedding
        size = padded_size(new_num_tokens, embedding.num_embeddings, pad_to_multiple_of)
        std = self.config.initializer_range
        own = self._own_decoder
        shared = own is not None and own.weight is embedding.weight
        resize_embedding(embedding, size, mean_resizing, std)
        if own is not None:
            words = embedding.weight if shared else None
            resize_decoder(own, size, mean_resizing, std, words)
        if (head := self._vocabulary_head) is not None:
            tied = self.config.tie_word_embeddings
            resize_vocabulary_head(head, size, mean_resizing, std, tied)
        set_vocabulary_size(self.config, size)
        self.tie_weights()
        return embedding

    def prune_heads(self, heads_to_prune: Mapping[int, Collection[int]]) -> None:
        """Remove attention heads; `config.pruned_heads` keeps account of them.

        Args:
            heads_to_prune: Head numbers by layer, ``{0: [1, 2]}``, counted as in the unpruned
                model. A negative layer counts from the end.

        Raises:
            InputError: There is no such layer or head, or a layer would lose all heads.
        """
        gone = check_heads(self.config, heads_to_prune)
        for layer, numbers in gone.items():
            attention = self.base_model.encoder.layer[layer].attention
            prune_attention(attention, numbers, self.config.num_attention_heads)
        self.config.pruned_heads = {layer: sorted(numbers) for layer, numbers in gone.items()}

    # How it runs

    @property
    def pad_neighbor(self) -> PadNeighbor:
        """What a padding neighbour contributes to the trigram; may be set."""
        choice: PadNeighbor = self.base_model._pad_neighbor
        return choice

    @pad_neighbor.setter
    def pad_neighbor(self, value: PadNeighbor | str) -> None:
        self.base_model._pad_neighbor = PadNeighbor(value)

    def set_attn_implementation(self, attn_implementation: str) -> None:
        """Choose "sdpa" or "eager" attention.

        Raises:
            InputError: There is no such implementation.
        """
        chosen = attention_implementation(attn_implementation)
        self.config._attn_implementation = chosen.value

    def gradient_checkpointing_enable(
        self, gradient_checkpointing_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Keep only each layer's input in training and compute the rest again: less memory.

        Args:
            gradient_checkpointing_kwargs: Keywords of `torch.utils.checkpoint.checkpoint`;
                ``{"use_reentrant": False}`` by default.
        """
        options = {"use_reentrant": False} | dict(gradient_checkpointing_kwargs or {})
        self.base_model.encoder.gradient_checkpointing_func = partial(checkpoint, **options)

    def gradient_checkpointing_disable(self) -> None:
        """Keep all intermediate results in training again."""
        self.base_model.encoder.gradient_checkpointing_func = None

    @property
    def is_gradient_checkpointing(self) -> bool:
        """Whether gradient checkpointing is on."""
        return self.base_model.encoder.gradient_checkpointing_func is not None

    def enable_input_require_grads(self) -> None:
        """Let gradients reach the embeddings' output though the weights are frozen (adapters)."""

        def require(module: nn.Module, args: Any, output: Tensor) -> None:
            output.requires_grad_(True)

        self._require_grads_hook = self.get_input_embeddings().register_forward_hook(require)

    def disable_input_require_grads(self) -> None:
        """Undo `enable_input_require_grads`."""
        self._require_grads_hook.remove()

    @property
    def loss_function(self) -> LossFunction:
        """The loss of this model: a function of its logits, its labels and the configuration."""
        return LOSSES[self.task.loss]

    @classmethod
    def can_generate(cls) -> bool:
        """Tell that this is no text generator."""
        return False

    @classmethod
    def _can_set_attn_implementation(cls) -> bool:
        return True

    def get_extended_attention_mask(
        self,
        attention_mask: Tensor,
        input_shape: tuple[int, ...],
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Turn a mask of ones and zeros into what is added to attention scores.

        Args:
            attention_mask: 1 where attention is allowed, [B, S] or [B, S, S].
            input_shape: (B, S) of the input.
            device: Ignored; the mask's device counts.
            dtype: Of the result; by default what the model computes in.

        Raises:
            InputError: Another shape.
        """
        wanted = arithmetic_dtype(self.dtype) if dtype is None else dtype
        return additive_attention_mask(attention_mask, input_shape, wanted)

    def get_head_mask(
        self, head_mask: Tensor | None, num_hidden_layers: int, is_attention_chunked: bool = False
    ) -> list[Tensor | None]:
        """Spread a head mask, [heads] or [layers, heads], over the layers."""
        return head_mask_by_layer(head_mask, self.config, arithmetic_dtype(self.dtype))

    def warn_if_padding_and_no_attention_mask(
        self, input_ids: Tensor, attention_mask: Tensor | None
    ) -> None:
        """Warn once when ids seem to be padded and no attention mask is given."""
        warn_about_padding(self.config, input_ids, attention_mask)
