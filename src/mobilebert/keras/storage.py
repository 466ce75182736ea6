"""Loading a Keras model from a checkpoint and writing it to one, or to the Hugging Face Hub."""

import os
from typing import Any, cast

from mobilebert.checkpoint.publishing import PublishedModel, upload
from mobilebert.config import MobileBertConfig
from mobilebert.keras.serving import ServedModel, check_saved_model, write_saved_model

__all__ = ["StoredModel"]

PathLike = str | os.PathLike[str]


class StoredModel(PublishedModel):
    """A model that can be loaded, saved and published."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: PathLike,
        *model_args: Any,
        config: MobileBertConfig | PathLike | None = None,
        from_pt: bool = False,
        dtype: Any = None,
        ignore_mismatched_sizes: bool = False,
        output_loading_info: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Load a checkpoint, whoever wrote it.

        Args:
            pretrained_model_name_or_path: Directory, file, bundled name or Hub name: safetensors
                of this library or of transformers (PyTorch or TensorFlow classes),
                ``pytorch_model.bin``, ``tf_model.h5``, or Google's TF1 checkpoint.
            *model_args: Further positional arguments of the constructor.
            config: A configuration, or where to find one, in place of the checkpoint's.
            from_pt: Read ``pytorch_model.bin`` before ``tf_model.h5`` where both are there;
                PyTorch's layout is read without it, too.
            dtype: The model's dtype or policy for Keras, e.g. "mixed_bfloat16"; Keras's global
                one by default, whatever the checkpoint is stored in.
            ignore_mismatched_sizes: Initialise tensors of another shape instead of refusing them.
            output_loading_info: Also return which tensors were missing, unexpected or of another
                shape.
            **kwargs: Options of the lookup (cache_dir, force_download, local_files_only, token,
                revision, subfolder) and of the format (variant, use_safetensors, from_tf), fields
                of the configuration to change, and keywords of the constructor (name).

        Returns:
            The model, or with `output_loading_info` a tuple (model, information).

        Raises:
            CheckpointError: The checkpoint is missing, damaged or unsafe.
            WeightsError: Tensors do not fit the configuration.
            ArgumentError: An unknown keyword.
        """
        from mobilebert.keras.loading import load_pretrained

        return load_pretrained(
            cls,
            pretrained_model_name_or_path,
            *model_args,
            config=config,
            from_pt=from_pt,
            dtype=dtype,
            ignore_mismatched_sizes=ignore_mismatched_sizes,
            output_loading_info=output_loading_info,
            **kwargs,
        )

    def save_pretrained(
        self,
        save_directory: PathLike,
        saved_model: bool = False,
        version: int = 1,
        push_to_hub: bool = False,
        signatures: Any | None = None,
        max_shard_size: int | str = "5GB",
        create_pr: bool = False,
        safe_serialization: bool = True,
        token: str | bool | None = None,
        *,
        variant: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Write configuration and weights into a directory, for both packages to read.

        Args:
            save_directory: Where to write; made if it does not exist.
            saved_model: Also write a TensorFlow SavedModel, into ``saved_model/<version>``; it is
                recorded from `serving`.
            version: Number of the SavedModel.
            push_to_hub: Also upload what is written, and nothing else of the directory; keywords
                of `push_to_hub` may follow.
            signatures: Recorded functions by name, or one, for the SavedModel to serve.
            max_shard_size: Largest weight file, in bytes or like "200MB".
            create_pr: Upload as a pull request.
            safe_serialization: Write safetensors; otherwise PyTorch's pickle format.
            token: Access token of the Hub.
            variant: Infix of the weight files.
            **kwargs: Keywords of `push_to_hub`.

        Raises:
            CheckpointError: The directory cannot be written.
            InputError: A SavedModel without TensorFlow, or a `version` that is no number.
            ArgumentError: An unknown keyword.
        """
        from mobilebert.keras.loading import save_pretrained

        if saved_model:
            check_saved_model(version)
        written = save_pretrained(
            self,
            save_directory,
            max_shard_size=max_shard_size,
            safe_serialization=safe_serialization,
            variant=variant,
            **({} if push_to_hub else kwargs),
        )
        if saved_model:
            served = cast(ServedModel, self)
            written.append(write_saved_model(served, save_directory, version, signatures))
        if push_to_hub:
            upload(save_directory, token=token, create_pr=create_pr, only=written, **kwargs)
