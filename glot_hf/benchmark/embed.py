# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Sentences/s of text in, vectors out: `GlotModel.encode` with a GLOT head, against sentence-transformers with mean
pooling on the same backbone, texts and max_length, with its defaults and at its best of a few batch sizes.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..experiments.stress_texts import matched_texts
from ..model.modeling_glot import GlotModel
from ..system.errors import InputError
from ..system.markdown import format_table
from ..system.options import option
from .picture import draw_sides
from .report import BenchmarkArguments, Report, times
from .timing import Side, interleave, medians


@dataclass
class Arguments(BenchmarkArguments):
    texts: str | None = option(None, "Texts, one a line; default: generated ones.")
    num_texts: int = option(5000, "Texts, the first of the file without duplicates.")
    max_length: int = option(128, "Longer texts are cut at this many tokens, by each side.")
    gnn_hidden_size: int = option(128, "H of the GLOT head.")
    num_gnn_layers: int = option(2, "K of the GLOT head.")
    batch_sizes: list[int] = option(
        [8, 16, 64, 128], "Batch sizes of sentence-transformers to try, beside its default; the fastest counts."
    )


def run(arguments: Arguments, backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Report:
    """
    Raises:
        InputError: the texts cannot be read, or sentence-transformers cannot load the backbone.
    """
    device = arguments.find_device()
    texts = _read_texts(arguments)
    torch.manual_seed(arguments.seed)
    head: dict[str, Any] = {"gnn_hidden_size": arguments.gnn_hidden_size, "num_gnn_layers": arguments.num_gnn_layers}
    model = GlotModel.from_backbone(backbone, **head).to(device)
    # For None, transformers would ask on standard input whether to run code of the repository.
    untrusted: dict[str, Any] = {
        f"{part}_kwargs": {"trust_remote_code": False} for part in ("model", "processor", "config")
    }
    try:
        transformer = Transformer(str(backbone.name_or_path), max_seq_length=arguments.max_length, **untrusted)
    except (OSError, ValueError) as error:
        raise InputError(f"sentence-transformers cannot load {backbone.name_or_path!r}: {error}") from error
    pooling = Pooling(transformer.get_embedding_dimension(), "mean")
    other = SentenceTransformer(modules=[transformer, pooling], device=str(device))

    ours, default = "glot_hf, GLOT", "sentence-transformers, mean"
    sides = {
        ours: Side(lambda: model.encode(texts, tokenizer, max_length=arguments.max_length)),
        default: Side(lambda: other.encode(texts)),
    }
    for size in arguments.batch_sizes:
        sides[f"{default}, batch {size}"] = Side(lambda size=size: other.encode(texts, batch_size=size))
    seconds = interleave(sides, arguments.repeats, device)
    median = medians(seconds)
    best = min((name for name in sides if name != ours), key=lambda name: median[name])

    lengths = [len(ids) for ids in tokenizer(texts, truncation=True, max_length=arguments.max_length)["input_ids"]]
    rows = [
        [name, f"{len(texts) / median[name]:,.0f}", *(times(median[base] / median[name]) for base in (default, best))]
        for name in sides
    ]
    text = (
        f"Text in, vectors out: {len(texts):,} distinct texts of {statistics.mean(lengths):.1f} tokens on average, "
        f"tokenisation included, medians of {arguments.repeats}. The best of sentence-transformers: {best!r}.\n\n"
        + format_table(["side", "sentences/s", "of its default", "of its best"], rows)
    )
    results = {
        "shapes": {"texts": len(texts), "tokens": sum(lengths), "hidden_size": model.config.input_size},
        "seconds": seconds,
        "median_seconds": median,
        "best": best,
        "ratios": {"to default": median[default] / median[ours], "to best": median[best] / median[ours]},
    }
    rates = {name: [len(texts) / value for value in values] for name, values in seconds.items()}
    return Report(text, results, draw_sides({"sentences/s": rates}, [ours], log=False))


def _read_texts(arguments: Arguments) -> list[str]:
    if arguments.texts is None:
        texts = matched_texts(2 * arguments.num_texts, 0.5, arguments.seed)[0]
    else:
        try:
            texts = Path(arguments.texts).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--texts {arguments.texts!r} cannot be read ({error}): name a text file") from error
    texts = [text for text in dict.fromkeys(texts) if text.strip()][: arguments.num_texts]
    if not texts:
        raise InputError(f"--texts {arguments.texts!r} holds no text: give one a line")
    return texts
