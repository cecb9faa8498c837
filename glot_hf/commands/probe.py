# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf probe`: which layer of a backbone to read for one's own labels, or what its token graphs look like."""

import dataclasses
import json
import random
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..loading.backbone import load_backbone_and_tokenizer, set_max_length
from ..options.arguments import BackboneArguments, DataArguments, parse_load_kwargs, require_backbone
from ..options.parser import CommandParser
from ..system.atomic_files import write_atomically, write_text
from ..system.errors import InputError, require_extra, require_writable
from ..system.options import option


_NUM_EXAMPLES = 3


@dataclass
class ProbeArguments:
    """What is drawn and written."""

    backbone_load_kwargs: str | None = option(None, "Options for loading the backbone, as JSON, such as its dtype.")
    graph: bool = option(False, "Look at token graphs instead: how alike tokens are at every layer, what a tau joins.")
    picture: str | None = option(None, "Draw what is found to this file, such as layers.png.")
    output_file: str | None = option(None, "Write it to this JSON file.")
    seed: int = option(42, "Draws the rows that are probed, at most 2,000.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    return CommandParser(
        BackboneArguments,
        DataArguments,
        ProbeArguments,
        prog="glot-hf probe",
        description=__doc__,
        common=[
            "backbone",
            "train_file",
            "text_column",
            "label_column",
            "task",
            "data_dir",
            "graph",
            "picture",
            "output_file",
        ],
        examples=[
            "glot-hf probe --backbone bert-base-uncased --train_file reviews.csv --picture layers.png",
            "glot-hf probe --backbone bert-base-uncased --train_file reviews.csv --graph --picture graphs.png",
        ],
    )


def run(argv: list[str]) -> None:
    backbone, data, arguments = parser().parse(argv)
    require_extra("train", "datasets", "sklearn", "scipy", "matplotlib")
    require_backbone(backbone)
    for name in ("picture", "output_file"):
        require_writable(getattr(arguments, name), f"--{name}")
    from ..runs.texts import training_texts
    from ..tuning.plan import too_little

    texts = training_texts(data, arguments.seed)
    examples, labels = texts.train, texts.labels
    if not arguments.graph and (reason := too_little(examples, labels)):
        raise InputError(f"{reason}, so a probe says nothing: give more")
    load_kwargs = parse_load_kwargs(arguments.backbone_load_kwargs)
    model, tokenizer, _ = load_backbone_and_tokenizer(*backbone.source(load_kwargs))
    max_length = set_max_length(tokenizer, texts.max_length, model, is_default=data.max_length is None)
    if arguments.graph:
        found = _probe_graphs(model, tokenizer, examples["text"], max_length, arguments)
    else:
        found = _probe_layers(model, tokenizer, examples, labels, max_length, arguments)
    if arguments.output_file is not None:
        write_text(Path(arguments.output_file), json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def _probe_layers(
    model: Any, tokenizer: Any, examples: Any, labels: Any, max_length: int, arguments: ProbeArguments
) -> dict[str, Any]:
    from ..tuning.layer_picture import draw_layers
    from ..tuning.plan import find_layers

    layers, found = find_layers(model, tokenizer, examples, labels, max_length, arguments.seed)
    worst, best = max(found["losses"]), min(found["losses"])
    print("\nlayer  held-out loss (shorter is better)")
    for layer, loss in enumerate(found["losses"]):
        print(f"{layer:>5}  {loss:.4f} {'█' * round(1 + 39 * (loss - best) / (worst - best or 1))}")
    typed = layers if isinstance(layers, int) else f"{' '.join(map(str, layers))} --layer_mix concat"
    print(f"\nglot-hf train reads this with --backbone_layers {typed}")
    if arguments.picture is not None:
        write_atomically(Path(arguments.picture), lambda part: draw_layers(found["losses"], layers, str(part)))
    return found | {"backbone_layers": layers}


def _probe_graphs(
    model: Any, tokenizer: Any, texts: list[str], max_length: int, arguments: ProbeArguments
) -> dict[str, Any]:
    from ..tuning.graph_picture import draw_graphs
    from ..tuning.graph_probe import MOST_JOINED, MOST_TEXTS, SHOWN_TAUS, TAUS, joined_words, probe_graphs

    random.Random(arguments.seed).shuffle(texts := list(texts))
    probe = probe_graphs(model, tokenizer, texts[:MOST_TEXTS], max_length)
    heads = "".join(f"{f'tau {tau}':>20}" for tau in SHOWN_TAUS)
    print(f"\nlayer  median cosine{heads}   (share of pairs joined, of tokens isolated)")
    for layer, (cosines, density, isolated) in enumerate(zip(probe.cosines, probe.density, probe.isolated)):
        places = [TAUS.index(tau) for tau in SHOWN_TAUS]
        shares = "".join(f"{f'{density[place]:.1%}, {isolated[place]:.1%}':>20}" for place in places)
        print(f"{layer:>5}  {cosines[2]:>13.2f}{shares}")
    last = len(probe.cosines) - 1
    examples = [joined_words(model, tokenizer, text, last, max_length) for text in texts[:_NUM_EXAMPLES]]
    for example in examples:
        print(f"\n{textwrap.shorten(example['text'], 100, placeholder=' ...')}")
        for tau in SHOWN_TAUS:
            joined = example[f"{tau}"]
            words = ", ".join(" + ".join(pair) for pair in joined["nearest"])
            print(f"  tau {tau} joins {joined['pairs']} pairs of the last layer{': ' if words else ''}{words}")
    tau = probe.tau_of(last)
    if tau is None:
        print(
            "\nno tau gives a sparse graph with few isolated tokens at the last layer: go without (--graph_type self)"
        )
    else:
        print(
            f"\ntau {tau} joins {MOST_JOINED:.0%} of the last layer's pairs or fewer: --similarity_threshold {tau}\n"
            "On no data measured so far was a head better with edges than without (--graph_type self): compare them."
        )
    if arguments.picture is not None:
        write_atomically(Path(arguments.picture), lambda part: draw_graphs(probe, str(part)))
    return dataclasses.asdict(probe) | {"taus": TAUS, "tau": tau, "examples": examples}
