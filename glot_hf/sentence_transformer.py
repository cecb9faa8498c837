# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Heads in sentence-transformers: `GlotPooling`, one of its modules, and a whole head with its backbone."""

import copy
import os
import tempfile
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Transformer
from torch import nn
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import has_file

from .loading.saved_head import saved_class
from .model.backbone_glot import device_of, has_adapters
from .model.backbone_holder_glot import NO_BACKBONE
from .model.backbone_origin_glot import place_in_repository
from .model.configuration_glot import GlotConfig
from .model.pretrained_glot import GlotPreTrainedModel
from .model.sentence_transformer_glot import GlotPooling
from .publishing.upload import forget_paths


def to_sentence_transformer(
    model: GlotPreTrainedModel | str | os.PathLike,
    tokenizer: PreTrainedTokenizerBase | None = None,
    normalize: bool = False,
    **options: Any,
) -> SentenceTransformer:
    """
    Backbone and head as a `SentenceTransformer`, which encodes as `model.encode` does; of a cosine head, vectors are
    those that it compares. The weights of a live model's backbone are shared and its head is copied; the model itself
    stays as it is.

    Args:
        model: a [`GlotModel`] or [`GlotForSequenceClassification`] with its backbone, or the folder or repository of
            one.
        tokenizer (*optional*): the backbone's; default: the one beside the head if `model` is a folder or a repository
            that has one, else the one beside the backbone.
        normalize (`bool`): vectors of length 1, where `truncate_dim` is given of length 1 after the cut. Those that
            `encode(..., truncate_dim=...)` cuts later are of length 1 with its `normalize_embeddings=True`.
        options: of `SentenceTransformer`: prompts, similarity_fn_name, truncate_dim, device, ...

    Raises:
        InputError: there is no GLOT head in that place.
        OSError: head, backbone or tokenizer cannot be found.
        ValueError: the model has no backbone, one that sentence-transformers would run differently, or one of unknown
            origin and no tokenizer; or the tokenizer has code of its own.
    """
    if isinstance(model, (str, os.PathLike)):
        place = os.fspath(model)
        head = saved_class(GlotConfig.from_pretrained(place), place).from_pretrained(place)
        if tokenizer is None and has_file(place, "tokenizer_config.json"):
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)  # nosec B615 # no code is run
    else:
        head = model
    backbone = head.base_model.backbone
    if backbone is None:
        raise ValueError(NO_BACKBONE)
    _require_loadable(backbone)
    if tokenizer is None:
        config = head.config
        if not config.backbone_name_or_path:
            raise ValueError("the model does not say where its backbone is from: pass the backbone's tokenizer")
        name, revision, place = config.backbone_name_or_path, config.backbone_revision, place_in_repository(config)
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False, **place)
    # sentence-transformers would cut vectors after all modules, so that they were not of length 1.
    cut = options.pop("truncate_dim", None) if normalize else None
    modules = [_transformer(_same_weights(backbone), tokenizer), GlotPooling.from_head(head, truncate_dim=cut)]
    modules += [Normalize()] if normalize else []
    options.setdefault("device", device_of(backbone))
    made = SentenceTransformer(modules=modules, **options)
    origin = head.config.backbone_name_or_path
    if origin and not os.path.isdir(origin):  # a folder of this machine says nothing to others
        made.model_card_data.base_model = origin
        made.model_card_data.base_model_revision = head.config.backbone_revision
    return made


def _require_loadable(backbone: PreTrainedModel) -> None:
    """Once saved, a folder holds a model that AutoModel has to find again, and not a part of one or adapters."""
    classes = AutoModel._model_mapping.get(type(backbone.config), ())
    if type(backbone) not in (classes if isinstance(classes, tuple) else (classes,)):
        raise ValueError(
            f"a {type(backbone).__name__} is a part of a model, or has code of its own, so sentence-transformers "
            "would not find it again: load the whole model by its own Transformer(name), and put "
            "GlotPooling.from_head(model) behind it"
        )
    if has_adapters(backbone):
        raise ValueError(
            "the backbone has adapters, which sentence-transformers would not save with it: merge them "
            "(merge_and_unload) and attach the merged backbone to the head"
        )


def _same_weights(backbone: PreTrainedModel) -> PreTrainedModel:
    """Return a copy with the same tensors, as sentence-transformers sets and moves what it is given."""
    tensors = {id(tensor): tensor for tensor in (*backbone.parameters(), *backbone.buffers())}
    plain = {key: tensor for key, tensor in tensors.items() if type(tensor) is nn.Parameter}
    own = {key: nn.Parameter(tensor.detach(), tensor.requires_grad) for key, tensor in plain.items()}
    return copy.deepcopy(backbone, tensors | own)


def _transformer(backbone: PreTrainedModel, tokenizer: Any) -> Transformer:
    """Around a model that is loaded already. It takes texts as they are, whatever chat template its tokenizer has."""

    class Loaded(Transformer):
        def _load_model(self, *args: Any, **kwargs: Any) -> PreTrainedModel:
            return backbone

    if type(tokenizer).__module__.startswith("transformers_modules"):
        raise ValueError(
            f"a {type(tokenizer).__name__} has code of its own, which sentence-transformers would not find again: "
            "load the backbone by its own Transformer(name), and put GlotPooling.from_head(model) behind it"
        )
    with tempfile.TemporaryDirectory() as folder:
        backbone.config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        forget_paths(folder)  # what is loaded here may be pushed to the Hub
        transformer = Loaded(
            folder,
            config_kwargs={"trust_remote_code": False},  # for None, transformers would ask
            processor_kwargs={"trust_remote_code": False},
            modality_config={"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
            module_output_name="token_embeddings",
        )
    loaded: Any = transformer
    loaded.__class__ = Transformer  # how it is saved, and loaded from then on
    return transformer


__all__ = ["GlotPooling", "to_sentence_transformer"]
