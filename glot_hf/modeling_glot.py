# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""GLOT models: a frozen backbone and a trained head (arXiv 2603.03389)."""

import copy
import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ModelOutput
from transformers.modeling_utils import safe_save_file
from transformers.utils import SAFE_WEIGHTS_NAME, logging

from .backbone_glot import (
    BackboneStates,
    build_backbone,
    is_trainable,
    load_backbone,
    pin_revision,
    run_backbone,
    text_encoder,
)
from .configuration_glot import RECORDED_BACKBONE_KWARGS, GlotConfig
from .pooling_glot import GlotPooler


logger = logging.get_logger(__name__)

# Options of `from_pretrained` that are about the large part of the model, and those that say how to reach the Hub.
_BACKBONE_OPTIONS = (
    "attn_implementation",
    "device_map",
    "dtype",
    "max_memory",
    "offload_folder",
    "quantization_config",
    "torch_dtype",
)
_HUB_OPTIONS = ("cache_dir", "local_files_only", "proxies", "token")


@dataclass
class GlotModelOutput(ModelOutput):
    """
    Output of [`GlotModel`]. All but the first are None unless asked for.

    Args:
        pooler_output (`Tensor` of shape `(B, D)`): sentence vectors.
        token_embeddings (`Tensor` of shape `(B, L, D)`): what the readout sums, before the projection.
        readout_weights (`Tensor` of shape `(B, L)`): the readout's attention; also None for max pooling.
        adjacency (`Tensor` of shape `(B, L, L)`, bool): the token graph; also None without a graph.
        hidden_states (tuple of `Tensor` of shape `(B, L, d)`): the backbone's.
        attentions (tuple of `Tensor` of shape `(B, heads, L, L)`): the backbone's.
    """

    pooler_output: Tensor | None = None
    token_embeddings: Tensor | None = None
    readout_weights: Tensor | None = None
    adjacency: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass
