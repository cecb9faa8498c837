# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Embeds files of any size: chunk by chunk, by several processes, and on from where it was interrupted."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging

from ..model.backbone_glot import device_of
from ..model.pretrained_glot import GlotPreTrainedModel
from ..model.version_glot import __version__
from ..states.key import differences
from ..system.atomic_files import discard_leftovers, write_atomically
from ..system.disk import require_room
from ..system.errors import InputError
from ..system.processes import find_processes
from .model_key import model_key
from .record import EmbeddingRecord
from .text_files import TextFiles, TextRow
from .text_hash import TextHash
from .vector_files import WRITERS, hash_file


FORMAT_VERSION = 3
# By whether it is on a CPU: enough for batches of like lengths, and done in seconds to minutes.
_ROWS_PER_CHUNK = {True: 1024, False: 8192}


@dataclass
class EmbeddingJob:
    """
    The rows are divided into chunks of equal number, whose vectors depend on nothing but the chunk. Process p of P
    makes the chunks p, p + P, ... that are not there yet, each as a file in the folder `OUTPUT.parts`; the main
    process joins them at the end. They are files of their own, and not places in one: on a network drive, machines
    that write into one file can spoil each other's neighbouring bytes. A blank text has no meaning that a vector could
    be of: its vector is zeros.

    Args:
        texts ([`TextFiles`]): read more than once: first to check and to count them.
        output (`Path`): one of `WRITERS` by its suffix; its record is written beside it.
        load: returns the model with its backbone, and the backbone's tokenizer, which cuts texts at its
            `model_max_length`. It is called when the texts are known to be good. Of a cosine head, the vectors are
            those that it compares.
        encoder (`dict`): for the record.
        prompt (`str`): put before every text, such as "passage: " of E5.
        batch_size (`int`, *optional*): as in [`~GlotPreTrainedModel.encode`].
        truncate_dim (`int`, *optional*): keep the first so many dimensions, as a head with `matryoshka_sizes` allows.
        normalize (`bool`): make vectors of length 1, cut ones too.
        dtype (`str`): of the output, float32 or float16.
        rows_per_chunk (`int`, *optional*): what an interruption costs each process at most; default 1,024 on a CPU and
            8,192 on an accelerator.
        show_progress (`bool`): show progress bars, of the main process.
    """

    texts: TextFiles
    output: Path
    load: Callable[[], tuple[GlotPreTrainedModel, PreTrainedTokenizerBase]]
    encoder: dict[str, Any]
    prompt: str = ""
    batch_size: int | None = None
    truncate_dim: int | None = None
    normalize: bool = False
    dtype: str = "float32"
    rows_per_chunk: int | None = None
    show_progress: bool = False

    def __post_init__(self):
        self.processes = find_processes()  # sets this process's accelerator, where the model is then loaded to

    def run(self) -> int:
        """
        Make what is missing; of several processes each its share, and all wait for the last.

        Returns:
            The number of rows.

        Raises:
            InputError: a text cannot be read, the output is of something else (names the difference), vectors are
                narrower than `truncate_dim`, one is not finite, there is no room on the disk, or the texts change
                meanwhile.
        """
        if self.processes.is_main_process:
            self._require_same(self._key_of_texts)  # before the model is loaded, which may take long
        self._require_width()
        if self.processes.is_main_process:
            self._begin()
        self.processes.wait_for_everyone()
        count = EmbeddingRecord.read(self.output).key["rows"]
        if not self.output.exists():
            self._embed(count)
            self.processes.wait_for_everyone()
            if self.processes.is_main_process:
                self._join(count)
        self.processes.wait_for_everyone()
        if self.processes.is_main_process:
            shutil.rmtree(self._parts, ignore_errors=True)
        return count

    @cached_property
    def _loaded(self) -> tuple[GlotPreTrainedModel, PreTrainedTokenizerBase]:
        return self.load()

    @property
    def model(self) -> GlotPreTrainedModel:
        return self._loaded[0]

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self._loaded[1]

    @property
    def width(self) -> int:
        """The width of the vectors as they are stored."""
        return self.truncate_dim or self.model.config.hidden_size

    def _require_width(self) -> None:
        width = self.model.config.hidden_size
        if not 1 <= self.width <= width:
            raise InputError(f"--truncate_dim {self.truncate_dim} is not between 1 and {width}, the vectors' width")

    @property
    def _device(self) -> str:
        return device_of(self.model.base_model.backbone).type

    @property
    def _chunk_size(self) -> int:
        return self.rows_per_chunk or _ROWS_PER_CHUNK[self._device == "cpu"]

    @property
    def _parts(self) -> Path:
        return self.output.with_name(f"{self.output.name}.parts")

    def _part(self, chunk: int) -> Path:
        return self._parts / f"{chunk:08}.npy"

    def _begin(self) -> None:
        """Check what is there, or write the record of what is to be."""
        discard_leftovers(self.output.parent)
        key = self._key_of_texts | self._key_of_model()
        self._require_same(key)
        if EmbeddingRecord.path_of(self.output).exists():
            self._parts.mkdir(exist_ok=True)
            discard_leftovers(self._parts)
            return
        self._require_room(key["rows"])
        shutil.rmtree(self._parts, ignore_errors=True)  # of a record that was deleted
        self._parts.mkdir()
        paths = [os.path.abspath(path) for path in self.texts.paths]
        sizes = [os.path.getsize(path) for path in paths]
        EmbeddingRecord(key, self.encoder, {**asdict(self.texts), "paths": paths}, sizes).write(self.output)

    def _require_same(self, key: dict[str, Any]) -> None:
        """
        Raises:
            InputError: the output is there, finished or begun, and differs in something that `key` says.
        """
        record = EmbeddingRecord.path_of(self.output)
        if not record.exists():
            if self.output.exists():
                raise InputError(
                    f"{str(self.output)!r} exists and was not written by `glot-hf embed`: name another --output"
                )
            return
        stored = EmbeddingRecord.read(self.output).key
        if different := differences({name: stored.get(name) for name in key}, key):
            raise InputError(
                f"{str(self.output)!r} is of vectors that differ in {different}: name another --output, or delete "
                f"this one with its record {record.name}"
            )

    @cached_property
    def _key_of_texts(self) -> dict[str, Any]:
        rows, texts = self._read_all()
        return {
            "format_version": FORMAT_VERSION,
            "rows": rows,
            "texts": texts,
            "prompt": self.prompt,
            "batch_size": self.batch_size,
            "truncate_dim": self.truncate_dim,
            "normalize": self.normalize,
            "dtype": self.dtype,
            "threads": torch.get_num_threads(),  # sums over a CPU's threads end in other bits
            "glot_hf_version": __version__,
            "torch_version": str(torch.__version__),
            "transformers_version": transformers.__version__,
        }

    def _key_of_model(self) -> dict[str, Any]:
        backbone = self.model.base_model.backbone
        return model_key(self.model, self.tokenizer) | {
            "backbone_dtype": str(backbone.dtype).removeprefix("torch."),
            "attention": backbone.config._attn_implementation,
            "device": self._device,
            "rows_per_chunk": self._chunk_size,
        }

    def _read_all(self) -> tuple[int, str]:
        """Return number and hash of all rows, so that what cannot be read is told before the work."""
        count, blank, hashed = 0, 0, TextHash(self.texts)
        with self._progress(desc="Reading") as progress:
            for chunk in hashed:
                count += len(chunk)
                blank += sum(row.is_blank for row in chunk)
                progress.update(len(chunk))
        if blank:
            print(
                f"{blank:,} of {count:,} texts are blank: their vectors are zeros, which no search finds",
                file=sys.stderr,
            )
        return count, hashed.hexdigest()

    def _embed(self, count: int) -> None:
        mine = range(-(-count // self._chunk_size))[self.processes.process_index :: self.processes.num_processes]
        missing = {chunk: self._size(chunk, count) for chunk in mine if not self._part(chunk).exists()}
        if not missing:
            return
        with self._progress(desc="Embedding", total=sum(missing.values())) as progress:
            for number, chunk in enumerate(self.texts.chunks(self._chunk_size)):
                if number in missing:
                    vectors = self.vectors(chunk, number * self._chunk_size)
                    write_atomically(self._part(number), lambda path: np.save(path, vectors, allow_pickle=False))
                    progress.update(len(chunk))

    def vectors(self, rows: list[TextRow], start: int | None = None) -> np.ndarray:
        """
        Return the vectors `(n, D)` of some rows, as they are stored.

        Args:
            start (`int`, *optional*): the number of the first row, for messages.

        Raises:
            InputError: a vector is not finite, or not one of the dtype.
        """
        self._require_width()
        texts = [self.prompt + row.text for row in rows]
        try:
            vectors = self.model.encode(texts, self.tokenizer, batch_size=self.batch_size)[:, : self.width]  # (n, D)
        except ValueError as error:  # which counts from the first of them
            where = "" if start is None else f"of the texts from {start + 1:,} on, "
            raise InputError(f"{where}{error}") from error
        vectors[[row.is_blank for row in rows]] = 0
        if self.normalize:
            vectors = F.normalize(vectors, dim=-1)
        stored = vectors.to(getattr(torch, self.dtype))
        if not stored.isfinite().all():
            raise InputError(
                f"a vector holds {vectors.abs().max().item():g}, which {self.dtype} cannot: give --dtype float32, or "
                "--normalize"
            )
        return stored.numpy()

    def _join(self, count: int) -> None:
        parts = (np.load(self._part(chunk), allow_pickle=False) for chunk in range(-(-count // self._chunk_size)))
        shape, dtype = (count, self.width), np.dtype(self.dtype)
        chunks = self.texts.chunks(self._chunk_size)

        def write(path: Path) -> None:
            WRITERS[self.output.suffix](path, shape, dtype, parts, chunks)
            self._require_unchanged()
            replace(EmbeddingRecord.read(self.output), vectors=hash_file(path)).write(self.output)

        write_atomically(self.output, write)

    def _require_unchanged(self) -> None:
        """
        Raises:
            InputError: the texts are no longer those that were counted; what was made of them is deleted.
        """
        hashed = TextHash(self.texts)
        for _ in hashed:
            pass
        if hashed.hexdigest() != self._key_of_texts["texts"]:
            EmbeddingRecord.path_of(self.output).unlink()
            shutil.rmtree(self._parts)
            raise InputError("the texts changed while they were embedded, so nothing is kept: embed them again")

    def _size(self, chunk: int, count: int) -> int:
        return min(self._chunk_size, count - chunk * self._chunk_size)

    def _progress(self, **options) -> Any:
        hidden = not (self.show_progress and self.processes.is_main_process)
        return logging.tqdm(unit=" texts", unit_scale=True, disable=hidden, **options)

    def _require_room(self, count: int) -> None:
        # Twice: the parts, and what they are joined to.
        needed = 2 * count * self.width * np.dtype(self.dtype).itemsize
        what = f"{count:,} vectors, while they are made,"
        require_room(self.output.parent, needed, what, "make room, or store them in float16 (--dtype)")
