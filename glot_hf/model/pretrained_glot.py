# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Loading and saving GLOT models: the head in its own small checkpoint, the backbone from where it is published."""

import copy
import os
from typing import Any

import torch
from huggingface_hub import CommitInfo, HfApi
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.dynamic_module_utils import custom_object_save
from transformers.modeling_utils import safe_save_file
from transformers.utils import SAFE_WEIGHTS_NAME, logging

from .backbone_glot import (
    batches_by_length,
    device_of,
    is_trainable,
    load_backbone,
    pin_revision,
)
from .card_glot import Training
from .configuration_glot import GlotConfig
from .finite_glot import require_finite
from .holder_glot import HUB_OPTIONS, BackboneHolder
from .hub_glot import upload
from .origin_glot import fingerprint, origin, origin_of
from .pipeline_glot import GlotTextClassificationPipeline
from .pooling_glot import GlotPooler
from .text_encoder_glot import text_encoder
from .tokenizing_glot import longest_text, pad_tokens
from .weights_glot import require_all_adapter_weights, require_all_weights


logger = logging.get_logger(__name__)

# Options of `from_pretrained` that are about the large part of the model.
_BACKBONE_OPTIONS = (
    "attn_implementation",
    "device_map",
    "dtype",
    "max_memory",
    "offload_folder",
    "quantization_config",
)
# Of `save_pretrained(push_to_hub=True)`.
_PUSH_OPTIONS = ("repo_id", "private", "token", "revision", "create_pr", "commit_message")

# Where the code that is saved with a head has its classes, as `trust_remote_code=True` looks them up.
_AUTO_MAP = {
    "AutoConfig": "configuration_glot.GlotConfig",
    "AutoModel": "modeling_glot.GlotModel",
    "AutoModelForSequenceClassification": "modeling_glot.GlotForSequenceClassification",
}
_PAIR_PIPELINES = {
    "text-classification": {
        "impl": f"pipeline_glot.{GlotTextClassificationPipeline.__name__}",
        "pt": ["AutoModelForSequenceClassification"],
    }
}

# Of `encode`. Tokens are kept as Python lists until their batch is due, so not those of all texts at once.
_TEXTS_TOKENIZED_AT_ONCE = 8192
_TOKENS_A_BATCH = {True: 1024, False: 16_384}  # on a CPU more is slower: activations leave its caches
NO_BACKBONE = (
    "This model was loaded without a backbone, so it takes `hidden_states` (B, L, d) and not text: pass those, or "
    "load it with `backbone=...` or load_backbone=True"
)
NO_VECTORS = (
    "a head with pair_mode={!r} compares the tokens of two texts, and has no vector of one: take its scores of pairs "
    '(glot-hf predict --text --text_pair), or for vectors train a head with pair_mode="cosine"'
)