class GlotSequenceClassifierOutput(ModelOutput):
    """
    Output of [`GlotForSequenceClassification`]: `loss` where there are labels, `logits` of shape `(B, num_labels)`,
    and what was asked for of [`GlotModelOutput`] (of the first sentence, for pairs).
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    token_embeddings: Tensor | None = None
    readout_weights: Tensor | None = None
    adjacency: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class GlotPreTrainedModel(PreTrainedModel):
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
                encoder is used.
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
        kwargs = _with_one_dtype(backbone_kwargs or {})
        in_checkpoint = config_options.pop("backbone_in_checkpoint", False)
        if isinstance(name_or_model, (str, os.PathLike)):
            name = os.fspath(name_or_model)
            cls.config_class(**config_options)  # a misspelt option is told before gigabytes are loaded
            revision = pin_revision(name, revision, **{key: kwargs[key] for key in _HUB_OPTIONS if key in kwargs})
            backbone = load_backbone(name, revision, **kwargs)
        else:
            backbone = text_encoder(name_or_model)
            name = getattr(backbone, "name_or_path", None) or None
            kwargs.setdefault("dtype", backbone.dtype)
        recorded = {key: _to_json(kwargs[key]) for key in RECORDED_BACKBONE_KWARGS if key in kwargs}
        # A copy: a shared one would have this model's attention implementation written into the live backbone.
        backbone_config = copy.deepcopy(backbone.config)
        backbone_config.name_or_path = ""  # said once, in backbone_name_or_path
        config = cls.config_class(
            backbone_name_or_path=os.path.abspath(name) if name and os.path.isdir(name) else name,
            backbone_revision=revision,
            backbone_config=backbone_config,
            backbone_load_kwargs=recorded or None,
            **config_options,
        )
        model = cls(config)
        model.attach_backbone(backbone)
        if in_checkpoint:  # only now: while the head was made, it would have built a second backbone
            config.backbone_in_checkpoint, config.backbone_config = True, backbone.config
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

        Raises:
            OSError: head or backbone cannot be found.
            ValueError: the head does not fit the backbone.
        """
        kwargs, backbone_kwargs = _with_one_dtype(kwargs), _with_one_dtype(backbone_kwargs or {})
        config = kwargs.get("config")
        if not isinstance(config, PreTrainedConfig):
            hub_kwargs = {key: kwargs[key] for key in (*_HUB_OPTIONS, "revision", "subfolder") if key in kwargs}
            recorded = cls.config_class.from_pretrained(config or pretrained_model_name_or_path, **hub_kwargs)
        else:
            recorded = config
        if recorded.backbone_in_checkpoint:
            if backbone is not None or not load_backbone:
                raise ValueError(
                    "This checkpoint holds its backbone: `backbone` and load_backbone=False are for others"
                )
            saved_dtype = recorded.backbone_config.dtype
            loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
            model = loaded[0] if isinstance(loaded, tuple) else loaded
            model.base_model.backbone.requires_grad_(False)
            if kwargs.get("dtype") is None and saved_dtype is not None:
                # The checkpoint was read in the head's dtype. Parameters alone: rotary frequencies stay in float32.
                for parameter in model.base_model.backbone.parameters():
                    parameter.data = parameter.data.to(saved_dtype)
            model.config.backbone_config.dtype = model.base_model.backbone.dtype
            return loaded

        options = {key: kwargs.pop(key) for key in _BACKBONE_OPTIONS if key in kwargs}
        if isinstance(config, PreTrainedConfig) and config._attn_implementation is not None:
            # AutoModel's own handling has put it into the configuration.
            options.setdefault("attn_implementation", config._attn_implementation)
        options |= {key: kwargs[key] for key in _HUB_OPTIONS if key in kwargs}
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, dtype=torch.float32, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        if load_backbone:
            model._find_backbone(backbone, {**options, **backbone_kwargs})
        return loaded

    def save_pretrained(self, save_directory, *args, **kwargs):
        """As usual. Without `config.backbone_in_checkpoint`, the backbone is left out: said, if it was trained."""
        backbone = self.base_model.backbone
        if is_trainable(backbone) and not self.config.backbone_in_checkpoint:
            logger.warning_once(
                "The backbone is not frozen, but its weights are not saved with the head: set "
                "model.config.backbone_in_checkpoint = True to keep them"
            )
        if backbone is not None and self.config.backbone_in_checkpoint:
            self.config.backbone_config = backbone.config
        super().save_pretrained(save_directory, *args, **kwargs)
        if not any(name.endswith(".safetensors") for name in os.listdir(save_directory)):
            # A pooling without parameters: transformers writes no file then, and would not load without one.
            safe_save_file({}, os.path.join(save_directory, SAFE_WEIGHTS_NAME), metadata={"format": "pt"})

    def _find_backbone(self, backbone: str | os.PathLike | nn.Module | None, kwargs: dict[str, Any]) -> None:
        config = self.config
        if backbone is None and config.backbone_name_or_path is None:
            return  # a head made from `input_size` alone, for cached hidden states
        if backbone is None or isinstance(backbone, (str, os.PathLike)):
            revision = kwargs.pop("revision", config.backbone_revision if backbone is None else None)
            name = config.backbone_name_or_path if backbone is None else os.fspath(backbone)
            backbone = load_backbone(name, revision, **{**(config.backbone_load_kwargs or {}), **kwargs})
        self.to(backbone.device)
        self.attach_backbone(text_encoder(backbone))
        self.eval()

    def attach_backbone(self, backbone: nn.Module) -> None:
        """
        Freezes a backbone and runs this head on it.

        Raises:
            ValueError: its architecture or hidden size is not what the head was made for.
        """
        expected, config = self.config.backbone_config, backbone.config
        if expected is not None and expected.model_type != config.model_type:
            raise ValueError(
                f"This head was made for a backbone of type {expected.model_type!r}, not {config.model_type!r}: pass "
                f"the backbone {self.config.backbone_name_or_path!r}, or train a head for the other one"
            )
        size = self.config_class(backbone_config=copy.deepcopy(config)).input_size
        if size is not None and size != self.config.input_size:
            raise ValueError(
                f"This head takes hidden states of size {self.config.input_size}, but the backbone's are of size "
                f"{size}: pass the backbone {self.config.backbone_name_or_path!r}, or train a head for the other one"
            )
        self.base_model.backbone = backbone.requires_grad_(False).eval()
        self._no_split_modules |= set(getattr(backbone, "_no_split_modules", None) or ())

    @property
    def dtype(self) -> torch.dtype:
        """The head's: float32 unless it was cast, whatever the backbone's is."""
        return next((parameter.dtype for parameter in self.base_model.head.parameters()), torch.float32)

    @property
    def _keys_to_ignore_on_save(self) -> set[str]:
        # Exact names: transformers and Trainer compare sets, not patterns.
        base = self.base_model
        if base.backbone is None:
            return set()
        prefix = "backbone." if base is self else f"{self.base_model_prefix}.backbone."
        # Of a backbone in the checkpoint, `build_backbone` leaves out the pooler that nothing reads.
        unread = "pooler." if self.config.backbone_in_checkpoint else ""
        return {prefix + name for name in base.backbone.state_dict() if name.startswith(unread)}

    @_keys_to_ignore_on_save.setter
    def _keys_to_ignore_on_save(self, value):
        pass  # post_init assigns what it gathered; the names follow from the backbone instead

    def _init_weights(self, module: nn.Module) -> None:
        # The released initialisation: PyTorch's own for linear layers, Glorot for graph attention and convolution.
        if isinstance(module, GlotPooler):
            if module.num_layers_mixed:
                nn.init.zeros_(module.layer_scores)
        elif isinstance(module, nn.BatchNorm1d):
            super()._init_weights(module)
        elif hasattr(module, "reset_parameters"):
            module.reset_parameters()

    @torch.no_grad()
    def encode(
        self,
        sentences: list[str],
        tokenizer,
        batch_size: int = 32,
        max_length: int | None = None,
        show_progress: bool = False,
    ) -> Tensor:
        """
        Sentence vectors of texts, in their order. Batches are made of texts of similar length.

        Args:
            sentences (`list[str]`): the texts.
            tokenizer: the backbone's tokenizer.
            batch_size (`int`): texts a batch.
            max_length (`int`, *optional*): longer texts are cut; default `tokenizer.model_max_length`.
            show_progress (`bool`): show a progress bar.

        Returns:
            `Tensor` of shape `(N, D)`, float32 on the CPU.

        Raises:
            TypeError: `sentences` is one string.
            ValueError: the model was loaded without a backbone.
        """
        if isinstance(sentences, str):
            raise TypeError("encode takes a list of texts: pass [text] for one text")
        base = self.base_model
        if base.backbone is None:
            raise ValueError(_NO_BACKBONE)
        order = sorted(range(len(sentences)), key=lambda index: len(sentences[index]), reverse=True)
        vectors = torch.empty(len(sentences), self.config.hidden_size)
        was_training = self.training
        self.eval()
        try:
            for start in logging.tqdm(range(0, len(order), batch_size), desc="Encoding", disable=not show_progress):
                indices = order[start : start + batch_size]
                batch = tokenizer(
                    [sentences[index] for index in indices],
                    padding=True,
                    truncation=max_length is not None or tokenizer.model_max_length < 1_000_000,
                    max_length=max_length,
                    return_tensors="pt",
                ).to(base.backbone.device)
                vectors[indices] = base(**batch).pooler_output.float().cpu()
        finally:
            self.train(was_training)
        return vectors


