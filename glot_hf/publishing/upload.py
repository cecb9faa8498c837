# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Upload a head to the Hub in one commit, without anything that belongs to this machine alone."""

import copy
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, HfApi
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import find_adapter_config_file

from ..model.backbone_glot import pin_revision, require_fit
from ..model.backbone_origin_glot import place_in_repository, read_config
from ..model.configuration_glot import GlotConfig
from ..model.pretrained_glot import GlotPreTrainedModel
from ..model.sentence_files_glot import SENTENCE_FILES
from .backbone_card import is_local
from .card import Training, card_of


def upload(
    model: GlotPreTrainedModel,
    repo_id: str,
    tokenizer: PreTrainedTokenizerBase | None,
    backbone_id: str | None,
    license: str | None,
    training: Training | None,
    api: HfApi,
    private: bool | None = None,
    revision: str | None = None,
    **commit_options: Any,
) -> CommitInfo:
    """
    Make one commit with the head, its configuration, its code, the tokenizer and a model card. Nothing else is
    uploaded, whatever lies beside the head: no optimizer, no checkpoint, no path of this machine.

    Args:
        model: a GLOT model, also of the code that a head brought. Its own configuration is not changed.
        tokenizer (*optional*): the backbone's; default: the one beside the published backbone.
        backbone_id (`str`, *optional*): where others find the backbone, if that is not where this model found it.
        revision (`str`, *optional*): branch to commit to; made if there is none. Default: main.
        commit_options: options of `HfApi.create_commit`.

    Raises:
        OSError: the backbone cannot be found under `backbone_id`.
        ValueError: nobody else could find the backbone, `backbone_id` is another one, or `repo_id` is the backbone's.
        HfHubHTTPError, ConnectionError: the Hub refuses, or fails; its repository is as it was.
    """
    own = model.config
    published = _published_config(own, backbone_id, api)
    name = published.backbone_name_or_path
    if tokenizer is None and name is not None:
        tokenizer = _tokenizer_of_backbone(published, api)
    with tempfile.TemporaryDirectory() as folder:
        try:
            model.config = model.base_model.config = published
            model.save_pretrained(folder)
        finally:
            model.config = model.base_model.config = own
        if tokenizer is not None:
            tokenizer = copy.deepcopy(tokenizer)
            tokenizer.name_or_path = name or ""
            tokenizer.init_kwargs["name_or_path"] = tokenizer.name_or_path
            tokenizer.save_pretrained(folder)
        forget_paths(folder)
        with _one_kind_of_connection_error(api):
            repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
            if repo_id == name:
                raise ValueError(
                    f"{repo_id!r} is the backbone's own repository, which a head would replace: name another"
                )
            if revision is not None and not revision.startswith("refs/"):
                api.create_branch(repo_id, branch=revision, exist_ok=True)
            card = card_of(model, published, repo_id, training or Training(), api, license)
            card.save(os.path.join(folder, "README.md"))
            # What an earlier version had and this one does not have would stay behind.
            return api.upload_folder(
                folder_path=folder,
                repo_id=repo_id,
                revision=revision,
                delete_patterns=["*_glot.py", "*.safetensors*", *SENTENCE_FILES],
                **commit_options,
            )


def forget_paths(folder: str | os.PathLike) -> None:
    """
    Delete the paths of this machine from the configurations of a saved model and its tokenizer: where they, and the
    parts of a model, were loaded from, and the files that older versions of transformers noted.
    """
    for path in Path(folder).glob("*config.json"):
        stored = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(_without_paths(stored), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _without_paths(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_paths(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _without_paths(each) for key, each in value.items() if not _is_path(key, each)}


def _is_path(key: str, value: Any) -> bool:
    if key in ("_name_or_path", "name_or_path"):
        return True
    # The key decides too: a special token may begin with a slash.
    return key.endswith(("_path", "_file", "_dir")) and isinstance(value, str) and os.path.isabs(value)


@contextmanager
def _one_kind_of_connection_error(api: HfApi) -> Iterator[None]:
    """Raise one kind of error where huggingface_hub raises httpx's, or a bare RuntimeError of an upload."""
    try:
        yield
    except HfHubHTTPError:
        raise
    except (HTTPError, RuntimeError) as error:
        raise ConnectionError(
            f"the Hub at {api.endpoint} cannot be reached, or broke off ({error}): publish again when it can"
        ) from error


def _published_config(config: GlotConfig, backbone_id: str | None, api: HfApi) -> GlotConfig:
    """Return a copy that names the backbone where others find it, at one commit."""
    config = copy.deepcopy(config)
    config._name_or_path = ""
    name = config.backbone_name_or_path
    if backbone_id is not None and os.path.isdir(backbone_id):
        raise ValueError(f"backbone_id={backbone_id!r} is a folder of this machine: name where others find it")
    if backbone_id is not None and backbone_id != name:
        _require_same_kind(config, backbone_id, api)
        config.backbone_name_or_path, config.backbone_revision = backbone_id, None
    elif name is not None and is_local(name):
        if not config.backbone_in_checkpoint:
            raise ValueError(
                f"the backbone of this head is the local folder {name!r}, which nobody else has: say where others "
                'find it with backbone_id="owner/name" (glot-hf publish: --backbone_id), or save it with the head '
                "(backbone_in_checkpoint=True)"
            )
        config.backbone_name_or_path = config.backbone_revision = None
    if config.backbone_name_or_path is not None:
        config.backbone_revision = pin_revision(
            config.backbone_name_or_path, config.backbone_revision, token=api.token, **place_in_repository(config)
        )
    return config


def _tokenizer_of_backbone(config: GlotConfig, api: HfApi) -> PreTrainedTokenizerBase:
    name, revision = config.backbone_name_or_path, config.backbone_revision or "main"
    options = {"token": api.token, **place_in_repository(config)}
    try:
        return AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False, **options)
    except (OSError, ValueError) as error:
        if isinstance(error.__cause__, HfHubHTTPError):  # such as a wrong token: what the Hub says is the reason
            raise
        raise ValueError(
            f"{name!r} has no tokenizer that can be loaded: pass one as `tokenizer` (glot-hf publish: save it in the "
            "head's folder)"
        ) from error


def _require_same_kind(config: GlotConfig, backbone_id: str, api: HfApi) -> None:
    place = place_in_repository(config)
    if "gguf_file" in place:
        return  # its configuration is in the file, which is not downloaded for this
    if (adapter_file := find_adapter_config_file(backbone_id, token=api.token)) is not None:
        with open(adapter_file, encoding="utf-8") as file:
            backbone_id = json.load(file)["base_model_name_or_path"]
    other = read_config(backbone_id, token=api.token, **place)
    require_fit(config, other, f"backbone_id={backbone_id!r} is another one; name the backbone that it was trained on")
