# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What the model card of a backbone says of it, which holds for a head on it too."""

import re
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelCard, ModelCardData, try_to_load_from_cache
from yaml import YAMLError

from ..model.configuration_glot import GlotConfig


def card_data_of(config: GlotConfig, api: HfApi | None) -> ModelCardData | None:
    """
    Return the data of the card of a head's backbone, if there is one.

    Args:
        config ([`GlotConfig`]): the head's.
        api (`HfApi`, *optional*): asks the Hub; default: only what is on this machine is read.
    """
    name, revision = config.backbone_name_or_path, config.backbone_revision
    if name is None:
        return None
    if api is not None:
        return api.model_info(name, revision=revision).card_data
    path = Path(name, "README.md") if is_local(name) else try_to_load_from_cache(name, "README.md", revision=revision)
    if not isinstance(path, (str, Path)) or not Path(path).is_file():
        return None
    content = Path(path).read_text(encoding="utf-8", errors="replace")
    try:
        data: Any = ModelCard(content, ignore_metadata_errors=True).data
    except (ValueError, YAMLError):  # somebody else's file, which says nothing then
        return None
    return data


def is_local(name: str) -> bool:
    """Return whether a backbone is a folder of this machine, also of one that is there no more."""
    return Path(name).is_absolute() or Path(name).is_dir()


def languages_of(data: ModelCardData | None) -> list[str]:
    """Return the languages that a card names."""
    named = getattr(data, "language", None) or []
    return [language for language in ([named] if isinstance(named, str) else named) if isinstance(language, str)]


def license_of(data: ModelCardData | None) -> str:
    """Return the license that a card names."""
    return getattr(data, "license", None) or "unknown"


def short_name(backbone: str) -> str:
    """
    Return a backbone's name: the last part of its repository or folder, or the title of the model card in a folder,
    which says more than "model" does.
    """
    card = Path(backbone, "README.md")
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    title = re.search(r"^# (\S.{0,59})$", text, flags=re.MULTILINE)
    return title[1].strip() if title else Path(backbone).name
