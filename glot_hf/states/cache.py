# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The hidden states of a frozen backbone on the disk: computed once, read by every epoch and every head."""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.constants import HF_HOME
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..model.encoding_glot import longest_text
from ..model.language_model_glot import require_language_model
from ..system.errors import InputError
from .builder import fill_cache
from .folder import touch
from .key import digest, hash_texts, make_key, require_same_key
from .manifest import FILE_NAME, Manifest
from .running import token_lengths
from .shard import open_shard
from .tokens_per_batch import TOKENS_PER_BATCH


DEFAULT_ROOT = Path(HF_HOME, "glot_hf", "hidden_states")
TOKENS_PER_SHARD = 65_536
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class HiddenStateCache(Dataset):
    """
    A map-style dataset of `{"hidden_states": (L, d), ["hidden_states_b": (L', d)], ["labels"]}`, in the stored dtype;
    `(L, n, d)` where n layers are read. [`~glot_hf.states.running.HiddenStateCollator`] makes batches of its rows.

    The disk holds every text once, without padding. The files are mapped into memory and rows are views of them, so
    that a cache may be larger than memory. Labels are those of the examples, and not on the disk.

    Args:
        folder (`str` or path): of a finished cache; [`~HiddenStateCache.build`] makes one.
        examples (`datasets.Dataset` or mapping of columns): `text`, and `text_pair` and `labels` where there are.

    Raises:
        InputError: the folder holds the states of other texts, or a file is missing or damaged; gives a hint.
    """

    def __init__(self, folder: str | os.PathLike, examples: Mapping[str, Sequence] | Any):
        self.folder = Path(folder)
        self.manifest = Manifest.read(self.folder)
        columns = _columns(examples)
        texts = _distinct_texts(columns)
        if hash_texts(texts) != self.manifest.key["texts"]:
            raise InputError(
                f"{str(folder)!r} holds the hidden states of other texts: name another folder, or let "
                "HiddenStateCache.build find it"
            )
        positions = {text: position for position, text in enumerate(texts)}
        self._rows = [  # of the text, of the second text of pairs: (N,), positions in the sorted texts
            np.array([positions[text] for text in columns[name]], dtype=np.int64)
            for name in ("text", "text_pair")
            if name in columns
        ]
        self._labels = columns.get("labels")
        self._find_texts()
        self._open()
        touch(self.folder)

    @classmethod
    def build(
        cls,
        backbone: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        examples: Mapping[str, Sequence] | Any,
        folder: str | os.PathLike | None = None,
        root: str | os.PathLike | None = None,
        revision: str | None = None,
        layers: int | list[int] = -1,
        max_length: int | None = None,
        dtype: str | torch.dtype | None = None,
        tokens_per_batch: int = TOKENS_PER_BATCH,
        tokens_per_shard: int = TOKENS_PER_SHARD,
        token_features: list[str] | None = None,
        show_progress: bool = False,
    ) -> "HiddenStateCache":
        """
        Run the backbone over what is not on the disk yet, and opens the cache.

        What was interrupted goes on after the last whole shard. Several processes under accelerate share the work; on
        several machines, the folder has to be one that all of them see.

        Args:
            backbone (`PreTrainedModel`): in eval mode.
            examples (`datasets.Dataset` or mapping of columns): `text`, and `text_pair` and `labels` where there are.
            folder (`str` or path, *optional*): of this cache; default: the one in `root` that the key names.
            root (`str` or path, *optional*): of many caches; default `glot_hf/hidden_states` in `HF_HOME`.
            revision (`str`, *optional*): the commit that the backbone is of, for the key.
            layers (`int` or `list[int]`): as `backbone_layers` of [`GlotConfig`].
            max_length (`int`, *optional*): longer texts are cut; default: what tokenizer and backbone both take.
            dtype (`str` or `torch.dtype`, *optional*): float32, float16 or bfloat16; default the backbone's own.
            tokens_per_batch (`int`): padded tokens that the backbone is given at once.
            tokens_per_shard (`int`): of one file; an interruption loses at most so many.
            token_features (`list[str]`, *optional*): as in [`GlotConfig`]; their numbers stand behind the states.
            show_progress (`bool`): show a progress bar.

        Raises:
            InputError: the folder holds other states (names what differs), cannot be written or has a damaged file,
                or a state is not finite.
            ValueError: the backbone is not in eval mode, not all of its weights are in memory, or it does not have
                the `token_features`.
        """
        if backbone.training:
            raise ValueError("the backbone is in training mode, where dropout changes its states: call its eval()")
        for name, number in (("tokens_per_batch", tokens_per_batch), ("tokens_per_shard", tokens_per_shard)):
            if number < 1:
                raise InputError(f"{name} {number} is not positive: give 1 or more")
        dtype = _stored_dtype(backbone.dtype if dtype is None else dtype)
        if max_length is None:
            max_length = longest_text(tokenizer, backbone)
        shortest = tokenizer.num_special_tokens_to_add() + 1
        if max_length is not None and max_length < shortest:  # tokenizers do not cut there, and do not say so
            raise InputError(f"max_length {max_length} has no room for a text: give {shortest} or more")
        texts = _distinct_texts(_columns(examples))
        if token_features:
            require_language_model(backbone)
        key = make_key(
            backbone, tokenizer, texts, revision, layers, max_length, dtype, tokens_per_shard, token_features
        )
        folder = Path(root or DEFAULT_ROOT, digest(key)[:16]) if folder is None else Path(folder)
        if (folder / FILE_NAME).exists():
            manifest = Manifest.read(folder)
            require_same_key(manifest.key, key, str(folder))
        else:
            manifest = Manifest.plan(key, token_lengths(tokenizer, texts, max_length))
            try:
                folder.mkdir(parents=True, exist_ok=True)
                manifest.write(folder)
            except OSError as error:
                raise InputError(f"no hidden states can be written to {str(folder)!r}: {error}") from error
        fill_cache(backbone, tokenizer, folder, manifest, texts, dtype, tokens_per_batch, show_progress)
        return cls(folder, examples)

    def __len__(self) -> int:
        return len(self._rows[0])

    def __getitem__(self, index: int) -> dict[str, Any]:
        index = range(len(self))[index]
        row = {name: self._states(rows[index]) for name, rows in zip(("hidden_states", "hidden_states_b"), self._rows)}
        if self._labels is not None:
            row["labels"] = self._labels[index]
        return row

    @property
    def lengths(self) -> list[int]:
        """The number of tokens of each row, of a pair together: to make batches of rows of similar length."""
        return np.sum([self._lengths[rows] for rows in self._rows], axis=0).tolist()

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the stored states."""
        return _DTYPES[self.manifest.key["stored_dtype"]]

    @property
    def num_bytes(self) -> int:
        """The bytes that the states of all texts take on the disk."""
        return sum(states.nbytes for states in self._shards)

    def select(self, indices: Iterable[int]) -> "HiddenStateCache":
        """Return some of the rows, of the same files."""
        selection = object.__new__(HiddenStateCache)
        selection.__dict__.update(self.__dict__)  # copy.copy would map every file once more
        indices = list(indices)
        selection._rows = [rows[indices] for rows in self._rows]
        selection._labels = None if self._labels is None else [self._labels[index] for index in indices]
        return selection

    def _states(self, text: int) -> Tensor:
        start = self._starts[text]
        return self._shards[self._shard_of[text]][start : start + self._lengths[text]]

    def _find_texts(self) -> None:
        """Find the shard of each text, and where in the shard it starts."""
        self._lengths = np.array(self.manifest.lengths, dtype=np.int64)
        self._shard_of, self._starts = np.empty_like(self._lengths), np.empty_like(self._lengths)
        for number, texts in enumerate(self.manifest.texts):
            self._shard_of[texts] = number
            self._starts[texts] = np.cumsum(self._lengths[texts]) - self._lengths[texts]

    def _open(self) -> None:
        self._shards = []
        for shard in self.manifest.shards:
            try:
                self._shards.append(open_shard(self.folder, shard, self.manifest))
            except ValueError as error:
                raise InputError(
                    f"{str(self.folder / shard.file)!r} cannot be used: {error}. Delete what `glot-hf cache verify "
                    f"{shlex.quote(str(self.folder))}` finds damaged, and the next build makes it again"
                ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_shards"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore in another process, where the files are mapped anew and not copied."""
        self.__dict__.update(state)
        self._open()


