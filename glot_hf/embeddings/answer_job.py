# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Answers texts of files of any size: chunk by chunk, by several processes, and on from where it was interrupted."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import PreTrainedTokenizerBase
from transformers.utils import logging

from ..data.examples import PairCollator
from ..data.labels import place_rows
from ..data.text_rows import TextRows
from ..model.backbone_glot import device_of
from ..model.finite_glot import require_finite
from ..model.modeling_glot import GlotForSequenceClassification
from ..model.version_glot import __version__
from ..system.atomic_files import write_atomically
from ..system.disk import require_room
from ..system.errors import InputError
from ..system.processes import find_processes
from .model_key import model_key
from .parts import Parts


FORMAT_VERSION = 1
# By whether it is on a CPU: enough for batches of like lengths, and done in seconds to minutes.
_ROWS_PER_CHUNK = {True: 1024, False: 8192}
_BLANKS_NAMED = 5

# Of each row its cells, its texts as `text` and `text_pair`, and its logits `(num_labels,)`.
Answered = Iterator[list[tuple[dict[str, Any], dict[str, str], np.ndarray]]]


@dataclass
class AnswerJob:
    """
    The rows are divided into chunks of equal number, whose logits depend on nothing but the chunk. Those of a file are
    kept as parts beside it until all are there, so that the same command goes on with what was interrupted.

    Args:
        texts ([`TextRows`]): read more than once: first to check and to count them.
        model: with its backbone.
        tokenizer: the backbone's.
        max_length (`int`, *optional*): tokens a text is cut at.
        batch_size (`int`): texts a batch, which are of nearly as many tokens.
        rows_per_chunk (`int`, *optional*): what an interruption costs each process at most; default 1,024 on a CPU and
            8,192 on an accelerator.
        show_progress (`bool`): show progress bars, of the main process.
    """

    texts: TextRows
    model: GlotForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    max_length: int | None
    batch_size: int = 64
    rows_per_chunk: int | None = None
    show_progress: bool = False

    def __post_init__(self):
        self.processes = find_processes()  # sets this process's accelerator
        if torch.accelerator.is_available() and device_of(self.model.base_model.backbone).type == "cpu":
            self.model.to(torch.accelerator.current_accelerator())
        self.model.eval()
        self._device = device_of(self.model.base_model.backbone)
        self._chunk_size = self.rows_per_chunk or _ROWS_PER_CHUNK[self._device.type == "cpu"]
        self._collate, self._num_full, self._num_encoded = PairCollator(self.tokenizer), 0, 0

    def answers(self) -> Answered:
        """
        Answer all rows, chunk by chunk; nothing is written.

        Raises:
            InputError: a row holds no text, or an answer is not finite.
        """
        count, _ = self._counted
        with self._progress("Answering", count) as progress:
            for number, rows in enumerate(self._chunks()):
                yield self._join_rows(rows, self.logits(rows, number))
                progress.update(len(rows))
        self._say_cut()

    def run(self, output: Path, write: Callable[[Path, Answered], None]) -> int:
        """
        Make what is missing, of several processes each its share; then the main process writes the file, which
        replaces one that is there.

        Args:
            write: makes a file of all rows and their logits.

        Returns:
            The number of rows.

        Raises:
            InputError: a row holds no text, an answer is not finite, there is no room on the disk, what is there is of
                something else, or the texts change meanwhile.
        """
        parts = Parts(output)
        if self.processes.is_main_process:
            key = self._key()
            if not parts.folder.exists():
                self._require_room(output, key["rows"])
            parts.begin(key)
        self.processes.wait_for_everyone()
        count, _ = self._counted
        self._make(parts, count)
        self.processes.wait_for_everyone()
        if self.processes.is_main_process:

            def join(path: Path) -> None:
                write(path, self._joined(parts))
                self._require_unchanged(parts)

            write_atomically(output, join)
            parts.delete()
        self.processes.wait_for_everyone()
        return count

    def _key(self) -> dict[str, Any]:
        count, digest = self._counted
        return model_key(self.model, self.tokenizer) | {
            "format_version": FORMAT_VERSION,
            "rows": count,
            "texts": digest,
            "max_length": self.max_length,
            "batch_size": self.batch_size,
            "rows_per_chunk": self._chunk_size,
            "backbone_dtype": str(self.model.base_model.backbone.dtype).removeprefix("torch."),
            "attention": self.model.base_model.backbone.config._attn_implementation,
            "device": self._device.type,
            "threads": torch.get_num_threads(),  # sums over a CPU's threads end in other bits
            "glot_hf_version": __version__,
            "torch_version": str(torch.__version__),
            "transformers_version": transformers.__version__,
        }

    @cached_property
    def _counted(self) -> tuple[int, str]:
        """Number and hash of all rows, so that what cannot be read is told before the work."""
        count, blank, found = 0, [], hashlib.sha256()
        with self._progress("Reading", None) as progress:
            for rows in self._chunks():
                found.update(json.dumps([texts for _, texts in rows]).encode())
                blank += [
                    count + number
                    for number, (_, texts) in enumerate(rows, start=1)
                    if not all(map(str.strip, texts.values()))
                ]
                count += len(rows)
                progress.update(len(rows))
        if blank:
            print(f"warning: {place_rows(self.texts.source, blank, _BLANKS_NAMED)}: an empty text", file=sys.stderr)
        return count, found.hexdigest()

    def _chunks(self) -> Iterator[list[tuple[dict[str, Any], dict[str, str]]]]:
        rows = iter(self.texts)
        while chunk := list(islice(rows, self._chunk_size)):
            yield chunk

    def _make(self, parts: Parts, count: int) -> None:
        mine = range(-(-count // self._chunk_size))[self.processes.process_index :: self.processes.num_processes]
        missing = {number for number in mine if not parts.has(number)}
        if not missing:
            return
        done = sum(min(self._chunk_size, count - number * self._chunk_size) for number in set(mine) - missing)
        with self._progress("Answering", count // self.processes.num_processes, done) as progress:
            for number, rows in enumerate(self._chunks()):
                if number in missing:
                    parts.write(number, self.logits(rows, number))
                    progress.update(len(rows))
        self._say_cut()

    @torch.no_grad()
    def logits(self, rows: list[tuple[dict[str, Any], dict[str, str]]], number: int = 0) -> np.ndarray:
        """
        Return the logits `(n, num_labels)` of a chunk, in float32.

        Args:
            number (`int`): of the chunk, for messages.

        Raises:
            InputError: an answer is not finite.
        """
        options = {"truncation": self.max_length is not None, "max_length": self.max_length}
        tokens = self.tokenizer([texts["text"] for _, texts in rows], **options)
        columns = {name: tokens[name] for name in tokens}
        if "text_pair" in rows[0][1]:
            second = self.tokenizer([texts["text_pair"] for _, texts in rows], **options)
            columns |= {f"{name}_b": second[name] for name in ("input_ids", "attention_mask")}
        lengths = [len(ids) for ids in columns["input_ids"]]
        order = sorted(range(len(rows)), key=lambda row: (-lengths[row], row))
        logits = torch.empty(len(rows), self.model.config.num_labels)
        for start in range(0, len(rows), self.batch_size):
            places = order[start : start + self.batch_size]
            batch = self._collate([{name: column[row] for name, column in columns.items()} for row in places])
            batch = {name: tensor.to(self._device) for name, tensor in batch.items()}
            logits[places] = self.model(**batch).logits.float().cpu()
        if self.max_length is not None:
            self._num_full += sum(length >= self.max_length for length in lengths)
        self._num_encoded += len(rows)
        try:
            require_finite(self.model, logits, [texts["text"] for _, texts in rows])
        except ValueError as error:  # which counts from the first of them
            where = f"of the texts from {number * self._chunk_size + 1:,} on, " if number else ""
            raise InputError(f"{where}{error}") from error
        return logits.numpy()

    def _joined(self, parts: Parts) -> Answered:
        for number, rows in enumerate(self._chunks()):
            if not parts.has(number):
                return  # the texts have changed, which is told next
            yield self._join_rows(rows, parts.read(number))

    @staticmethod
    def _join_rows(rows: list[tuple[dict[str, Any], dict[str, str]]], logits: Iterable[np.ndarray]) -> list[tuple]:
        return [(cells, texts, answer) for (cells, texts), answer in zip(rows, logits)]

    def _require_unchanged(self, parts: Parts) -> None:
        """
        Raises:
            InputError: the texts are no longer those that were counted; what was made of them is deleted.
        """
        found = hashlib.sha256()
        for rows in self._chunks():
            found.update(json.dumps([texts for _, texts in rows]).encode())
        if found.hexdigest() != self._counted[1]:
            parts.delete()
            raise InputError("the texts changed while they were answered, so nothing is kept: answer them again")

    def _say_cut(self) -> None:
        if self._num_full:
            print(
                f"{self._num_full} of {self._num_encoded} texts fill max_length={self.max_length}: what is longer is "
                "cut",
                file=sys.stderr,
            )

    def _progress(self, what: str, total: int | None, done: int = 0) -> Any:
        hidden = not (self.show_progress and self.processes.is_main_process)
        return logging.tqdm(
            desc=what, total=total, initial=done, unit=" texts", unit_scale=True, disable=hidden, leave=False
        )

    def _require_room(self, output: Path, count: int) -> None:
        # The logits as parts, the texts and about 20 characters a number in the end.
        size = self.texts.num_bytes
        needed = size + count * self.model.config.num_labels * (4 + 20)
        what = f"the answers to {count:,} texts"
        require_room(output.parent, needed, what, "make room, or name another --output_file")
