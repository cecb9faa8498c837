# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Load and save GLOT models: the head in its own small checkpoint, the backbone from where it is published."""

import copy
import importlib
import os
from types import ModuleType
from typing import Any, Self

import torch
from huggingface_hub import CommitInfo, HfApi
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.dynamic_module_utils import custom_object_save
from transformers.modeling_utils import safe_save_file
from transformers.utils import SAFE_WEIGHTS_NAME, logging

from .backbone_glot import is_trainable, load_backbone, pin_revision, text_encoder
from .backbone_holder_glot import HUB_OPTIONS, BackboneHolder
from .backbone_origin_glot import fingerprint, origin, origin_of
from .configuration_glot import GlotConfig
from .encoding_glot import encode
from .late_glot import NO_VECTORS
from .pipeline_glot import GlotTextClassificationPipeline
from .pooling_glot import GlotPooler
from .sentence_files_glot import write_sentence_files
from .version_glot import __version__
from .weights_glot import require_all_adapter_weights, require_all_weights, require_sound_files


logger = logging.get_logger(__name__)

# Options of `from_pretrained` that are for the backbone.
_BACKBONE_OPTIONS = (
    "attn_implementation",
    "device_map",
    "dtype",
    "max_memory",
    "offload_folder",
    "quantization_config",
)
# Options of `save_pretrained` that are for its `push_to_hub=True`.
_PUSH_OPTIONS = ("repo_id", "private", "token", "revision", "create_pr", "commit_message")

# Where `trust_remote_code=True` finds the classes in the code that is saved with a head.
_AUTO_MAP = {
    "AutoConfig": "configuration_glot.GlotConfig",
    "AutoModel": "modeling_glot.GlotModel",
    "AutoModelForSequenceClassification": "modeling_glot.GlotForSequenceClassification",
}
_PIPELINES = {
    "text-classification": {
        "impl": f"pipeline_glot.{GlotTextClassificationPipeline.__name__}",
        "pt": ["AutoModelForSequenceClassification"],
    }
}


