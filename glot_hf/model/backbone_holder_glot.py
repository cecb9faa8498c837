# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a GLOT model does with its backbone: attach it, find it again, tell it from others, and refuse to lose it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers import PreTrainedModel
from transformers.utils import logging

from .backbone_glot import (
    device_of,
    has_adapters,
    has_optional_pooler,
    is_trainable,
    load_backbone,
    pin_revision,
    require_fit,
    text_encoder,
)
from .backbone_origin_glot import are_comparable, fingerprint, origin, origin_of, vocabulary_at, vocabulary_of
from .configuration_glot import GlotConfig
from .language_model_glot import require_language_model


logger = logging.get_logger(__name__)

NO_BACKBONE = (
    "This model was loaded without a backbone, so it takes `hidden_states` (B, L, d) and not text: pass those, or "
    "load it with `backbone=...` or load_backbone=True"
)

# Options of `from_pretrained` that say how to reach the Hub.
HUB_OPTIONS = ("cache_dir", "local_files_only", "proxies", "token")
_PLACE = ("gguf_file", "subfolder", "variant")  # recorded options that say where in its repository a backbone is


if TYPE_CHECKING:

    class _Model(PreTrainedModel):
        config: GlotConfig
        base_model: Any  # a GlotModel
        to: Any
        hf_device_map: dict[str, Any]
        _no_split_modules: set[str]

else:
    _Model = object


