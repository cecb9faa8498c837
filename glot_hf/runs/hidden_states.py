# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The cache of hidden states that a command asks for."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..options.arguments import CacheArguments
from ..states.cache import DEFAULT_ROOT, HiddenStateCache, cache_splits
from ..states.housekeeping import notice_of_size
from ..system.disk import format_bytes
from ..system.errors import user_errors


def cached_rows(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    splits: Mapping[str, Any],
    arguments: CacheArguments,
    **options: Any,
) -> dict[str, HiddenStateCache]:
    """
    Return the rows of each split, from one cache; shows a progress bar where the backbone has to run.

    Args:
        options: of [`HiddenStateCache.build`].

    Raises:
        InputError: the backbone does not have a layer, and as [`HiddenStateCache.build`].
    """
    with user_errors():
        return cache_splits(backbone, tokenizer, splits, show_progress=True, **arguments.options, **options)


def describe(cache: HiddenStateCache) -> str:
    """Describe a cache in one line: where it is, how many texts, how many bytes."""
    key, lengths = cache.manifest.key, cache.manifest.lengths
    full = sum(length >= key["max_length"] for length in lengths) if key["max_length"] else 0
    cut = f" ({full:,} fill max_length={key['max_length']}: what is longer is cut)" if full else ""
    return (
        f"hidden states of {len(lengths):,} distinct texts{cut}: {format_bytes(cache.num_bytes)} in "
        f"{key['stored_dtype']}, in {cache.folder}"
    )


def say_if_much(arguments: CacheArguments) -> None:
    """Print a line where all caches of the folder that was asked for take more than 10 GB together."""
    with suppress(OSError):  # another process may delete one just now, which is no reason to stop
        if notice := notice_of_size(Path(arguments.cache_dir or DEFAULT_ROOT)):
            print(notice)
