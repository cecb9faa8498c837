# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
A training step (forward, backward, AdamW) and a forward pass of a GLOT head on random frozen states, all tokens valid and
of ragged lengths: ours, a PyTorch Geometric head, the released code, and the roofline of the matrix products.
"""

import copy
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..configuration_glot import GlotConfig
from ..convert import convert_official_state_dict
from ..errors import InputError
from ..graph_glot import token_graph
from ..markdown import format_table
from ..modeling_glot import GlotForSequenceClassification
from .picture import draw_sides
from .report import BenchmarkArguments, Report, milliseconds, times
from .roofline import as_sides, required_products, seconds_of
from .states import edge_density, random_lengths, random_states
from .timing import Side, interleave, medians


OURS, CACHED, PYG, RELEASED = "ours", "ours, graph cached", "PyG per sentence", "released"
SHORTEST = 5  # of the ragged batch


@dataclass
class Arguments(BenchmarkArguments):
    batch_size: int = field(default=32, metadata={"help": "Sentences a batch."})
    length: int = field(default=128, metadata={"help": "Tokens of a sentence, of the longest in the ragged batch."})
    input_size: int = field(default=768, metadata={"help": "Width d of the hidden states."})
    gnn_hidden_size: int = field(default=256, metadata={"help": "H."})
    num_gnn_layers: int = field(default=2, metadata={"help": "K."})
    tau: float = field(default=0.6, metadata={"help": "Tokens are joined where their cosine exceeds this."})
    released_repo: str | None = field(
        default=None, metadata={"help": "A clone of github.com/ipsitmantri/GLOT, whose code is imported and timed."}
    )
    released_repeats: int = field(default=2, metadata={"help": "Times the released code is timed, which is slow."})


class _Classifier(nn.Module):
    """A pooler of another origin, with the linear classifier and the loss that ours has."""

    def __init__(self, pooler: nn.Module, classifier: nn.Linear):
        super().__init__()
        self.pooler, self.classifier = pooler, classifier

    def forward(self, hidden_states: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.classifier(self.pooler(hidden_states, attention_mask)), labels)


def run(arguments: Arguments) -> Report:
    """
    Raises:
        InputError: `--released_repo` holds no released code, or needs PyTorch Geometric.
    """
    device = arguments.find_device()
    heads, notes = _make_heads(arguments, device)
    batches = {
        "every token valid": [arguments.length] * arguments.batch_size,
        f"lengths {SHORTEST} to {arguments.length}": random_lengths(
            arguments.batch_size, min(SHORTEST, arguments.length), arguments.length, arguments.seed
        ),
    }
    parts, panels, results = [], {}, {"shapes": {}, "measurements": [], "products": {}, "notes": notes}
    for batch, lengths in batches.items():
        states, mask = (tensor.to(device) for tensor in random_states(lengths, arguments.input_size, arguments.seed))
        adjacency = token_graph(states, mask, arguments.tau)
        density = edge_density(adjacency, mask)
        results["shapes"][batch] = {"lengths": lengths, "tokens": sum(lengths), "edge_density": density}
        losses = heads_on_batch(heads, states, mask, adjacency)
        results["shapes"][batch]["losses"] = {name: loss().item() for name, loss in losses.items()}
        products = required_products(
            lengths, arguments.input_size, arguments.gnn_hidden_size, arguments.num_gnn_layers, device
        )
        steps = {name: _step(loss, heads[name]) for name, loss in losses.items()}
        forwards = {name: torch.no_grad()(loss) for name, loss in losses.items()}
        for kind, works in (("step", steps), ("forward", forwards)):
            chosen = [product for product in products if kind == "step" or product.in_forward]
            sides = {
                name: Side(work, arguments.released_repeats if name == RELEASED else None)
                for name, work in works.items()
            }
            seconds = interleave(sides | as_sides(chosen), arguments.repeats, device)
            median = medians(seconds)
            roofline = sum(seconds_of(product, median) for product in chosen)
            without_graph = roofline - seconds_of(chosen[0], median)
            rows = []
            for name in works:
                limit = without_graph if name == CACHED else roofline
                ratios = {
                    "to roofline": median[name] / limit,
                    **{f"faster than {base}": median[base] / median[name] for base in (PYG, RELEASED) if base in works},
                }
                results["measurements"].append(
                    {"batch": batch, "kind": kind, "side": name, "seconds": seconds[name], "median": median[name]}
                    | {"ratios": ratios}
                )
                faster = [times(ratios.get(f"faster than {base}")) for base in (PYG, RELEASED)]
                rows.append([name, milliseconds(median[name]), times(ratios["to roofline"]), *faster])
            rows.append(["roofline", milliseconds(roofline), times(1.0), "-", "-"])
            rows.append(["roofline, graph cached", milliseconds(without_graph), "-", "-", "-"])
            results["products"][f"{batch}, {kind}"] = [
                {"name": product.name, "flops": product.flops, "seconds": seconds_of(product, median)}
                | {"ways": {way: seconds[f"{product.name}: {way}"] for way in product.ways}}
                for product in chosen
            ]
            header = [f"{kind}, {batch}", "ms", "to its roofline", f"faster than {PYG}", f"faster than {RELEASED}"]
            parts.append(f"{sum(lengths):,} tokens, {density:.0%} of pairs joined\n\n{format_table(header, rows)}")
            panels[f"{kind}, {batch}"] = {name: [1000 * value for value in seconds[name]] for name in works}
            panels[f"{kind}, {batch}"]["roofline"] = [1000 * roofline]
    title = (
        f"GLOT head, B={arguments.batch_size}, L={arguments.length}, d={arguments.input_size}, "
        f"H={arguments.gnn_hidden_size}, K={arguments.num_gnn_layers}, GAT, tau={arguments.tau:g}; medians of "
        f"{arguments.repeats}" + "".join(f"\n- {note}" for note in notes)
    )
    return Report("\n\n".join([title, *parts]), results, draw_sides(panels, "ms", log=True))


def _make_heads(arguments: Arguments, device: torch.device) -> tuple[dict[str, nn.Module], list[str]]:
    """The sides, all with the same weights where they have the same shape of origin, and what is to be said of them."""
    torch.manual_seed(arguments.seed)
    sizes = arguments.input_size, arguments.gnn_hidden_size, arguments.num_gnn_layers
    config = GlotConfig(
        input_size=sizes[0], gnn_hidden_size=sizes[1], num_gnn_layers=sizes[2], tau=arguments.tau, num_labels=2
    )
    ours = GlotForSequenceClassification(config)
    heads, notes = {OURS: ours, CACHED: copy.deepcopy(ours)}, []
    if importlib.util.find_spec("torch_geometric") is None:
        if arguments.released_repo is not None:
            raise InputError('--released_repo needs torch_geometric: run `pip install "glot-hf[benchmark]"`')
        notes.append(f'{PYG!r} is skipped: torch_geometric is not installed (pip install "glot-hf[benchmark]")')
    else:
        from .pyg_head import PerSentenceHead

        pyg = PerSentenceHead(*sizes, arguments.tau)
        weights = convert_official_state_dict(pyg.state_dict(), "gat")
        for head in heads.values():
            head.glot.head.load_state_dict(weights)
        heads[PYG] = _Classifier(pyg, copy.deepcopy(ours.classifier))
        if arguments.released_repo is not None:
            from .released import load_released_pooler

            released, stand_ins = load_released_pooler(arguments.released_repo, *sizes, arguments.tau)
            released.load_state_dict(pyg.state_dict())
            heads[RELEASED] = _Classifier(released, copy.deepcopy(ours.classifier))
            notes.append(f"{RELEASED!r} is timed {arguments.released_repeats} times, after a warm-up")
            if stand_ins:
                notes.append(f"its imports {', '.join(stand_ins)} are not installed and replaced by stand-ins")
    if arguments.released_repo is None:
        notes.append(f"{RELEASED!r} is skipped: --released_repo names a clone of it")
    return {name: head.to(device).train() for name, head in heads.items()}, notes


def heads_on_batch(
    heads: dict[str, nn.Module], states: Tensor, mask: Tensor, adjacency: Tensor
) -> dict[str, Callable[[], Tensor]]:
    """The loss of each head on one batch: hidden states `(B, L, d)`, mask `(B, L)`, token graph `(B, L, L)`."""
    labels = torch.arange(len(states), device=states.device) % 2
    batch: dict[str, Any] = {"hidden_states": states, "attention_mask": mask, "labels": labels}

    def loss_of(name: str, head: nn.Module) -> Callable[[], Tensor]:
        if name == OURS:
            return lambda: head(**batch).loss
        if name == CACHED:
            return lambda: head(**batch, adjacency=adjacency).loss
        return lambda: head(**batch)

    return {name: loss_of(name, head) for name, head in heads.items()}


def _step(loss: Callable[[], Tensor], head: nn.Module) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(head.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step
