# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Fills a hidden-state cache: runs the backbone for the shards that are not there, and checks what it says."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging

from ..system.atomic_files import discard_leftovers
from ..system.errors import InputError
from ..system.processes import find_processes
from .manifest import Manifest, Shard
from .running import run_over_texts, token_shape
from .shard import write_shard


@dataclass
class CacheBuilder:
    """
    Args:
        folder (`Path`): holds the manifest, and the shards that are done.
        texts (`list[str]`): distinct and sorted, those that the key in the manifest is of.
        dtype (`torch.dtype`): of the states on the disk.
        tokens_per_batch (`int`): padded tokens that the backbone is given at once.
        show_progress (`bool`): show a progress bar, of the main process.
    """

    backbone: torch.nn.Module
    tokenizer: PreTrainedTokenizerBase
    folder: Path
    manifest: Manifest
    texts: list[str]
    dtype: torch.dtype
    tokens_per_batch: int
    show_progress: bool

    def run(self) -> None:
        """
        Make the missing shards; of several processes each its own, and all wait for the last.

        Raises:
            InputError: a state is not finite, or there is no room on the disk.
        """
        discard_leftovers(self.folder)
        processes = find_processes()
        mine = list(zip(self.manifest.shards, self.manifest.texts))[processes.process_index :: processes.num_processes]
        missing = [(shard, positions) for shard, positions in mine if not self._is_done(shard)]
        if missing:
            tokens = sum(shard.num_tokens for shard, _ in missing)
            self._require_room(tokens)
            hidden = not (self.show_progress and processes.is_main_process)
            options = {"unit": " tokens", "unit_scale": True, "disable": hidden}
            with logging.tqdm(total=tokens, desc="Hidden states", **options) as progress:
                written = 0
                for shard, positions in missing:
                    if self._is_done(shard):  # by now, by another process that builds the same cache
                        progress.update(shard.num_tokens)
                        continue
                    states = self._compute(shard, positions, progress)
                    write_shard(states, self.folder, shard, self.manifest)
                    written += states.nbytes
                    progress.set_postfix_str(f"{format_bytes(written)} written")
        processes.wait_for_everyone()

    def _is_done(self, shard: Shard) -> bool:
        return (self.folder / shard.file).exists()

    def _compute(self, shard: Shard, positions: list[int], progress: tqdm) -> Tensor:
        """The states of the texts at these positions, one after the other: `(T, d)` or `(T, n, d)`."""
        states = torch.empty(shard.num_tokens, *self._token_shape, dtype=self.dtype)
        lengths = [self.manifest.lengths[position] for position in positions]
        places = list(states.split(lengths))
        texts = [self.texts[position] for position in positions]
        for index, state in self._run(texts):
            places[index].copy_(state)
            if not places[index].isfinite().all():
                raise self._not_finite(state, texts[index])
            progress.update(len(state))
        return states

    def _run(self, texts: list[str]) -> Iterator[tuple[int, Tensor]]:
        key = self.manifest.key
        return run_over_texts(
            self.backbone,
            self.tokenizer,
            texts,
            key["layers"],
            key["max_length"],
            self.tokens_per_batch,
            key.get("token_features"),
        )

    @property
    def _token_shape(self) -> tuple[int, ...]:
        return token_shape(self.backbone, self.manifest.key["layers"], self.manifest.key.get("token_features"))

    def _require_room(self, num_tokens: int) -> None:
        needed = num_tokens * torch.Size(self._token_shape).numel() * self.dtype.itemsize
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise InputError(
                f"the hidden states take {format_bytes(needed)}, but {self.folder} has {format_bytes(free)} free: "
                "make room, name another --cache_dir, store them in float16 or bfloat16 (--cache_dtype), or go "
                "without (--no_cache)"
            )

    def _not_finite(self, state: Tensor, text: str) -> InputError:
        start = f"{text[:50]!r}..." if len(text) > 50 else repr(text)
        if state.isfinite().all():
            return InputError(
                f"a hidden state of {start} is as large as {state.abs().max().item():g}, which {self.dtype} cannot "
                "hold: store them in bfloat16 or float32 (--cache_dtype)"
            )
        hint = "check its weights"
        if self.backbone.dtype == torch.float16:
            hint = "float16 is too narrow for it: load it in bfloat16 or float32 (the dtype in backbone_load_kwargs)"
        return InputError(f"the backbone, in {self.backbone.dtype}, gives {start} states that are not finite: {hint}")


def format_bytes(count: int) -> str:
    """Such as 40.4MB, in powers of 1,000."""
    return f"{tqdm.format_sizeof(count)}B"