class BackboneHolder(_Model):
    """What a GLOT model does with its backbone, `base_model.backbone`, which may be None."""

    def attach_backbone(self, backbone: nn.Module) -> None:
        """
        Freeze a backbone, run this head on it, and record it as the head's. The head moves to the backbone's device,
        or to the first where the backbone is spread over several.

        Args:
            backbone (`nn.Module`): any model that [`~GlotPreTrainedModel.from_backbone`] takes.

        Raises:
            ValueError: its architecture, depth or hidden size is not what the head was made for.
        """
        config, where_from = self.config, origin_of(backbone)
        encoder = text_encoder(backbone)
        found = fingerprint(encoder)
        is_recorded = found is not None and found == config.backbone_fingerprint
        if where_from["backbone_name_or_path"] is None and is_recorded and not has_adapters(encoder):
            where_from["backbone_name_or_path"] = config.backbone_name_or_path
        if where_from["backbone_name_or_path"] == config.backbone_name_or_path:
            # A loaded model does not know all of where it is from.
            if is_recorded or not are_comparable(found, config.backbone_fingerprint):
                where_from["backbone_revision"] = where_from["backbone_revision"] or config.backbone_revision
            place = {key: value for key, value in (config.backbone_load_kwargs or {}).items() if key in _PLACE}
            where_from["backbone_load_kwargs"] = place | where_from["backbone_load_kwargs"]
        self._attach(encoder, where_from, found)

    def _find_backbone(self, backbone: str | os.PathLike | nn.Module | None, kwargs: dict[str, Any]) -> None:
        config = self.config
        recorded_name = config.backbone_name_or_path
        if isinstance(backbone, nn.Module):
            self.attach_backbone(backbone)
            return
        name = recorded_name if backbone is None else os.fspath(backbone)
        if name is None:
            return  # a head made from `input_size` alone, for cached hidden states
        recorded = config.backbone_load_kwargs or {}
        revision = config.backbone_revision if name == recorded_name else None
        if backbone is not None:  # the place in its repository is the recorded backbone's alone
            recorded = {key: recorded[key] for key in ("dtype", "quantization_config") if key in recorded}
        kwargs = {**recorded, **kwargs}
        if "revision" in kwargs:
            where = {key: kwargs[key] for key in (*HUB_OPTIONS, "gguf_file", "subfolder") if key in kwargs}
            asked = kwargs.pop("revision")
            revision = pin_revision(name, asked, **where) or asked
        loaded = load_backbone(name, revision, **kwargs)
        self._attach(loaded, origin(name, revision, kwargs), fingerprint(loaded))

    def _attach(self, backbone: PreTrainedModel, where_from: dict[str, Any], found: str | None) -> None:
        """Run this head on a backbone, and record its `origin` and `fingerprint`."""
        name = self.config.backbone_name_or_path
        require_fit(self.config, backbone.config, f"pass the backbone {name!r}, or train a head for the other one")
        self._warn_of_another(backbone, where_from, found)
        self.base_model.backbone = None  # an earlier backbone must not move with the head
        self.to(device_of(backbone))
        self.base_model.backbone = backbone.requires_grad_(False).eval()
        if self.config.token_features:
            require_language_model(backbone)
        self._no_split_modules |= set(getattr(backbone, "_no_split_modules", None) or ())
        device_map = getattr(backbone, "hf_device_map", None) or {}
        if accelerators := {name: device for name, device in device_map.items() if device not in ("cpu", "disk")}:
            self.hf_device_map = accelerators  # tells Trainer and accelerate to leave it there
        for option, value in {**where_from, "backbone_fingerprint": found}.items():
            setattr(self.config, option, value)
        self.eval()

    def _warn_of_another(self, backbone: PreTrainedModel, where_from: dict[str, Any], found: str | None) -> None:
        """Warn of a backbone that fits, but whose weights are not those that the head was trained on."""
        name, commit = where_from["backbone_name_or_path"], where_from["backbone_revision"]
        recorded = self.config.backbone_revision
        if name == self.config.backbone_name_or_path and None not in (commit, recorded) and commit != recorded:
            logger.warning(
                f"This head was trained on commit {recorded} of {name!r}, and runs on commit {commit}: its answers "
                "may differ from what its author reports"
            )
        elif are_comparable(found, self.config.backbone_fingerprint) and found != self.config.backbone_fingerprint:
            logger.warning(
                f"This head was made on a backbone with other weights than {name or 'the one it is given'!r} has: its "
                "answers differ from what its author reports. Pass the backbone that it was made on as `backbone`"
            )
        recorded_config: Any = self.config.backbone_config
        sizes = [vocabulary_of(config) for config in (recorded_config, backbone.config) if config]
        if len(sizes) == 2 and None not in sizes and sizes[0] != sizes[1]:
            logger.warning(
                f"This head was made on a backbone with a vocabulary of {sizes[0]} tokens, and runs on one of "
                f"{sizes[1]}: pass the tokenizer and the backbone that belong together"
            )

    def _require_adapters_saved(self) -> None:
        if hasattr(self, "peft_config"):
            raise ValueError(
                "This model is inside a PeftModel: save that, which writes head and adapters, or call its "
                "merge_and_unload() and set config.backbone_in_checkpoint = True to save one whole model"
            )
        if not has_adapters(self.base_model.backbone):
            return
        if self.config.backbone_in_checkpoint:
            raise ValueError(
                "The backbone has adapters, which backbone_in_checkpoint=True cannot hold: merge them into it "
                "(merge_and_unload) before the head is made"
            )
        if self.config.backbone_name_or_path is None:
            raise ValueError(
                "The backbone has adapters, which are not saved with the head and would not be found again: save them "
                "by the PeftModel's save_pretrained and set model.config.backbone_name_or_path to their folder or "
                "repository, or merge them (merge_and_unload) and set config.backbone_in_checkpoint = True"
            )

    def _require_backbone_saved(self) -> None:
        config, backbone = self.config, self.base_model.backbone
        if backbone is None or config.backbone_in_checkpoint:
            return
        hint = (
            "set model.config.backbone_in_checkpoint = True to save both in one checkpoint, or save the backbone in a "
            "folder of its own (model.base_model.backbone.save_pretrained) and make the head on that folder"
        )
        size, published = vocabulary_of(backbone.config), vocabulary_at(config)
        if None not in (size, published) and size != published:
            raise ValueError(
                f"The backbone has a vocabulary of {size} tokens, and {config.backbone_name_or_path!r} one of "
                f"{published}: what was added is not saved with the head; {hint}"
            )
        found = fingerprint(backbone)
        if are_comparable(found, config.backbone_fingerprint) and found != config.backbone_fingerprint:
            raise ValueError(
                "The backbone's weights have changed since it was given to this head, and are not saved with it; "
                + hint
            )

    @contextmanager
    def _quantizer_of_backbone(self) -> Iterator[None]:
        """Lend the backbone's quantizer to this model, which is saved whole: it knows how to write its weights."""
        quantizer = getattr(self.base_model.backbone, "hf_quantizer", None)
        if not self.config.backbone_in_checkpoint or quantizer is None or hasattr(self, "hf_quantizer"):
            yield
            return
        self.hf_quantizer = quantizer
        try:
            yield
        finally:
            del self.hf_quantizer

    def resize_token_embeddings(self, *args, **kwargs) -> nn.Module:
        """Resize the token embeddings of the backbone."""
        embeddings = super().resize_token_embeddings(*args, **kwargs)
        self.base_model.backbone.config.get_text_config().vocab_size = self.config.vocab_size
        return embeddings

    @property
    def _backbone_prefix(self) -> str:
        return "backbone." if self.base_model is self else f"{self.base_model_prefix}.backbone."

    @property
    def _keys_to_ignore_on_save(self) -> set[str]:
        # Exact names: transformers and Trainer compare sets, not patterns.
        base = self.base_model
        if base.backbone is None:
            return set()
        names = base.backbone.state_dict()
        if self.config.backbone_in_checkpoint:  # `build_backbone` leaves out the pooler that nothing reads
            is_optional = has_optional_pooler(type(base.backbone))
            names = [name for name in names if is_optional and name.startswith("pooler.")]
        return {self._backbone_prefix + name for name in names}

    @_keys_to_ignore_on_save.setter
    def _keys_to_ignore_on_save(self, value):
        pass  # post_init assigns what it gathered; the names follow from the backbone instead

    @property
    def _ddp_params_and_buffers_to_ignore(self) -> list[str]:
        # DistributedDataParallel reads this name. A frozen backbone is the same in every process, or sharded (FSDP).
        backbone = self.base_model.backbone
        if backbone is None or is_trainable(backbone):
            return []
        return [self._backbone_prefix + name for name, _ in (*backbone.named_parameters(), *backbone.named_buffers())]
