# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf probe`: which layer of a backbone to read for one's own labels, before any head is trained."""

import json
from dataclasses import dataclass
from pathlib import Path

from ..loading.backbone import load_backbone_and_tokenizer, set_max_length
from ..options.arguments import BackboneArguments, DataArguments, parse_load_kwargs, require_backbone
from ..options.parser import CommandParser
from ..system.errors import InputError, require_extra, require_writable
from ..system.options import option


@dataclass
class ProbeArguments:
    """What is drawn and written."""

    backbone_load_kwargs: str | None = option(None, "Options for loading the backbone, as JSON, such as its dtype.")
    picture: str | None = option(None, "Draw the losses to this file, such as layers.png.")
    output_file: str | None = option(None, "Write them to this JSON file.")
    seed: int = option(42, "Draws the rows that are probed, at most 2,000.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return CommandParser(
        BackboneArguments,
        DataArguments,
        ProbeArguments,
        prog="glot-hf probe",
        description=__doc__,
        common=["backbone", "train_file", "text_column", "label_column", "task", "data_dir", "picture", "output_file"],
        examples=[
            "glot-hf probe --backbone bert-base-uncased --train_file reviews.csv --picture layers.png",
            "glot-hf probe --backbone bert-base-uncased --task cola --data_dir glue_data/CoLA",
        ],
    )


def run(argv: list[str]) -> None:
    backbone, data, arguments = parser().parse(argv)
    require_extra("train", "datasets", "sklearn", "scipy", "matplotlib")
    require_backbone(backbone)
    for name in ("picture", "output_file"):
        require_writable(getattr(arguments, name), f"--{name}")
    from ..runs.texts import training_texts
    from ..tuning.layer_picture import draw_layers
    from ..tuning.plan import find_layers, too_little

    texts = training_texts(data, arguments.seed)
    examples, labels = texts.train, texts.labels
    if reason := too_little(examples, labels):
        raise InputError(f"{reason}, so a probe says nothing: give more")
    load_kwargs = parse_load_kwargs(arguments.backbone_load_kwargs)
    model, tokenizer, _ = load_backbone_and_tokenizer(*backbone.source(load_kwargs))
    max_length = set_max_length(tokenizer, texts.max_length, model, is_default=data.max_length is None)
    layers, found = find_layers(model, tokenizer, examples, labels, max_length, arguments.seed)
    worst, best = max(found["losses"]), min(found["losses"])
    print("\nlayer  held-out loss (shorter is better)")
    for layer, loss in enumerate(found["losses"]):
        print(f"{layer:>5}  {loss:.4f} {'█' * round(1 + 39 * (loss - best) / (worst - best or 1))}")
    typed = layers if isinstance(layers, int) else f"{' '.join(map(str, layers))} --layer_mix concat"
    print(f"\nglot-hf train reads this with --backbone_layers {typed}")
    if arguments.picture is not None:
        draw_layers(found["losses"], layers, arguments.picture)
    if arguments.output_file is not None:
        Path(arguments.output_file).write_text(json.dumps(found | {"backbone_layers": layers}, indent=2) + "\n")
