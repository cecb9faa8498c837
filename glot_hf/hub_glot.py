# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Publishing a head: what is uploaded, and what never is."""

import copy
import os
import tempfile
from typing import Any

from huggingface_hub import CommitInfo, HfApi
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from .backbone_glot import pin_revision
from .card_glot import Training, make_card
from .configuration_glot import GlotConfig


def upload(
    model: PreTrainedModel,
    repo_id: str,
    tokenizer: PreTrainedTokenizerBase | None,
    backbone_id: str | None,
    license: str | None,
    training: Training,
    api: HfApi,
    private: bool | None = None,
    **commit_options: Any,
) -> CommitInfo:
    """
    One commit with the head, its configuration, its code, the tokenizer and a model card. Nothing else is uploaded,
    whatever lies beside the head: no optimizer, no checkpoint, no path of this machine.

    Args:
        model: a GLOT model. Its own configuration is not changed.
        tokenizer: the backbone's; None takes it from where the backbone is published.
        backbone_id (`str`, *optional*): where others find the backbone, if that is not where this model found it.
        commit_options: of `HfApi.create_commit`.

    Raises:
        OSError: the backbone cannot be found under `backbone_id`.
        ValueError: nobody else could find the backbone, or `backbone_id` is another one.
        HfHubHTTPError: the Hub refuses, or fails; its repository is as it was.
    """
    own = model.config
    published = _published_config(own, backbone_id, api)
    if tokenizer is None and published.backbone_name_or_path is not None:
        tokenizer = AutoTokenizer.from_pretrained(
            published.backbone_name_or_path, revision=published.backbone_revision or "main", token=api.token
        )
    with tempfile.TemporaryDirectory() as folder:
        try:
            model.config = model.base_model.config = published
            model.save_pretrained(folder)
        finally:
            model.config = model.base_model.config = own
        if tokenizer is not None:
            tokenizer = copy.deepcopy(tokenizer)
            tokenizer.name_or_path = published.backbone_name_or_path or ""
            tokenizer.init_kwargs["name_or_path"] = tokenizer.name_or_path
            tokenizer.save_pretrained(folder)
        backbone = model.base_model.backbone
        of_backbone = set() if backbone is None else set(map(id, backbone.parameters()))
        head_parameters = sum(p.numel() for p in model.parameters() if id(p) not in of_backbone)
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        is_classifier = model is not model.base_model
        license = license or _license_of_backbone(published, api)
        card = make_card(published, repo_id, head_parameters, is_classifier, training, license)
        card.save(os.path.join(folder, "README.md"))
        # Code of an earlier version that this one does not have would stay behind.
        return api.upload_folder(
            folder_path=folder, repo_id=repo_id, delete_patterns=["*_glot.py", "*.safetensors*"], **commit_options
        )


def _published_config(config: GlotConfig, backbone_id: str | None, api: HfApi) -> GlotConfig:
    """A copy that names the backbone as others find it, at one commit."""
    config = copy.deepcopy(config)
    config._name_or_path = ""
    name = config.backbone_name_or_path
    if config.backbone_in_checkpoint:
        config.backbone_name_or_path = config.backbone_revision = None
        return config
    if backbone_id is not None and backbone_id != name:
        _require_same_kind(config, backbone_id, api)
        config.backbone_name_or_path, config.backbone_revision = backbone_id, None
    elif name is not None and (os.path.isdir(name) or os.path.isabs(name)):
        raise ValueError(
            f"the backbone of this head is the local folder {name!r}, which nobody else has: say where others find it "
            'with backbone_id="owner/name" (glot-hf publish: --backbone_id), or save it with the head '
            "(backbone_in_checkpoint=True)"
        )
    if config.backbone_name_or_path is not None:
        gguf_file = (config.backbone_load_kwargs or {}).get("gguf_file")
        config.backbone_revision = pin_revision(
            config.backbone_name_or_path, config.backbone_revision, gguf_file, token=api.token
        )
    return config


def _license_of_backbone(config: GlotConfig, api: HfApi) -> str:
    if config.backbone_name_or_path is None:
        return "unknown"
    data = api.model_info(config.backbone_name_or_path, revision=config.backbone_revision).card_data
    return getattr(data, "license", None) or "unknown"


def _require_same_kind(config: GlotConfig, backbone_id: str, api: HfApi) -> None:
    if (config.backbone_load_kwargs or {}).get("gguf_file"):
        return  # its configuration is in the file, which is not downloaded for this
    other = AutoConfig.from_pretrained(backbone_id, token=api.token, trust_remote_code=False)
    expected = config.backbone_config
    if expected is not None and other.model_type != expected.model_type:
        raise ValueError(
            f"backbone_id={backbone_id!r} is of type {other.model_type!r}, but this head's backbone is of type "
            f"{expected.model_type!r}: name the backbone that it was trained on"
        )
