# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf benchmark NAME`: sides of a comparison in one run, with ratios; a table, a JSON file and a picture."""

import importlib
import os
from dataclasses import asdict
from typing import Any

from ..loading.backbone import load_backbone_and_tokenizer, set_max_length
from ..options.arguments import BackboneArguments, DataArguments
from ..options.parser import CommandParser
from ..system.errors import InputError, require_extra


# What each measures, and the packages it cannot do without.
BENCHMARKS = {
    "head": ("a training step and a forward pass of the head, against PyTorch Geometric and the roofline", ()),
    "finetune": ("parameters, peak memory and time of a step: full fine-tuning, LoRA, GLOT", ("peft",)),
    "long": ("time and peak memory from 512 to 32,768 tokens: dense against blocked graph", ()),
    "cache": ("bytes and tokens/s of the hidden-state cache, against the released layout", ("datasets",)),
    "embed": ("sentences/s of encode with a GLOT head, against sentence-transformers", ("sentence_transformers",)),
}
# Of those that run a pretrained backbone over text.
_SOURCES = {"cache": (BackboneArguments, DataArguments), "embed": (BackboneArguments,)}


def run(argv: list[str]) -> None:
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: glot-hf benchmark NAME [options]; glot-hf benchmark NAME --help lists the options\n")
        for name, (summary, _) in BENCHMARKS.items():
            print(f"  {name:<9} {summary}")
        return
    name = argv[0]
    if name not in BENCHMARKS:
        raise InputError(f"there is no benchmark {name!r}: the benchmarks are {', '.join(BENCHMARKS)}")
    require_extra("benchmark", "matplotlib", *BENCHMARKS[name][1])
    from ..benchmark.report import write_report

    module = importlib.import_module(f"..benchmark.{name}", __package__)
    parser = CommandParser(
        *_SOURCES.get(name, ()), module.Arguments, prog=f"glot-hf benchmark {name}", description=module.__doc__
    )
    *sources, arguments = parser.parse(argv[1:])
    device = arguments.find_device()
    inputs = _load(*sources, arguments=arguments) if sources else {}
    try:  # before the work, so that none is lost
        os.makedirs(arguments.output_dir, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output_dir {arguments.output_dir!r} cannot be written: {error}") from error
    report = module.run(arguments, **inputs)
    settings = {key: value for options in (*sources, arguments) for key, value in asdict(options).items()}
    record = {"benchmark": name, "command": ["glot-hf", "benchmark", *argv], "settings": settings}
    write_report(record, report, arguments.output_dir, device)


def _load(source: BackboneArguments, data: DataArguments | None = None, *, arguments: Any) -> dict[str, Any]:
    """Return a backbone, a tokenizer that cuts at `--max_length`, and texts, where data can be named."""
    backbone, tokenizer, _ = load_backbone_and_tokenizer(*source.source())
    inputs = {"backbone": backbone, "tokenizer": tokenizer}
    if data is None:
        max_length = arguments.max_length
    else:
        inputs["texts"], max_length = _training_texts(data, arguments.seed)
    set_max_length(tokenizer, max_length, backbone)
    return inputs


def _training_texts(data: DataArguments, seed: int) -> tuple[list[str] | None, int]:
    """Return the training texts (None where no data is named; both sides of pairs), and the tokens they are cut at."""
    from ..runs.texts import MAX_LENGTH, training_texts

    if data == DataArguments(max_length=data.max_length):
        return None, MAX_LENGTH if data.max_length is None else data.max_length
    read = training_texts(data, seed)
    texts = list(read.train["text"])
    if "text_pair" in read.train.column_names:
        texts += read.train["text_pair"]
    return texts, read.max_length
