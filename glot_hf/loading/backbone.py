# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""A frozen backbone and its tokenizer."""

import math
import sys
from typing import Any

from ..system.errors import InputError, user_errors


def load_backbone_and_tokenizer(
    name: str, revision: str | None, load_kwargs: dict[str, Any]
) -> tuple[Any, Any, str | None]:
    """
    Load a frozen backbone, on this process's accelerator if there is one, and its tokenizer.

    Args:
        load_kwargs (`dict`): options of its `from_pretrained`; `trust_remote_code` is for the tokenizer too.

    Returns:
        The backbone, the tokenizer, and the commit they are of.

    Raises:
        InputError: one of them cannot be loaded.
    """
    from ..model.backbone_glot import load_backbone, pin_revision
    from ..system.processes import find_processes

    with user_errors():
        revision = pin_revision(name, revision, load_kwargs.get("gguf_file"))
        backbone: Any = load_backbone(name, revision, **load_kwargs).requires_grad_(False)
        if backbone.device.type == "cpu":
            backbone.to(find_processes().device)
        return backbone, load_tokenizer(name, revision, load_kwargs), revision


def load_tokenizer(name: str, revision: str | None, load_kwargs: dict[str, Any]) -> Any:
    """Load a tokenizer; where it has no padding token, say what it pads with."""
    from transformers import AutoTokenizer

    options = {key: load_kwargs[key] for key in ("gguf_file", "subfolder") if key in load_kwargs}
    trusted = bool(load_kwargs.get("trust_remote_code"))  # False, and not None, for which transformers would ask
    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision or "main", trust_remote_code=trusted, **options)
    if tokenizer.pad_token is None:
        # Only a token that is a special one already: saved as such, an ordinary word would be read differently.
        special = tokenizer.eos_token or tokenizer.unk_token or next(iter(tokenizer.all_special_tokens), None)
        if special is not None:
            tokenizer.pad_token = special
        padding = special or tokenizer.convert_ids_to_tokens(0)  # as `pad_tokens` does
        print(f"the tokenizer has no padding token: pads with {padding!r}, which is masked", file=sys.stderr)
    return tokenizer


def cut_at_longest(tokenizer: Any, backbone: Any) -> None:
    """Make the tokenizer cut at what it and the backbone can take; where neither has a limit, it cuts nothing."""
    from ..model.encoding_glot import longest_text

    tokenizer.model_max_length = longest_text(tokenizer, backbone) or tokenizer.model_max_length


def set_max_length(tokenizer: Any, max_length: int, backbone: Any, is_default: bool = False) -> int:
    """
    Make the tokenizer cut at `max_length`; at what the backbone can take, where that is less and nobody asked.

    Returns:
        `int`: where it cuts.

    Raises:
        InputError: the backbone cannot take so many tokens, or a text would have no room.
    """
    from ..model.encoding_glot import longest_text

    longest: Any = longest_text(tokenizer, backbone) or math.inf
    shortest = tokenizer.num_special_tokens_to_add() + 1
    if is_default and longest < max_length:
        print(f"texts are cut at {longest} tokens, which is what the backbone can take", file=sys.stderr)
        max_length = longest
    if not shortest <= max_length <= longest:
        raise InputError(
            f"--max_length {max_length} is not between {shortest} and {longest}, which the backbone can take"
        )
    tokenizer.model_max_length = max_length
    return max_length
