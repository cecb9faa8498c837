# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""GLOT models: a frozen backbone and a trained head (arXiv 2603.03389)."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import ModelOutput

from .backbone_forward_glot import BackboneStates, run_backbone
from .backbone_glot import build_backbone, device_of, is_trainable
from .backbone_holder_glot import HUB_OPTIONS, NO_BACKBONE
from .configuration_glot import GlotConfig
from .late_glot import NO_VECTORS, LateInteraction
from .pooling_glot import GlotPooler
from .precision_glot import at_least_float32
from .pretrained_glot import GlotPreTrainedModel


@dataclass
class GlotModelOutput(ModelOutput):
    """
    Output of [`GlotModel`]. All but the first are None unless asked for.

    Args:
        pooler_output (`Tensor` of shape `(B, D)`): sentence vectors; None where `pair_mode` compares tokens.
        token_embeddings (`Tensor` of shape `(B, L, D)`): what the readout sums, before the projection.
        readout_weights (`Tensor` of shape `(B, L)`): the readout's attention; also None where nothing is weighed.
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
    and the parts of [`GlotModelOutput`] that were asked for (of the first sentence, for pairs).
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    token_embeddings: Tensor | None = None
    readout_weights: Tensor | None = None
    adjacency: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class GlotModel(GlotPreTrainedModel):
    """
    A backbone and a head: text or hidden states -> sentence vectors.

    `GlotModel(config)` has no backbone (its input is `hidden_states`) unless `config.backbone_in_checkpoint` builds
    one with random weights; [`~GlotPreTrainedModel.from_backbone`] and [`~GlotPreTrainedModel.from_pretrained`] attach
    one.

    Args:
        config ([`GlotConfig`]): with `input_size` or a `backbone_config`.
    """

    head: GlotPooler
    backbone: PreTrainedModel | None
    _keys_to_ignore_on_load_unexpected = [r"^(similarity_projection|late)\."]  # read by `from_pretrained`

    def __init__(self, config: GlotConfig):
        super().__init__(config)
        # The head first: a model's dtype is that of its first parameter, and a checkpoint is loaded in that dtype.
        self.head = GlotPooler(config)
        backbone_config: Any = config.backbone_config
        self.backbone = build_backbone(backbone_config) if config.backbone_in_checkpoint else None
        self.post_init()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, **kwargs) -> Any:
        """
        Load a head, see [`~GlotPreTrainedModel.from_pretrained`]. A saved classifier with `pair_mode="cosine"` gives
        the vectors that it compares: its `similarity_projection` becomes a part of `projection`.
        """
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        config = model.config
        if config.compares_tokens:
            raise ValueError(NO_VECTORS)
        if config.pair_mode == "cosine" and GlotForSequenceClassification.__name__ in (config.architectures or ()):
            where = {name: kwargs[name] for name in (*HUB_OPTIONS, "revision", "subfolder") if name in kwargs}
            if not config.backbone_in_checkpoint:
                where["load_backbone"] = False
            whole: Any = GlotForSequenceClassification.from_pretrained(pretrained_model_name_or_path, **where)
            model.head.project_on(whole.similarity_projection.to(device_of(model), model.dtype))
            config.pair_mode, config.projection_size = None, config.hidden_size
        return loaded

    def train(self, mode: bool = True):
        """Set the training mode. A backbone with no trainable parameter stays in eval mode (no dropout)."""
        super().train(mode)
        if self.backbone is not None and not is_trainable(self.backbone):
            self.backbone.eval()
        return self

    def get_input_embeddings(self) -> nn.Module | None:
        return self.backbone.get_input_embeddings() if self.backbone is not None else None

    def set_input_embeddings(self, value: nn.Module) -> None:
        if self.backbone is None:
            raise ValueError(NO_BACKBONE)
        self.backbone.set_input_embeddings(value)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        hidden_states: Tensor | None = None,
        position_ids: Tensor | None = None,
        adjacency: Tensor | None = None,
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
                states, computed earlier, with the numbers of `token_features` behind them; the backbone is not run.
            token_type_ids, position_ids (`Tensor` of shape `(B, L)`, int): the backbone's. With `position_ids`,
                padding is left where it is.
            adjacency (`Tensor` of shape `(B, L, L)`, bool, or packed): the token graph, computed earlier by
                [`~glot_hf.model.graph_glot.token_graph`].
            output_attentions, output_hidden_states (`bool`, *optional*): the backbone's; default as configured.
                With a list of layers, `output_hidden_states` gives those alone, and None in place of the others.
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
            raise ValueError(NO_BACKBONE)
        elif input_ids is not None and input_ids.shape[1] == 0:
            # A tokenizer without special tokens makes no token of empty texts: the backbone cannot run on none.
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
                token_features=self.config.token_features,
            )
        weight = next(self.head.parameters(), None)
        states = at_least_float32(run.states) if weight is None else run.states.to(weight.device, weight.dtype)
        pooled = self.head(states, attention_mask, return_details=True, adjacency=adjacency)
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
    its loss the mean squared error against labels in [-1, 1] (STS-B: score / 5). `pair_mode="late"` compares the token
    states of the texts, see [`~glot_hf.model.late_glot.LateInteraction`].

    `config.problem_type` is "single_label_classification", "multi_label_classification" (binary cross-entropy on float
    or int labels of shape `(B, num_labels)`) or "regression"; where it is None it follows from the first labels.

    Args:
        config ([`GlotConfig`]): with `input_size` or a `backbone_config`, and `num_labels` or `id2label`.
    """

    def __init__(self, config: GlotConfig):
        super().__init__(config)
        if config.decision_threshold is not None and (config.num_labels != 2 or config.pair_mode == "cosine"):
            raise ValueError(
                f"decision_threshold={config.decision_threshold} decides between two classes, and this head has "
                f"num_labels={config.num_labels}, pair_mode={config.pair_mode!r}: leave it out"
            )
        self.glot = GlotModel(config)
        if config.compares_tokens:
            self.late = LateInteraction(config)
        elif config.pair_mode == "cosine":
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
        adjacency: Tensor | None = None,
        adjacency_b: Tensor | None = None,
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
            input_ids_b, attention_mask_b, hidden_states_b, adjacency_b: the second sentence of each pair, in the
                shapes of the first.
            token_type_ids (`Tensor` of shape `(B, L)`, int): the first sentence's; the second's are then zeros.
            labels (`Tensor` of shape `(B,)`, or `(B, num_labels)` for several): class indices, or floats.

            The others are those of [`GlotModel.forward`].

        Raises:
            ValueError: a second sentence without a `pair_mode`, or the other way round; or see [`GlotModel.forward`].
        """
        is_pair = input_ids_b is not None or hidden_states_b is not None
        if is_pair and self.config.pair_mode is None:
            raise ValueError("pair_mode=None takes one sentence: make the head with a pair_mode to pass a second one")
        if not is_pair and self.config.pair_mode is not None:
            raise ValueError(
                f"pair_mode={self.config.pair_mode!r} compares two sentences: pass input_ids_b or hidden_states_b "
                "too, or make the pipeline with pipeline_class=glot_hf.GlotTextClassificationPipeline"
            )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        token_type_ids_b = None if token_type_ids is None or input_ids_b is None else torch.zeros_like(input_ids_b)
        output = self.glot(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            inputs_embeds=inputs_embeds,
            hidden_states=hidden_states,
            position_ids=position_ids,
            adjacency=adjacency,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            output_token_embeddings=output_token_embeddings or self.config.compares_tokens,
            output_readout_weights=output_readout_weights,
            output_adjacency=output_adjacency,
            return_dict=True,
        )
        output_b = None
        if is_pair:
            output_b = self.glot(
                input_ids=input_ids_b,
                attention_mask=attention_mask_b,
                token_type_ids=token_type_ids_b,
                hidden_states=hidden_states_b,
                adjacency=adjacency_b,
                output_token_embeddings=self.config.compares_tokens,
                return_dict=True,
            )
            compared = "token_embeddings" if self.config.compares_tokens else "pooler_output"
            a, b = output[compared], output_b[compared]  # (B, L, d) and (B, L_b, d), or (B, D)
            if a.shape[0] != b.shape[0]:  # no len, which would fix the number when exported
                raise ValueError(f"{len(a)} first and {len(b)} second sentences are no pairs: pass as many")
        if self.config.compares_tokens:
            logits = self.late(a, attention_mask, b, attention_mask_b)
        else:
            logits = self._logits(output.pooler_output, output_b and output_b.pooler_output)
        result = GlotSequenceClassifierOutput(
            loss=self.compute_loss(logits, labels) if labels is not None else None,
            logits=logits,
            **{
                name: value
                for name, value in output.items()
                if name != "pooler_output" and (name != "token_embeddings" or output_token_embeddings)
            },
        )
        return result if return_dict else result.to_tuple()

    def _logits(self, a: Tensor, b: Any) -> Tensor:
        """Return logits. `(B, D)`, for pairs twice -> `(B, num_labels)`; `(B, 1)` in cosine mode."""
        layer = self.similarity_projection if self.config.pair_mode == "cosine" else self.classifier
        a, b = a.to(layer.weight.dtype), b if b is None else b.to(layer.weight.dtype)
        match self.config.pair_mode:
            case None:
                return self.classifier(a)
            case "concat":
                return self.classifier(torch.cat([a, b], dim=-1))
            case "interaction":
                return self.classifier(torch.cat([a, b, (a - b).abs(), a * b], dim=-1))
            case _:  # "cosine"
                projected = self.similarity_projection(a), self.similarity_projection(b)
                return F.cosine_similarity(*projected, dim=-1)[:, None]

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of logits `(B, num_labels)` against labels in the shapes of `forward`."""
        if self.config.pair_mode == "cosine":
            scores = at_least_float32(logits[:, 0])  # (B,)
            return F.mse_loss(scores, labels.view(-1).to(scores))
        if self.config.problem_type in ("regression", "multi_label_classification"):
            # Integers are as good, 0/1 or whole scores; half precision would round the labels.
            logits = at_least_float32(logits)
            labels = labels.to(logits.dtype)
        return self.loss_function(labels=labels, pooled_logits=logits, config=self.config)


__all__ = [
    "GlotForSequenceClassification",
    "GlotModel",
    "GlotModelOutput",
    "GlotSequenceClassifierOutput",
]
