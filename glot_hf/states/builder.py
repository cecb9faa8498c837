# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Fills a hidden-state cache: runs the backbone for the shards that are not there, and checks what it says."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from ..system.atomic_files import discard_leftovers, marked_as_written
from ..system.disk import format_bytes, require_room
from ..system.errors import InputError
from ..system.processes import find_processes
from .manifest import Manifest
from .running import run_over_texts, token_shape
from .shard import write_shard


_ROOM_HINT = (
    "make room, name another --cache_dir, store them in float16 or bfloat16 (--cache_dtype), or go without "
    "(--no_cache)"
)


def fill_cache(
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    manifest: Manifest,
    texts: list[str],
    dtype: torch.dtype,
    tokens_per_batch: int,
    show_progress: bool,
) -> None:
    """
    Make the missing shards of a cache; of several processes each its own, and all wait for the last.

    Args:
        folder (`Path`): holds the manifest, and the shards that are done.
        texts (`list[str]`): distinct and sorted, those that the key in the manifest is of.
        dtype (`torch.dtype`): of the states on the disk.
        tokens_per_batch (`int`): padded tokens that the backbone is given at once.
        show_progress (`bool`): show a progress bar, of the main process.

    Raises:
        InputError: a state is not finite, or there is no room on the disk.
    """
    discard_leftovers(folder)
    processes = find_processes()
    mine = list(zip(manifest.shards, manifest.texts))[processes.process_index :: processes.num_processes]
    missing = [(shard, positions) for shard, positions in mine if not (folder / shard.file).exists()]
    if missing:
        layers, max_length = manifest.key["layers"], manifest.key["max_length"]
        features = manifest.key.get("token_features")
        width = token_shape(backbone, layers, features)
        tokens = sum(shard.num_tokens for shard, _ in missing)
        require_room(folder, tokens * torch.Size(width).numel() * dtype.itemsize, "the hidden states", _ROOM_HINT)
        hidden = not (show_progress and processes.is_main_process)
        options = {"unit": " tokens", "unit_scale": True, "disable": hidden}
        with marked_as_written(folder), logging.tqdm(total=tokens, desc="Hidden states", **options) as progress:
            written = 0
            for shard, positions in missing:
                if (folder / shard.file).exists():  # by now, by another process that builds the same cache
                    progress.update(shard.num_tokens)
                    continue
                states = torch.empty(shard.num_tokens, *width, dtype=dtype)  # (T, d) or (T, n, d)
                places = states.split([manifest.lengths[position] for position in positions])
                of_shard = [texts[position] for position in positions]
                run = run_over_texts(backbone, tokenizer, of_shard, layers, max_length, tokens_per_batch, features)
                for index, state in run:
                    places[index].copy_(state)
                    if not places[index].isfinite().all():
                        raise _not_finite(state, of_shard[index], dtype, backbone.dtype)
                    progress.update(len(state))
                write_shard(states, folder, shard, manifest)
                written += states.nbytes
                progress.set_postfix_str(f"{format_bytes(written)} written")
    processes.wait_for_everyone()


def _not_finite(state: Tensor, text: str, stored: torch.dtype, of_backbone: torch.dtype) -> InputError:
    start = f"{text[:50]!r}..." if len(text) > 50 else repr(text)
    if state.isfinite().all():
        return InputError(
            f"a hidden state of {start} is as large as {state.abs().max().item():g}, which {stored} cannot hold: "
            "store them in bfloat16 or float32 (--cache_dtype)"
        )
    hint = "check its weights"
    if of_backbone == torch.float16:
        hint = "float16 is too narrow for it: load it in bfloat16 or float32 (the dtype in backbone_load_kwargs)"
    return InputError(f"the backbone, in {of_backbone}, gives {start} states that are not finite: {hint}")
