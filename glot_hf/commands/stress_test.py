# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
`glot-hf stress-test`: what distractors do to each pooling, with a check of what the generator gives away.

With the options that the released README names: --generator released --num_gnn_layers 4 --gnn_hidden_size 64 --tau 0.6
--learning_rates 1e-4 --steps 189, which is 3 epochs. The released script reports the best epoch on the test texts,
this command the last step.
"""

from ..experiments.stress_options import StressTestArguments
from ..options.arguments import (
    BackboneArguments,
    SharedHeadArguments,
    given_head_options,
    require_backbone,
    require_budgets,
)
from ..options.parser import CommandParser
from ..runs.variants import load_backbone_of, parse_variants
from ..system.errors import InputError, require_distinct, require_extra


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return CommandParser(
        BackboneArguments,
        StressTestArguments,
        SharedHeadArguments,
        prog="glot-hf stress-test",
        description=__doc__,
        common=["backbone", "poolings", "generator", "ratios", "seeds", "steps", "output_dir"],
        examples=[
            "glot-hf stress-test --backbone bert-base-uncased --poolings mean glot --output_dir stress",
            "glot-hf stress-test --backbone bert-base-uncased --generator paper --ratios 0.5 0.9 --output_dir stress",
        ],
    )


def run(argv: list[str]) -> None:
    backbone, arguments, head = parser().parse(argv)
    require_extra("train", "datasets", "sklearn", "scipy", "matplotlib")
    from ..experiments.stress import run_stress_test

    require_backbone(backbone)
    require_budgets(arguments.learning_rates, arguments.steps)
    for name in ("ratios", "positions", "seeds"):
        require_distinct(getattr(arguments, name), f"--{name}")
    options = given_head_options(head, argv)
    if "pair_mode" in options:
        raise InputError("--pair_mode has no meaning here: the texts are no pairs")
    variants = parse_variants(arguments.poolings)
    model, tokenizer, source = load_backbone_of(variants, backbone, options, arguments.max_length)
    run_stress_test(model, tokenizer, arguments, variants, options, source)