def cache_splits(
    backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, splits: Mapping[str, Any], **options
) -> dict[str, HiddenStateCache]:
    """
    Build one cache for the splits of a task, so that texts are stored once and how rows are divided does not matter.

    Args:
        splits (`dict`): examples by the name of their split, all with the same columns.
        options: of [`HiddenStateCache.build`].

    Returns:
        `dict[str, HiddenStateCache]`: the rows of each split.
    """
    tables = [_columns(examples) for examples in splits.values()]
    merged = {name: [cell for table in tables for cell in table[name]] for name in tables[0]}
    cache = HiddenStateCache.build(backbone, tokenizer, merged, **options)
    ends = accumulate(len(table["text"]) for table in tables)
    return {name: cache.select(range(end - len(table["text"]), end)) for name, table, end in zip(splits, tables, ends)}


def _columns(examples: Mapping[str, Sequence] | Any) -> dict[str, list]:
    """
    Return the columns that are read as lists; a datasets.Dataset gives them as a mapping when sliced.

    Raises:
        InputError: there is no column `text`, or one of another length.
    """
    table = examples if isinstance(examples, Mapping) else examples[:]
    if not isinstance(table, Mapping) or "text" not in table:
        found = f"columns {list(table)}" if isinstance(table, Mapping) else f"a {type(table).__name__}"
        raise InputError(f"the examples are {found}: give a Dataset or a mapping with the column 'text'")
    columns = {name: list(table[name]) for name in ("text", "text_pair", "labels") if name in table}
    for name, cells in columns.items():
        if len(cells) != len(columns["text"]):
            raise InputError(
                f"the examples have {len(columns['text'])} 'text', but {len(cells)} {name!r}: give each row both"
            )
    return columns


def _distinct_texts(columns: dict[str, list]) -> list[str]:
    """
    Return the distinct texts, sorted: neither the order of the rows nor the side of a pair changes the cache.

    Raises:
        InputError: a text is not a string; names its row, counted from 1.
    """
    texts = set()
    for name in ("text", "text_pair"):
        for row, text in enumerate(columns.get(name, ()), start=1):
            if not isinstance(text, str):
                raise InputError(f"row {row}: {name!r} holds {text!r}, which is not text")
            texts.add(text)
    return sorted(texts)


def _stored_dtype(dtype: str | torch.dtype) -> torch.dtype:
    stored = _DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if stored is None or stored not in _DTYPES.values():
        raise InputError(f"hidden states cannot be stored in {dtype}: valid are {', '.join(_DTYPES)}")
    return stored
