# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
A training step (forward, backward, AdamW) and a forward pass of a GLOT head on random frozen states, every token valid
and of ragged lengths: ours, a PyTorch Geometric head, the released code, and the roofline of the matrix products.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..model.graph_glot import token_graph
from ..system.markdown import format_table
from ..system.options import option
from .head_sides import CACHED, OURS, PYG, RELEASED, losses_of, make_heads, step_of
from .picture import draw_sides
from .report import BenchmarkArguments, Report, milliseconds, times
from .roofline import Product, as_sides, required_products, seconds_of
from .states import edge_density, random_lengths, random_states
from .timing import Side, interleave, medians


SHORTEST = 5  # of the ragged batch
_CALLS = 5


@dataclass
class Arguments(BenchmarkArguments):
    batch_size: int = option(32, "Sentences a batch.")
    length: int = option(128, "Tokens of a sentence, of the longest in the ragged batch.")
    input_size: int = option(768, "Width d of the hidden states.")
    gnn_hidden_size: int = option(256, "H.")
    num_gnn_layers: int = option(2, "K.")
    tau: float = option(0.6, "Tokens are joined where their cosine exceeds this.")
    released_repo: str | None = option(
        None, "A clone of github.com/ipsitmantri/GLOT, whose code is imported and timed."
    )
    released_repeats: int = option(2, "Times the released code is timed, which is slow.")


def run(arguments: Arguments) -> Report:
    """
    Raises:
        InputError: `--released_repo` holds no released code, or needs PyTorch Geometric.
    """
    device = arguments.find_device()
    size, hidden_size, num_layers = arguments.input_size, arguments.gnn_hidden_size, arguments.num_gnn_layers
    torch.manual_seed(arguments.seed)
    heads, notes = make_heads(size, hidden_size, num_layers, arguments.tau, arguments.released_repo)
    shortest = min(SHORTEST, arguments.length)
    batches = {
        "every token valid": [arguments.length] * arguments.batch_size,
        f"lengths {shortest} to {arguments.length}": random_lengths(
            arguments.batch_size, shortest, arguments.length, arguments.seed
        ),
    }
    shapes, measurements = {}, {}
    for batch, lengths in batches.items():
        states, mask = (tensor.to(device) for tensor in random_states(lengths, size, arguments.seed))
        adjacency = token_graph(states, mask, arguments.tau)
        untrained = {name: copy.deepcopy(head).to(device).train() for name, head in heads.items()}
        losses = losses_of(untrained, states, mask, adjacency)
        shapes[batch] = {
            "lengths": lengths,
            "tokens": sum(lengths),
            "edge_density": edge_density(adjacency, mask),
            "losses": {name: loss().item() for name, loss in losses.items()},  # equal, or sides compute other things
        }
        products = required_products(lengths, size, hidden_size, num_layers, device)
        steps = {name: step_of(untrained[name], loss) for name, loss in losses.items()}
        measurements[f"step, {batch}"] = _measure(steps, products, arguments, device)
        forwards = {name: torch.no_grad()(loss) for name, loss in losses.items()}
        products = [product for product in products if product.in_forward]
        measurements[f"forward, {batch}"] = _measure(forwards, products, arguments, device)

    if arguments.released_repo is not None:
        notes.append(f"{RELEASED!r} is timed {arguments.released_repeats} times, after a warm-up")
    title = (
        f"GLOT head, B={arguments.batch_size}, L={arguments.length}, d={size}, H={hidden_size}, K={num_layers}, GAT, "
        f"tau={arguments.tau:g}; medians of {arguments.repeats}"
    )
    notes += [
        f"{batch}: {shape['tokens']:,} tokens, {shape['edge_density']:.0%} of the pairs of a sentence are joined"
        for batch, shape in shapes.items()
    ]
    tables = [_table(title, measured) for title, measured in measurements.items()]
    text = "\n\n".join(["\n- ".join([title, *notes]), *tables])
    panels = {
        f"{title}, ms": {name: [1000 * value for value in side["seconds"]] for name, side in measured["sides"].items()}
        | {"roofline": [1000 * measured["roofline"]]}
        for title, measured in measurements.items()
    }
    results = {"notes": notes, "shapes": shapes, "measurements": measurements}
    return Report(text, results, draw_sides(panels, (OURS, CACHED), log=True))


def _measure(
    works: dict[str, Callable[[], Any]], products: list[Product], arguments: Arguments, device: torch.device
) -> dict[str, Any]:
    """Return times and ratios of the sides, and of the products that are their roofline."""
    own_turns = {
        RELEASED: {"max_repeats": arguments.released_repeats},
        # As often in a row as the products that they are compared with: a training makes one step after the other.
        OURS: {"calls": _CALLS},
        CACHED: {"calls": _CALLS},
    }
    sides = {name: Side(work, **own_turns.get(name, {})) for name, work in works.items()}
    seconds = interleave(sides | as_sides(products, _CALLS), arguments.repeats, device)
    median = medians(seconds)
    roofline = sum(seconds_of(product, median) for product in products)
    without_graph = roofline - sum(seconds_of(product, median) for product in products if product.is_graph)
    result = {"sides": {}, "roofline": roofline, "roofline_graph_cached": without_graph}
    for name in works:
        ratios = {"to roofline": median[name] / (without_graph if name == CACHED else roofline)}
        ratios |= {f"faster than {base}": median[base] / median[name] for base in (PYG, RELEASED) if base in works}
        result["sides"][name] = {"seconds": seconds[name], "median_seconds": median[name], "ratios": ratios}
    result["products"] = [
        {"name": product.name, "flops": product.flops, "seconds": seconds_of(product, median)}
        | {"ways": {way: seconds[f"{product.name}: {way}"] for way in product.ways}}
        for product in products
    ]
    return result


def _table(title: str, measured: dict[str, Any]) -> str:
    rows = []
    for name, side in measured["sides"].items():
        ratios = ("to roofline", f"faster than {PYG}", f"faster than {RELEASED}")
        rows.append([name, milliseconds(side["median_seconds"]), *(times(side["ratios"].get(key)) for key in ratios)])
    for name, key in (("roofline", "roofline"), ("roofline, graph cached", "roofline_graph_cached")):
        rows.append([name, milliseconds(measured[key]), "-", "-", "-"])
    return format_table([title, "ms", "to its roofline", f"faster than {PYG}", f"faster than {RELEASED}"], rows)