class GlotPreTrainedModel(BackboneHolder, PreTrainedModel):
    """Loading and saving: the head in its own small checkpoint, the backbone from where it is published."""

    config_class = GlotConfig
    base_model_prefix = "glot"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # the loss is a plain mean: Trainer must scale it under gradient accumulation
    # Which attention a backbone can run is its own affair; it refuses what it cannot.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def post_init(self) -> None:
        """The same as of any model, but a checkpoint with its backbone has its head in float32, never quantized."""
        base = self.base_model
        own = {f"head.{name.split('.')[0]}" for name in base.head.state_dict()}
        if base is not self:
            own |= {name for name, _ in self.named_children() if name != self.base_model_prefix}
        self._keep_in_fp32_modules_strict = own
        super().post_init()
        if getattr(self.config, "quantization_config", None) is not None:  # this list is what quantizers ask
            self._keep_in_fp32_modules |= {f"(?:{self.base_model_prefix}[.])?{name}" for name in own}

    @classmethod
    def from_backbone(
        cls,
        name_or_model: str | os.PathLike | nn.Module,
        revision: str | None = None,
        backbone_kwargs: dict[str, Any] | None = None,
        **config_options,
    ):
        """
        A new head, with random weights, on a pretrained backbone, which is frozen.

        Args:
            name_or_model (`str`, path or `PreTrainedModel`): repository, folder, or a model that is already loaded (it
                is used as it is, so several heads can share it). Of a model with a task head or a decoder, the text
                encoder is used. A peft adapter's repository or folder, or a `PeftModel`, brings its base and adapter.
            revision (`str`, *optional*): branch, tag or commit of the repository; the commit is recorded.
            backbone_kwargs (`dict`, *optional*): for `AutoModel.from_pretrained`: dtype, device_map, gguf_file,
                attn_implementation, trust_remote_code, ... Only `RECORDED_BACKBONE_KWARGS` are recorded with the head.
            config_options: of [`GlotConfig`].

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
            cls.config_class(**config_options)  # a misspelt option is told before gigabytes are loaded
            where = (*HUB_OPTIONS, "gguf_file", "subfolder")
            revision = pin_revision(name, revision, **{key: kwargs[key] for key in where if key in kwargs})
            backbone = load_backbone(name, revision, **kwargs)
            where_from = origin(name, revision, kwargs)
        else:
            backbone = text_encoder(name_or_model)
            where_from = origin_of(name_or_model, revision, kwargs)
        # A copy: a shared one would have this model's attention implementation written into the live backbone.
        backbone_config = copy.deepcopy(backbone.config)
        backbone_config.name_or_path = ""  # said once, in backbone_name_or_path
        if hasattr(backbone_config, "quantization_config"):
            # Of the backbone's weights, which are loaded by their own: here it would make the head a quantized model.
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
    ):
        """
        Loads a head, then the backbone it was trained on, which is frozen
        (`model.base_model.backbone.requires_grad_()` and `model.train()` unfreeze it).

        Args:
            pretrained_model_name_or_path (`str` or path): repository or folder of the head.
            backbone (`str`, path or `PreTrainedModel`, *optional*): take this backbone instead of the recorded one.
            load_backbone (`bool`): False loads the head alone, for `hidden_states=` as input.
            backbone_kwargs (`dict`, *optional*): for the backbone's `AutoModel.from_pretrained`. `trust_remote_code`
                of the head is never passed on to the backbone: give it here, for a backbone that you trust.
            kwargs: as for any model. `dtype`, `device_map`, `attn_implementation`, `quantization_config`, `max_memory`
                and `offload_folder` are the backbone's; the head stays in float32 and follows the backbone's device.
                Where the checkpoint holds the backbone, `device_map`, `max_memory` and `offload_folder` are the whole
                model's.

        Raises:
            OSError: head or backbone cannot be found.
            ValueError: the head does not fit the backbone, or weights of the head are not in its file, or others are
                (with `output_loading_info=True` they are in the information instead).
        """
        kwargs, backbone_kwargs = _with_one_dtype(kwargs), _with_one_dtype(backbone_kwargs or {})
        recorded = config = kwargs.get("config")
        hub_kwargs = {key: kwargs[key] for key in (*HUB_OPTIONS, "revision", "subfolder") if key in kwargs}
        if not isinstance(config, PreTrainedConfig):
            recorded = cls.config_class.from_pretrained(config or pretrained_model_name_or_path, **hub_kwargs)
        # AutoModel was given an adapter: the head is its base, and its layers are in the backbone, which comes last.
        adapter_kwargs = kwargs.pop("adapter_kwargs", None) or {}
        adapter = adapter_kwargs.pop("_adapter_model_path", None)
        wants_information = kwargs.pop("output_loading_info", False)
        if recorded.backbone_in_checkpoint:
            if backbone is not None or not load_backbone:
                raise ValueError(
                    "This checkpoint holds its backbone: `backbone` and load_backbone=False are for others"
                )
            if recorded.backbone_config.dtype is not None:  # not the head's, which is the whole model's
                kwargs.setdefault("dtype", recorded.backbone_config.dtype)
        else:
            options = {key: kwargs.pop(key) for key in _BACKBONE_OPTIONS if key in kwargs}
            if isinstance(config, PreTrainedConfig) and config._attn_implementation is not None:
                # AutoModel's own handling has put it into the configuration.
                options.setdefault("attn_implementation", config._attn_implementation)
            options |= {key: kwargs[key] for key in HUB_OPTIONS if key in kwargs}
            kwargs["dtype"] = torch.float32
        model, information = super().from_pretrained(
            pretrained_model_name_or_path, *model_args, output_loading_info=True, **kwargs
        )
        if not wants_information and kwargs.get("state_dict") is None:  # else it is the caller who sees to it
            saved_from = recorded.architectures or cls.config_class.get_config_dict(
                pretrained_model_name_or_path, **hub_kwargs
            )[0].get("architectures")
            require_all_weights(model, information, saved_from, pretrained_model_name_or_path)
        if recorded.backbone_in_checkpoint:
            model.base_model.backbone.requires_grad_(False)
            model.config.backbone_config.dtype = model.base_model.backbone.dtype
            if hasattr(model.config, "quantization_config"):  # of the backbone alone
                model.config.backbone_config.quantization_config = model.config.quantization_config
                del model.config.quantization_config
        elif load_backbone:
            model._find_backbone(backbone, {**options, **backbone_kwargs})
        if adapter is not None:
            model.load_adapter(adapter, adapter_kwargs=adapter_kwargs)
        return (model, information) if wants_information else model

    def save_pretrained(self, save_directory, *args, push_to_hub: bool = False, **kwargs):
        """
        As usual, with the code of the head, so that `trust_remote_code=True` loads it where glot_hf is not installed.
        Without `config.backbone_in_checkpoint`, the backbone is left out. `push_to_hub=True` then calls
        [`~GlotPreTrainedModel.push_to_hub`] with its options.

        Raises:
            ValueError: the backbone has adapters, changed weights or a resized vocabulary that would be lost.
        """
        backbone = self.base_model.backbone
        if not self._hf_peft_config_loaded:  # else it is the adapter that is saved, and no head
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
        if self.config.pair_mode is not None:
            self.config.custom_pipelines = copy.deepcopy(_PAIR_PIPELINES)
        of_hub = {name: kwargs.pop(name) for name in _PUSH_OPTIONS if push_to_hub and name in kwargs}
        if getattr(self, "hf_quantizer", None) is not None:  # what it made of the weights of a file is not undone
            kwargs.setdefault("save_original_format", False)
        with self._quantizer_of_backbone():
            super().save_pretrained(save_directory, *args, **kwargs)
        if not kwargs.get("is_main_process", True):
            return
        custom_object_save(self, save_directory)
        if not self.state_dict().keys() - self._keys_to_ignore_on_save:
            # A pooling without parameters: transformers writes no file then, and would not load without one.
            safe_save_file({}, os.path.join(save_directory, SAFE_WEIGHTS_NAME), metadata={"format": "pt"})
        if push_to_hub:  # not the folder as it is, whose config.json may name a folder of this machine
            self.push_to_hub(of_hub.pop("repo_id", os.path.basename(os.path.abspath(save_directory))), **of_hub)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        backbone_id: str | None = None,
        license: str | None = None,
        training: Training | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        commit_message: str = "Upload GLOT head",
        commit_description: str | None = None,
    ) -> CommitInfo:
        """
        Publishes the head with its code, the tokenizer and a model card that is written from what is known, as one
        commit.

        Args:
            repo_id (`str`): "owner/name"; made if there is none.
            tokenizer (*optional*): default: the one beside the published backbone.
            backbone_id (`str`, *optional*): where others find the backbone. Needed where it came from a local folder.
            license (`str`, *optional*): the Hub's name of one; default: the backbone's, where its card names one.
            training ([`~glot_hf.model.card_glot.Training`], *optional*): what the card shall say of the training.
            private, token, revision, create_pr, commit_message, commit_description: as for any model.

        Raises:
            OSError: the backbone cannot be found under `backbone_id`.
            ValueError: nobody else could find the backbone, `backbone_id` is another one, or `repo_id` is the
                backbone's.
            HfHubHTTPError, ConnectionError: the Hub refuses, or fails; its repository is as it was.
        """
        return upload(
            self,
            repo_id,
            tokenizer=tokenizer,
            backbone_id=backbone_id,
            license=license,
            training=training or Training(),
            api=HfApi(token=token),
            private=private,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message,
            commit_description=commit_description,
        )

    def load_adapter(self, *args, **kwargs):
        """
        As usual: peft adapters of the backbone, and the head that they were trained with.

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
        """The head's: float32 unless it was cast, whatever the backbone's is."""
        return next((parameter.dtype for parameter in self.base_model.head.parameters()), torch.float32)

    def _init_weights(self, module: nn.Module) -> None:
        # The released initialisation: PyTorch's own for linear layers, Glorot for graph attention and convolution.
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
            raise ValueError(NO_VECTORS.format(self.config.pair_mode))
        last = getattr(self, "similarity_projection", None)
        if last is None and self.config.pair_mode == "cosine":
            raise ValueError(
                "This is the part of a cosine head that is before its similarity_projection, and its vectors are not "
                "those that the head compares: take the whole GlotForSequenceClassification, or load the head as a "
                "GlotModel from its folder, which joins the two"
            )
        return last

    @torch.no_grad()
    def encode(
        self,
        sentences: list[str],
        tokenizer,
        batch_size: int | None = None,
        max_length: int | None = None,
        show_progress: bool = False,
    ) -> Tensor:
        """
        Sentence vectors of texts, in their order. Batches are made of texts of nearly as many tokens.

        A head with `pair_mode="cosine"` compares its vectors after `similarity_projection`, so these are
        the ones that it gives: their cosine is its score. `glot-hf embed` and `to_sentence_transformer` give the same.

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
        if isinstance(sentences, str):
            raise TypeError("encode takes a list of texts: pass [text] for one text")
        base, last = self.base_model, self.last_projection()
        if base.backbone is None:
            raise ValueError(NO_BACKBONE)
        device = device_of(base.backbone)
        max_length = longest_text(tokenizer, base.backbone) if max_length is None else max_length
        vectors = torch.empty(len(sentences), self.config.hidden_size)
        was_training = self.training
        self.eval()
        try:
            with logging.tqdm(total=len(sentences), desc="Encoding", disable=not show_progress) as progress:
                for start in range(0, len(sentences), _TEXTS_TOKENIZED_AT_ONCE):
                    tokens = tokenizer(
                        sentences[start : start + _TEXTS_TOKENIZED_AT_ONCE],
                        truncation=max_length is not None,
                        max_length=max_length,
                    )
                    lengths = [len(ids) for ids in tokens["input_ids"]]
                    for indices in batches_by_length(lengths, _TOKENS_A_BATCH[device.type == "cpu"], batch_size):
                        rows = [{name: tokens[name][index] for name in tokens} for index in indices]
                        batch = {name: ids.to(device) for name, ids in pad_tokens(tokenizer, rows).items()}
                        places = [start + index for index in indices]
                        pooled = base(**batch, return_dict=True).pooler_output
                        pooled = pooled if last is None else last(pooled.to(last.weight))
                        vectors[places] = pooled.float().cpu()
                        progress.update(len(indices))
        finally:
            self.train(was_training)
        require_finite(self, vectors, sentences)
        return vectors


def _with_one_dtype(kwargs: dict[str, Any]) -> dict[str, Any]:
    """`torch_dtype` is the old name of `dtype`; "auto" is what is loaded without either."""
    kwargs = dict(kwargs)
    if (dtype := kwargs.pop("torch_dtype", None)) is not None:
        kwargs.setdefault("dtype", dtype)
    if kwargs.get("dtype") == "auto":
        del kwargs["dtype"]
    return kwargs


__all__ = ["GlotPreTrainedModel"]
