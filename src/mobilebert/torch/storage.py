"""Loading a model from a checkpoint and writing it to one, or to the Hugging Face Hub."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from mobilebert.checkpoint.publishing import PublishedModel, upload
from mobilebert.config import MobileBertConfig

if TYPE_CHECKING:
    from mobilebert.torch.pretrained import MobileBertPreTrainedModel

__all__ = ["StoredModel"]

PathLike = str | os.PathLike[str]


class StoredModel(PublishedModel, nn.Module):
    """A model that can be loaded, saved and published."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: PathLike,
        *model_args: Any,
        config: MobileBertConfig | PathLike | None = None,
        cache_dir: PathLike | None = None,
        ignore_mismatched_sizes: bool = False,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str | None = None,
        subfolder: str = "",
        variant: str | None = None,
        use_safetensors: bool | None = None,
        from_tf: bool = False,
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        device_map: Any = None,
        low_cpu_mem_usage: bool | None = None,
        attn_implementation: str | None = None,
        output_loading_info: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Load a checkpoint; the model is returned in evaluation mode.

        Args:
            pretrained_model_name_or_path: Directory, file, bundled name or Hub name.
            *model_args: Further positional arguments of the constructor.
            config: A configuration, or where to find one, in place of the checkpoint's.
            cache_dir: Where downloads are kept.
            ignore_mismatched_sizes: Initialise tensors of another shape instead of refusing them.
            force_download: Download again what is in the cache.
            local_files_only: Never use the network.
            token: Access token of the Hub; True for the stored one.
            revision: Branch, tag or commit on the Hub.
            subfolder: Directory inside the checkpoint.
            variant: Infix of the weight files, ``model.<variant>.safetensors``.
            use_safetensors: Read only safetensors (True) or never (False).
            from_tf: Read a TensorFlow checkpoint.
            dtype: Of the weights: a torch dtype, its name, or "auto" for the checkpoint's.
            torch_dtype: The older name of `dtype`.
            device_map: None, "auto", or a device.
            low_cpu_mem_usage: Accepted; loading never holds two copies of the weights.
            attn_implementation: "sdpa" or "eager".
            output_loading_info: Also return which tensors were missing, unexpected or of another
                shape.
            **kwargs: Fields of the configuration to change, and keywords of the constructor.

        Returns:
            The model, or with `output_loading_info` a tuple (model, information).

        Raises:
            CheckpointError: The checkpoint is missing, damaged or unsafe.
            WeightsError: Tensors do not fit the configuration.
            ArgumentError: An unknown keyword.
        """
        from mobilebert.torch.loading import load_pretrained

        return load_pretrained(
            cast(type["MobileBertPreTrainedModel"], cls),
            pretrained_model_name_or_path,
            *model_args,
            config=config,
            cache_dir=cache_dir,
            ignore_mismatched_sizes=ignore_mismatched_sizes,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            revision=revision,
            subfolder=subfolder,
            variant=variant,
            use_safetensors=use_safetensors,
            from_tf=from_tf,
            dtype=torch_dtype if dtype is None else dtype,
            device_map=device_map,
            low_cpu_mem_usage=low_cpu_mem_usage,
            attn_implementation=attn_implementation,
            output_loading_info=output_loading_info,
            **kwargs,
        )

    def save_pretrained(
        self,
        save_directory: PathLike,
        is_main_process: bool = True,
        state_dict: Mapping[str, Tensor] | None = None,
        save_function: Callable[..., Any] | None = None,
        push_to_hub: bool = False,
        max_shard_size: int | str = "5GB",
        safe_serialization: bool = True,
        variant: str | None = None,
        token: str | bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Write configuration and weights into a directory.

        Args:
            save_directory: Where to write; made if it does not exist.
            is_main_process: Whether this process writes, in distributed training.
            state_dict: Weights to write in place of the model's.
            save_function: Writes one file, for weights not in safetensors.
            push_to_hub: Also upload the files that are written, and nothing else of the directory;
                keywords of `push_to_hub` may follow.
            max_shard_size: Largest weight file, in bytes or like "200MB".
            safe_serialization: Write safetensors; otherwise PyTorch's pickle format.
            variant: Infix of the weight files.
            token: Access token of the Hub.
            **kwargs: Keywords of `push_to_hub`.

        Raises:
            CheckpointError: The directory cannot be written.
            ArgumentError: An unknown keyword.
        """
        from mobilebert.torch.loading import save_pretrained

        written = save_pretrained(
            cast("MobileBertPreTrainedModel", self),
            save_directory,
            is_main_process=is_main_process,
            state_dict=state_dict,
            save_function=save_function,
            max_shard_size=max_shard_size,
            safe_serialization=safe_serialization,
            variant=variant,
            **({} if push_to_hub else kwargs),
        )
        if push_to_hub and is_main_process:
            upload(save_directory, token=token, only=written, **kwargs)
