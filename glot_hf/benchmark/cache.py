# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Bytes and tokens/s of `HiddenStateCache` against the layout of the released code (every sentence padded to max_length,
in float32, one file a batch that is read again for every single row), and an epoch of training from disk against
memory.
"""

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..data import HiddenStateCache
from ..experiments.stress_texts import matched_texts
from ..model.configuration_glot import GlotConfig
from ..model.modeling_glot import GlotForSequenceClassification
from ..states.folder import num_bytes
from ..states.running import HiddenStateCollator
from ..system.markdown import format_table
from ..system.options import option
from .picture import draw_sides
from .report import BenchmarkArguments, Report, mebibytes, times
from .timing import Side, interleave, medians


BATCH_SIZE = 32  # of the released layout's files, and of training
DTYPES = "float32", "float16"
RELEASED = "released layout"

Row = dict[str, Any]


@dataclass
class Arguments(BenchmarkArguments):
    num_texts: int = option(2000, "Generated texts, without a task or a file.")
    released_rows: int = option(128, "Rows read from the released layout, which is slow; its bytes are scaled.")
    gnn_hidden_size: int = option(128, "H of the head that is trained for an epoch.")
    num_gnn_layers: int = option(2, "K of the head.")


def run(
    arguments: Arguments,
    backbone: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str] | None = None,
) -> Report:
    """
    Args:
        texts (`list[str]`, *optional*): by default generated ones; cut at `tokenizer.model_max_length`.
    """
    device: Any = arguments.find_device()
    backbone.to(device)
    max_length = tokenizer.model_max_length
    if texts is None:
        texts = matched_texts(arguments.num_texts, 0.5, arguments.seed)[0]
    examples = {"text": texts, "labels": [index % 2 for index in range(len(texts))]}
    with tempfile.TemporaryDirectory(dir=arguments.output_dir) as folder:
        caches: dict[str, Any] = {
            f"cache, {dtype}": HiddenStateCache.build(
                backbone, tokenizer, examples, folder=Path(folder, dtype), dtype=dtype, show_progress=True
            )
            for dtype in DTYPES
        }
        released = ReleasedLayout.write(
            next(iter(caches.values())), Path(folder, "released"), max_length, arguments.released_rows
        )
        return _compare(arguments, caches, released, max_length, device)


def _compare(
    arguments: Arguments,
    caches: dict[str, Any],
    released: "ReleasedLayout",
    max_length: int,
    device: torch.device,
) -> Report:
    lengths = next(iter(caches.values())).lengths
    num_rows, tokens = len(lengths), dict.fromkeys(caches, sum(lengths))
    size = {name: num_bytes(cache.folder) for name, cache in caches.items()}
    size[RELEASED] = released.num_bytes * num_rows // len(released)
    tokens[RELEASED] = sum(lengths[: len(released)])

    sides = {name: Side(lambda cache=cache: read_epoch(cache, arguments.seed)) for name, cache in caches.items()}
    sides[RELEASED] = Side(lambda: read_epoch(released, arguments.seed))
    reading = interleave(sides, arguments.repeats, device)
    median = medians(reading)
    rate = {name: tokens[name] / median[name] for name in sides}
    rows = [
        [
            name,
            mebibytes(size[name]),
            times(size[RELEASED] / size[name]),
            f"{rate[name]:,.0f}",
            times(rate[name] / rate[RELEASED]),
        ]
        for name in sides
    ]

    trainings = {}
    for name, cache in caches.items():
        memory = [row | {"hidden_states": row["hidden_states"].clone()} for row in cache]
        for source, dataset in (("disk", cache), ("memory", memory)):
            trainings[f"{name}, from {source}"] = Side(_epoch(dataset, arguments, device))
    training = interleave(trainings, arguments.repeats, device)
    epochs = medians(training)
    ratios = {name: epochs[f"{name}, from disk"] / epochs[f"{name}, from memory"] for name in caches}
    epoch_rows = [
        [name, f"{epochs[f'{name}, from disk']:,.2f}", f"{epochs[f'{name}, from memory']:,.2f}", times(ratio)]
        for name, ratio in ratios.items()
    ]
    text = (
        f"{num_rows:,} rows, {sum(lengths):,} tokens, medians of {arguments.repeats}; files just written, so in the "
        f"page cache. Released layout: padded to {max_length}, its .pt files as safetensors; {len(released):,} rows "
        "written and read, bytes scaled to all\n\n"
        + format_table(["side", "MiB", "smaller", "tokens/s read, random batches", "faster"], rows)
        + "\n\n"
        + format_table(["an epoch of training", "from disk, s", "from memory, s", "disk / memory"], epoch_rows)
    )
    results = {
        "shapes": {"rows": num_rows, "tokens": sum(lengths), "max_length": max_length, "rows_read": len(released)},
        "bytes": size,
        "bytes_of_released": {name: size[RELEASED] / size[name] for name in caches},
        "reading_seconds": reading,
        "tokens_per_second": rate,
        "training_seconds": training,
        "median_training_seconds": epochs,
        "disk_to_memory": ratios,
    }
    panels = {
        "MiB": {name: [value / 2**20] for name, value in size.items()},
        "tokens/s, read": {name: [tokens[name] / value for value in reading[name]] for name in sides},
    }
    return Report(text, results, draw_sides(panels, caches, log=True))


class ReleasedLayout(Sequence[Row]):
    """How the released code stores states, in safetensors instead of pickle: a file a batch, read for every row."""

    def __init__(self, files: list[Path], num_rows: int):
        self._files, self._num_rows = files, num_rows

    @classmethod
    def write(cls, rows: Sequence[Row], folder: Path, max_length: int, num_rows: int) -> "ReleasedLayout":
        """Return the first `num_rows` of `rows`, each padded to `max_length`."""
        folder.mkdir()
        num_rows = min(num_rows, len(rows))
        files = []
        for start in range(0, num_rows, BATCH_SIZE):
            batch = [rows[index] for index in range(start, min(start + BATCH_SIZE, num_rows))]
            states = [row["hidden_states"] for row in batch]
            tensors = {
                "hidden_states": torch.stack([F.pad(x.float(), (0, 0, 0, max_length - len(x))) for x in states]),
                "attention_mask": torch.stack([(torch.arange(max_length) < len(x)).long() for x in states]),
                "labels": torch.tensor([row["labels"] for row in batch]),
            }
            files.append(folder / f"batch_{len(files):05}.safetensors")
            save_file(tensors, files[-1])
        return cls(files, num_rows)

    @property
    def num_bytes(self) -> int:
        return sum(file.stat().st_size for file in self._files)

    def __len__(self) -> int:
        return self._num_rows

    def __getitem__(self, index: int) -> Row:
        batch = load(self._files[index // BATCH_SIZE].read_bytes())  # all of it, as torch.load reads it
        return {name: tensor[index % BATCH_SIZE] for name, tensor in batch.items()}


def random_batches(dataset: Sequence[Row], seed: int) -> Iterator[list[Row]]:
    order = random.Random(seed).sample(range(len(dataset)), len(dataset))
    for start in range(0, len(order), BATCH_SIZE):
        yield [dataset[index] for index in order[start : start + BATCH_SIZE]]


def read_epoch(dataset: Sequence[Row], seed: int) -> None:
    """Make every batch of an epoch."""
    collate = HiddenStateCollator()
    for rows in random_batches(dataset, seed):
        collate(rows)


def _epoch(dataset: Sequence[Row], arguments: Arguments, device: torch.device) -> Callable[[], None]:
    """Return a function that trains a head for one more epoch each time it is called."""
    torch.manual_seed(arguments.seed)
    config = GlotConfig(
        input_size=dataset[0]["hidden_states"].shape[-1],
        gnn_hidden_size=arguments.gnn_hidden_size,
        num_gnn_layers=arguments.num_gnn_layers,
        num_labels=2,
    )
    model = GlotForSequenceClassification(config).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    collate = HiddenStateCollator()

    def epoch() -> None:
        for rows in random_batches(dataset, arguments.seed):
            batch = {name: tensor.to(device) for name, tensor in collate(rows).items()}
            optimizer.zero_grad()
            model(**batch).loss.backward()
            optimizer.step()

    return epoch