class GlotPreTrainedModel(BackboneHolder, PreTrainedModel):
    """
    Base class of GLOT models: they load and save the head in its own small checkpoint, and take the backbone from
    where it is published.
    """

    config_class: Any = GlotConfig
    base_model_prefix = "glot"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # the loss is a plain mean: Trainer must scale it under gradient accumulation
    # The backbone itself refuses an attention implementation that it does not have.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def post_init(self) -> None:
        """Finish a new model. In a checkpoint with its backbone, the head stays in float32 and is never quantized."""
        base = self.base_model
        own = {f"head.{name.split('.')[0]}" for name in base.head.state_dict()}
        if base is not self:
            own |= {name for name, _ in self.named_children() if name != self.base_model_prefix}
        self._keep_in_fp32_modules_strict = own
        super().post_init()
        if getattr(self.config, "quantization_config", None) is not None:  # quantizers read this list
            whole = {f"(?:{self.base_model_prefix}[.])?{name}" for name in own}
            self._keep_in_fp32_modules = {*(self._keep_in_fp32_modules or ()), *whole}

    @classmethod
    def from_backbone(
        cls,
        name_or_model: str | os.PathLike | nn.Module,
        revision: str | None = None,
        backbone_kwargs: dict[str, Any] | None = None,
        **config_options,
    ) -> Self:
        """
        Make a new head, with random weights, on a pretrained backbone, which is frozen.

        Args:
            name_or_model (`str`, path or `PreTrainedModel`): repository, folder, or a model that is already loaded (it
                is used as it is, so several heads can share it). The text encoder of a model with a task head or a
                decoder is taken. A peft adapter's repository or folder, or a `PeftModel`, brings its base and adapter.
            revision (`str`, *optional*): branch, tag or commit of the repository; the commit is recorded.
            backbone_kwargs (`dict`, *optional*): for `AutoModel.from_pretrained`: dtype, device_map, gguf_file,
                attn_implementation, trust_remote_code, ... Only `RECORDED_BACKBONE_KWARGS` are recorded with the head.
            config_options: options of [`GlotConfig`].

        Raises:
            OSError: the backbone cannot be found.
            StrictDataclassError, TypeError, ValueError: an option is not valid.

        Example:

        ```python
        >>> model = GlotForSequenceClassification.from_backbone("bert-base-uncased", num_labels=3, tau=0.6)
        ```
        """
        kwargs = _with_one_dtype(
            {**(config_options.pop("backbone_load_kwargs", None) or {}), **(backbone_kwargs or {})}
        )
        revision = kwargs.pop("revision", revision)
        in_checkpoint = config_options.pop("backbone_in_checkpoint", False)
        if isinstance(name_or_model, (str, os.PathLike)):
            name = os.fspath(name_or_model)
            cls.config_class(**config_options)  # refuses a misspelt option before gigabytes are loaded
            where = (*HUB_OPTIONS, "gguf_file", "subfolder")
            revision = pin_revision(name, revision, **{key: kwargs[key] for key in where if key in kwargs})
            backbone = load_backbone(name, revision, **kwargs)
            where_from = origin(name, revision, kwargs)
        else:
            backbone = text_encoder(name_or_model)
            where_from = origin_of(name_or_model, revision, kwargs)
        # A copy, or this model's attention implementation would be written into the live backbone.
        backbone_config: Any = copy.deepcopy(backbone.config)
        backbone_config.name_or_path = ""  # backbone_name_or_path says it
        if hasattr(backbone_config, "quantization_config"):
            # It is for the backbone's weights, which are loaded apart: here it would make the head a quantized model.
            del backbone_config.quantization_config
        config = cls.config_class(**where_from, backbone_config=backbone_config, **config_options)
        model = cls(config)
        model._attach(backbone, where_from, fingerprint(backbone))
        config.backbone_in_checkpoint = in_checkpoint  # only now: the model would have built a second backbone
        return model.eval()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike | None,
        *model_args,
        backbone: str | os.PathLike | nn.Module | None = None,
        load_backbone: bool = True,
        backbone_kwargs: dict[str, Any] | None = None,
        **kwargs,
    ) -> Any:
        """
        Load a head, then the backbone it was trained on, which is frozen
        (`model.base_model.backbone.requires_grad_()` and `model.train()` unfreeze it).

        Args:
            pretrained_model_name_or_path (`str` or path): repository or folder of the head.
            backbone (`str`, path or `PreTrainedModel`, *optional*): take this backbone instead of the recorded one.
            load_backbone (`bool`): False loads the head alone, for `hidden_states=` as input.
            backbone_kwargs (`dict`, *optional*): for the backbone's `AutoModel.from_pretrained`. `trust_remote_code`
                of the head is never passed on to the backbone: give it here, for a backbone that you trust.
            kwargs: options of `PreTrainedModel.from_pretrained`. `dtype`, `device_map`, `attn_implementation`,
                `quantization_config`, `max_memory` and `offload_folder` are the backbone's; the head stays in float32
                and follows the backbone's device. Where the checkpoint holds the backbone, `device_map`, `max_memory`
                and `offload_folder` are the whole model's.

        Raises:
            OSError: head or backbone cannot be found.
            ValueError: the head does not fit the backbone, or its file holds weights that are integers or not finite,
                or weights of the head are not in its file, or others are (with `output_loading_info=True` they are in
                the information instead).
        """
        kwargs, backbone_kwargs = _with_one_dtype(kwargs), _with_one_dtype(backbone_kwargs or {})
        recorded: Any = kwargs.get("config")
        config = recorded
        hub_kwargs = {key: kwargs[key] for key in (*HUB_OPTIONS, "revision", "subfolder") if key in kwargs}
        if not isinstance(config, PreTrainedConfig):
            recorded = cls.config_class.from_pretrained(config or pretrained_model_name_or_path, **hub_kwargs)
        # AutoModel was given an adapter: its layers are in the backbone, so it is loaded after that.
        adapter_kwargs = kwargs.pop("adapter_kwargs", None) or {}
        adapter = adapter_kwargs.pop("_adapter_model_path", None)
        wants_information = kwargs.pop("output_loading_info", False)
        if recorded.backbone_in_checkpoint:
            if backbone is not None or not load_backbone:
                raise ValueError(
                    "This checkpoint holds its backbone: `backbone` and load_backbone=False are for others"
                )
            if recorded.backbone_config.dtype is not None:  # else the head's dtype would be the whole model's
                kwargs.setdefault("dtype", recorded.backbone_config.dtype)
        else:
            options = {key: kwargs.pop(key) for key in _BACKBONE_OPTIONS if key in kwargs}
            if isinstance(config, PreTrainedConfig) and config._attn_implementation is not None:
                # AutoModel has moved that option into the configuration.
                options.setdefault("attn_implementation", config._attn_implementation)
            options |= {key: kwargs[key] for key in HUB_OPTIONS if key in kwargs}
            kwargs["dtype"] = torch.float32
        loaded: Any = super().from_pretrained(
            pretrained_model_name_or_path, *model_args, output_loading_info=True, **kwargs
        )
        model, information = loaded
        if not wants_information and kwargs.get("state_dict") is None:  # else the caller looks after them
            saved_from = recorded.architectures or cls.config_class.get_config_dict(
                pretrained_model_name_or_path, **hub_kwargs
            )[0].get("architectures")
            require_all_weights(model, information, saved_from, pretrained_model_name_or_path)
        if recorded.backbone_in_checkpoint:
            model.base_model.backbone.requires_grad_(False)
            model.config.backbone_config.dtype = model.base_model.backbone.dtype
            if hasattr(model.config, "quantization_config"):  # the backbone alone is quantized
                model.config.backbone_config.quantization_config = model.config.quantization_config
                del model.config.quantization_config
        elif load_backbone:
            model._find_backbone(backbone, {**options, **backbone_kwargs})
        if adapter is not None:
            model.load_adapter(adapter, adapter_kwargs=adapter_kwargs)
        return (model, information) if wants_information else model

    @staticmethod
    def _load_pretrained_model(model, state_dict, checkpoint_files, *args, **kwargs):
        # The one place that knows which files were found, and comes before their weights are cast.
        require_sound_files(model, [file for file in checkpoint_files or () if file.endswith(".safetensors")])
        return PreTrainedModel._load_pretrained_model(model, state_dict, checkpoint_files, *args, **kwargs)

    def save_pretrained(self, save_directory, *args, push_to_hub: bool = False, **kwargs):
        """
        Save the head with its code, so that `trust_remote_code=True` loads it where glot_hf is not installed: in
        transformers and, where it gives vectors, in sentence-transformers. The backbone is left out unless
        `config.backbone_in_checkpoint`. Options are those of `PreTrainedModel.save_pretrained`; `push_to_hub=True`
        then calls [`~GlotPreTrainedModel.push_to_hub`].

        Raises:
            ValueError: the backbone has adapters, changed weights or a resized vocabulary that would be lost.
        """
        backbone = self.base_model.backbone
        if not self._hf_peft_config_loaded:  # else only the adapter is saved
            self._require_adapters_saved()
            self._require_backbone_saved()
        if is_trainable(backbone) and not self.config.backbone_in_checkpoint:
            logger.warning_once(
                "The backbone is not frozen, but its weights are not saved with the head: set "
                "model.config.backbone_in_checkpoint = True to keep them"
            )
        if backbone is not None and self.config.backbone_in_checkpoint:
            backbone.config.dtype = backbone.dtype
            self.config.backbone_config = backbone.config
        self.config.auto_map = dict(_AUTO_MAP)
        if self.config.pair_mode is not None or self.config.decision_threshold is not None:
            self.config.custom_pipelines = copy.deepcopy(_PIPELINES)
        push_options = {name: kwargs.pop(name) for name in _PUSH_OPTIONS if push_to_hub and name in kwargs}
        if getattr(self, "hf_quantizer", None) is not None:  # its changes to the weights are not undone
            kwargs.setdefault("save_original_format", False)
        with self._quantizer_of_backbone():
            super().save_pretrained(save_directory, *args, **kwargs)
        if not kwargs.get("is_main_process", True):
            return
        custom_object_save(self, save_directory)
        write_sentence_files(self.config, save_directory)
        if not self.state_dict().keys() - self._keys_to_ignore_on_save:
            # transformers writes no file for a pooling without parameters, but needs one to load it.
            safe_save_file({}, os.path.join(save_directory, SAFE_WEIGHTS_NAME), metadata={"format": "pt"})
        if push_to_hub:  # not this folder itself, whose config.json may name a folder of this machine
            repo_id = push_options.pop("repo_id", os.path.basename(os.path.abspath(save_directory)))
            self.push_to_hub(repo_id, **push_options)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        backbone_id: str | None = None,
        license: str | None = None,
        training: Any = None,
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        commit_message: str = "Upload GLOT head",
        commit_description: str | None = None,
    ) -> CommitInfo:
        """
        Publish the head with its code, the tokenizer and a model card that is written from what is known, as one
        commit. It needs glot_hf installed: what publishes is not part of the code that a head brings.

        Args:
            repo_id (`str`): "owner/name"; made if there is none.
            tokenizer (*optional*): default: the one beside the published backbone.
            backbone_id (`str`, *optional*): where others find the backbone. Needed where it came from a local folder.
            license (`str`, *optional*): the Hub's name of one; default: the backbone's, where its card names one.
            training ([`~glot_hf.publishing.card.Training`], *optional*): what the card shall say of the training.
            private, token, revision, create_pr, commit_message, commit_description: see
                `PreTrainedModel.push_to_hub`.

        Raises:
            ImportError: glot_hf is not installed, or in another version than this head's code.
            OSError: the backbone cannot be found under `backbone_id`.
            ValueError: nobody else could find the backbone, `backbone_id` is another one, or `repo_id` is the
                backbone's.
            HfHubHTTPError, ConnectionError: the Hub refuses, or fails; its repository is as it was.
        """
        return _publishing().upload(
            self,
            repo_id,
            tokenizer=tokenizer,
            backbone_id=backbone_id,
            license=license,
            training=training,
            api=HfApi(token=token),
            private=private,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message,
            commit_description=commit_description,
        )

    def load_adapter(self, *args, **kwargs):
        """
        Load peft adapters of the backbone, and the head that they were trained with.

        Raises:
            ValueError: there is no backbone, or not yet, or weights of the adapter are not in its file.
        """
        if self.base_model.backbone is None:
            raise ValueError(
                "An adapter has layers in the backbone, and this model has none: load it with its backbone, from a "
                "folder that does not hold both the head's config.json and the adapter's adapter_config.json"
            )
        information = super().load_adapter(*args, **kwargs)
        require_all_adapter_weights(information.missing_keys)
        return information

    @property
    def dtype(self) -> torch.dtype:
        """The head's dtype: float32 unless it was cast, whatever the backbone's is."""
        return next((parameter.dtype for parameter in self.base_model.head.parameters()), torch.float32)

    def _init_weights(self, module: Any) -> None:
        # The released code's: PyTorch's own for linear layers, Glorot for graph attention and convolution.
        if isinstance(module, GlotPooler):
            if module.num_layers_mixed:
                nn.init.zeros_(module.layer_scores)
        elif isinstance(module, (nn.BatchNorm1d, nn.MultiheadAttention)):
            super()._init_weights(module)
        elif hasattr(module, "reset_parameters"):
            module.reset_parameters()

    def last_projection(self) -> nn.Module | None:
        """
        Return the linear map `(D, D)` that a head with `pair_mode="cosine"` puts its vectors through before it
        compares them; None for other heads.

        Raises:
            ValueError: this is the `base_model` of such a head, which does not have it, or a head without vectors.
        """
        if self.config.compares_tokens:
            raise ValueError(NO_VECTORS)
        last = getattr(self, "similarity_projection", None)
        if last is None and self.config.pair_mode == "cosine":
            raise ValueError(
                "This is the part of a cosine head that is before its similarity_projection, and its vectors are not "
                "those that the head compares: take the whole GlotForSequenceClassification, or load the head as a "
                "GlotModel from its folder, which joins the two"
            )
        return last

    def encode(
        self,
        sentences: list[str],
        tokenizer,
        batch_size: int | None = None,
        max_length: int | None = None,
        show_progress: bool = False,
    ) -> Tensor:
        """
        Return the sentence vectors of texts, in their order. Texts of nearly as many tokens make a batch.

        The vectors of a head with `pair_mode="cosine"` are those after its `similarity_projection`: their cosine is
        its score. `glot-hf embed` and `to_sentence_transformer` give the same.

        Args:
            sentences (`list[str]`): the texts.
            tokenizer: the backbone's tokenizer.
            batch_size (`int`, *optional*): texts a batch; default as many as make about 1,024 tokens on a CPU and
                16,384 on an accelerator.
            max_length (`int`, *optional*): longer texts are cut; default: what tokenizer and backbone both take.
            show_progress (`bool`): show a progress bar.

        Returns:
            `Tensor` of shape `(N, D)`, float32 on the CPU.

        Raises:
            TypeError: `sentences` is one string.
            ValueError: the model was loaded without a backbone, it is the `base_model` of a cosine head, or a vector
                is not finite (names its text).
        """
        return encode(self, sentences, tokenizer, batch_size, max_length, show_progress)


def _publishing() -> ModuleType:
    """
    Import what publishes a head. Not an import statement: transformers would ask for glot_hf wherever a head loads.

    Raises:
        ImportError: see `push_to_hub`.
    """
    try:
        installed = importlib.import_module("glot_hf").__version__
        if installed != __version__:
            raise ImportError(f"glot_hf {installed} is installed")
        return importlib.import_module("glot_hf.publishing.upload")
    except ImportError as error:
        raise ImportError(
            f"push_to_hub needs glot_hf {__version__}, the version of this head's code ({error}): install it from its "
            "repository (pip install . in a clone), or `import glot_hf` and load the head without trust_remote_code"
        ) from error


def _with_one_dtype(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return options with `dtype` for its old name `torch_dtype`, and without "auto", which is the default."""
    kwargs = dict(kwargs)
    if (dtype := kwargs.pop("torch_dtype", None)) is not None:
        kwargs.setdefault("dtype", dtype)
    if kwargs.get("dtype") == "auto":
        del kwargs["dtype"]
    return kwargs


__all__ = ["GlotPreTrainedModel"]
