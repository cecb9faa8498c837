# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf benchmark NAME`: sides of a comparison in one run, with ratios; a table, a JSON file and a picture."""

import importlib
import os

from ..errors import InputError, require_extra
from .arguments import CommandParser


# What each measures, and the packages it cannot do without.
BENCHMARKS = {
    "head": ("a training step and a forward pass of the head, against PyTorch Geometric and the roofline", ()),
    "finetune": ("parameters, peak memory and time of a step: full fine-tuning, LoRA, GLOT", ("peft",)),
    "long": ("time and peak memory from 512 to 32,768 tokens: dense against blocked graph", ()),
    "cache": ("bytes and tokens/s of the hidden-state cache, against the released layout", ("datasets",)),
    "embed": ("sentences/s of encode with a GLOT head, against sentence-transformers", ("sentence_transformers",)),
}


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
    parser = CommandParser(module.Arguments, prog=f"glot-hf benchmark {name}", description=module.__doc__)
    (arguments,) = parser.parse(argv[1:])
    arguments.find_device()
    try:  # before the work, so that none is lost
        os.makedirs(arguments.output_dir, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output_dir {arguments.output_dir!r} cannot be written: {error}") from error
    report = module.run(arguments)
    write_report(name, report, arguments, ["glot-hf", "benchmark", *argv])