_NO_BACKBONE = (
    "This model was loaded without a backbone, so it takes `hidden_states` (B, L, d) and not text: pass those, or "
    "load it with `backbone=...` or load_backbone=True"
)


class GlotModel(GlotPreTrainedModel):
    """
    Backbone and head: text or hidden states -> sentence vectors.

    `GlotModel(config)` has no backbone (its input is `hidden_states`) unless `config.backbone_in_checkpoint` builds
    one with random weights; [`~GlotPreTrainedModel.from_backbone`] and [`~GlotPreTrainedModel.from_pretrained`] attach
    one.

    Args:
        config ([`GlotConfig`]): with `input_size` or a `backbone_config`.
    """

    def __init__(self, config: GlotConfig):
        super().__init__(config)
        # The head first: a model's dtype is that of its first parameter, and a checkpoint is loaded in that dtype.
        self.head = GlotPooler(config)
        self.backbone = build_backbone(config.backbone_config) if config.backbone_in_checkpoint else None
        self.post_init()

    def train(self, mode: bool = True):
        """As usual, but a backbone with no trainable parameter stays in eval mode (no dropout)."""
        super().train(mode)
        if self.backbone is not None and not is_trainable(self.backbone):
            self.backbone.eval()
        return self

    def get_input_embeddings(self) -> nn.Module | None:
        return self.backbone.get_input_embeddings() if self.backbone is not None else None

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.backbone.set_input_embeddings(value)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        hidden_states: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_token_embeddings: bool = False,
        output_readout_weights: bool = False,
        output_adjacency: bool = False,
        return_dict: bool | None = None,
    ) -> GlotModelOutput | tuple:
        """
        Args:
            input_ids (`Tensor` of shape `(B, L)`, int), or inputs_embeds `(B, L, d)`, or hidden_states: exactly one.
            attention_mask (`Tensor` of shape `(B, L)`): nonzero where a token is valid; left or right padding.
            hidden_states (`Tensor` of shape `(B, L, d)`, or `(B, L, n, d)` with n `backbone_layers`): the backbone's
                states, computed earlier; the backbone is not run.
            token_type_ids, position_ids (`Tensor` of shape `(B, L)`, int): the backbone's. With `position_ids`,
                padding is left where it is.
            output_attentions, output_hidden_states (`bool`, *optional*): the backbone's; default as configured.
            output_token_embeddings, output_readout_weights, output_adjacency (`bool`): see [`GlotModelOutput`].
            return_dict (`bool`, *optional*): False gives a tuple.

        Raises:
            ValueError: not exactly one input, text without a backbone, or shapes that do not fit the head.
        """
        given = {"input_ids": input_ids, "inputs_embeds": inputs_embeds, "hidden_states": hidden_states}
        given = [name for name, tensor in given.items() if tensor is not None]
        if len(given) != 1:
            raise ValueError(f"Pass exactly one of input_ids, inputs_embeds and hidden_states, got {given or 'none'}")
        output_attentions = self.config.output_attentions if output_attentions is None else output_attentions
        output_hidden_states = (
            self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict

        if hidden_states is not None:
            run = BackboneStates(hidden_states, None, None)
        elif self.backbone is None:
            raise ValueError(_NO_BACKBONE)
        elif input_ids is not None and input_ids.shape[1] == 0:
            # Empty texts and a tokenizer without special tokens: no token to run the backbone on.
            run = BackboneStates(torch.zeros(len(input_ids), 0, *self.head.token_shape), None, None)
        else:
            run = run_backbone(
                self.backbone,
                {
                    "input_ids": input_ids,
                    "inputs_embeds": inputs_embeds,
                    "attention_mask": attention_mask,
                    "token_type_ids": token_type_ids,
                    "position_ids": position_ids,
                },
                self.config.backbone_layers,
                output_hidden_states=output_hidden_states,
                output_attentions=output_attentions,
            )
        device = next((parameter.device for parameter in self.head.parameters()), run.states.device)
        pooled = self.head(run.states.to(device, self.dtype), attention_mask, return_details=True)
        output = GlotModelOutput(
            pooler_output=pooled.vector,
            token_embeddings=pooled.token_embeddings if output_token_embeddings else None,
            readout_weights=pooled.readout_weights if output_readout_weights else None,
            adjacency=pooled.adjacency if output_adjacency else None,
            hidden_states=run.hidden_states,
            attentions=run.attentions,
        )
        return output if return_dict else output.to_tuple()


class GlotForSequenceClassification(GlotPreTrainedModel):
    """
    Classification or regression of a text, or of a pair of texts encoded separately (`config.pair_mode`), by a linear
    layer on the sentence vectors. `pair_mode="cosine"` has none: its one logit is `cos(P z_a, P z_b)`, P square, and
    its loss the mean squared error against labels in [-1, 1] (STS-B: score / 5).

    `config.problem_type` is "single_label_classification", "multi_label_classification" (binary cross-entropy on float
    or int labels of shape `(B, num_labels)`) or "regression"; where it is None it follows from the first labels.

    Args:
        config ([`GlotConfig`]): with `input_size` or a `backbone_config`, and `num_labels` or `id2label`.
    """

    def __init__(self, config: GlotConfig):
        super().__init__(config)
        self.glot = GlotModel(config)
        if config.pair_mode == "cosine":
            self.similarity_projection = nn.Linear(config.hidden_size, config.hidden_size)
        else:
            features = {None: 1, "concat": 2, "interaction": 4}[config.pair_mode]
            self.classifier = nn.Linear(features * config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        hidden_states: Tensor | None = None,
        input_ids_b: Tensor | None = None,
        attention_mask_b: Tensor | None = None,
        hidden_states_b: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        output_token_embeddings: bool = False,
        output_readout_weights: bool = False,
        output_adjacency: bool = False,
        return_dict: bool | None = None,
    ) -> GlotSequenceClassifierOutput | tuple:
        """
        Args:
            input_ids_b, attention_mask_b, hidden_states_b: the second sentence of each pair, as the first.
            labels (`Tensor` of shape `(B,)`, or `(B, num_labels)` for several): class indices, or floats.

            The others are those of [`GlotModel.forward`].

        Raises:
            ValueError: a second sentence without a `pair_mode`, or the other way round; and as [`GlotModel.forward`].
        """
        is_pair = input_ids_b is not None or hidden_states_b is not None
        if is_pair != (self.config.pair_mode is not None):
            raise ValueError(
                f"pair_mode={self.config.pair_mode!r} "
                + ("takes one sentence, but input_ids_b or hidden_states_b was passed: set pair_mode for pairs")
                if is_pair
                else f"pair_mode={self.config.pair_mode!r} compares two sentences: pass input_ids_b or hidden_states_b"
            )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        output = self.glot(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            inputs_embeds=inputs_embeds,
            hidden_states=hidden_states,
            position_ids=position_ids,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            output_token_embeddings=output_token_embeddings,
            output_readout_weights=output_readout_weights,
            output_adjacency=output_adjacency,
            return_dict=True,
        )
        vector = output.pooler_output  # (B, D)
        vector_b = None
        if is_pair:
            second = self.glot(
                input_ids=input_ids_b, attention_mask=attention_mask_b, hidden_states=hidden_states_b, return_dict=True
            )
            vector_b = second.pooler_output
        logits = self._logits(vector, vector_b)
        result = GlotSequenceClassifierOutput(
            loss=self._loss(logits, labels) if labels is not None else None,
            logits=logits,
            **{name: value for name, value in output.items() if name != "pooler_output"},
        )
        return result if return_dict else result.to_tuple()

    def _logits(self, a: Tensor, b: Tensor | None) -> Tensor:
        """`(B, D)`, and for pairs `(B, D)` -> `(B, num_labels)`; `(B, 1)` in cosine mode."""
        layer = self.similarity_projection if self.config.pair_mode == "cosine" else self.classifier
        a, b = a.to(layer.weight.dtype), b if b is None else b.to(layer.weight.dtype)
        match self.config.pair_mode:
            case None:
                return self.classifier(a)
            case "concat":
                return self.classifier(torch.cat([a, b], dim=-1))
            case "interaction":
                return self.classifier(torch.cat([a, b, (a - b).abs(), a * b], dim=-1))
            case "cosine":
                projected = self.similarity_projection(a), self.similarity_projection(b)
                return F.cosine_similarity(*projected, dim=-1)[:, None]

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.config.pair_mode == "cosine":
            return F.mse_loss(logits[:, 0].float(), labels.view(-1).to(logits.device).float())
        if self.config.problem_type in ("regression", "multi_label_classification"):
            labels = labels.to(logits.dtype)  # integers are as good: 0/1, or whole scores
        return self.loss_function(labels=labels, pooled_logits=logits, config=self.config)


__all__ = [
    "GlotForSequenceClassification",
    "GlotModel",
    "GlotModelOutput",
    "GlotPreTrainedModel",
    "GlotSequenceClassifierOutput",
]


def _with_one_dtype(kwargs: dict[str, Any]) -> dict[str, Any]:
    """`torch_dtype` is the old name of `dtype`; "auto" is what is loaded without either."""
    kwargs = dict(kwargs)
    if (dtype := kwargs.pop("torch_dtype", None)) is not None:
        kwargs.setdefault("dtype", dtype)
    if kwargs.get("dtype") == "auto":
        del kwargs["dtype"]
    return kwargs


def _to_json(value: Any) -> Any:
    """Options as config.json can hold them: a torch dtype by its name, a quantization config as a dict."""
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    return value.to_dict() if hasattr(value, "to_dict") else value
