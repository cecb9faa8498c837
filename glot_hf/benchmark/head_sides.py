# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The sides of the head benchmark: the same weights, the same linear classifier and loss, the same optimizer."""

import copy
import importlib.util
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..convert import convert_official_state_dict
from ..model.configuration_glot import GlotConfig
from ..model.modeling_glot import GlotForSequenceClassification
from ..system.errors import InputError


OURS, CACHED, PYG, RELEASED = "ours", "ours, graph cached", "PyG per sentence", "released"
INSTALL = 'pip install "glot-hf[benchmark]"'


class _Classifier(nn.Module):
    """A pooler of another origin, with the linear classifier and the loss that ours has."""

    def __init__(self, pooler: nn.Module, classifier: nn.Linear):
        super().__init__()
        self.pooler, self.classifier = pooler, classifier

    def forward(self, hidden_states: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.classifier(self.pooler(hidden_states, attention_mask)), labels)


def make_heads(
    input_size: int, hidden_size: int, num_layers: int, threshold: float, released_repo: str | None
) -> tuple[dict[str, nn.Module], list[str]]:
    """
    The sides by their names, and what is to be said of them.

    Raises:
        InputError: `released_repo` holds no released code, or PyTorch Geometric, which it needs, is not installed.
    """
    sizes = input_size, hidden_size, num_layers
    config = GlotConfig(
        input_size=input_size,
        gnn_hidden_size=hidden_size,
        num_gnn_layers=num_layers,
        similarity_threshold=threshold,
        num_labels=2,
    )
    ours = GlotForSequenceClassification(config)
    heads: dict[str, nn.Module] = {OURS: ours}
    notes: list[str] = []
    if importlib.util.find_spec("torch_geometric") is not None:
        from .pyg_head import PerSentenceHead

        pyg = PerSentenceHead(*sizes, threshold)
        ours.glot.head.load_state_dict(convert_official_state_dict(pyg.state_dict(), "gat"))
        heads[PYG] = _Classifier(pyg, copy.deepcopy(ours.classifier))
    elif released_repo is None:
        notes.append(f"{PYG!r} is skipped: torch_geometric is not installed ({INSTALL})")
    else:
        raise InputError(f"--released_repo needs torch_geometric: run `{INSTALL}`")
    if released_repo is None:
        notes.append(f"{RELEASED!r} is skipped: --released_repo names a clone of it")
    else:
        from .released import load_released_pooler

        released, stand_ins = load_released_pooler(released_repo, *sizes, threshold)
        released.load_state_dict(pyg.state_dict())
        heads[RELEASED] = _Classifier(released, copy.deepcopy(ours.classifier))
        if stand_ins:
            notes.append(f"{RELEASED!r} imports {', '.join(stand_ins)}, which are not installed: given stand-ins")
    return {OURS: ours, CACHED: copy.deepcopy(ours), **heads}, notes


def losses_of(
    heads: dict[str, nn.Module], states: Tensor, mask: Tensor, adjacency: Tensor
) -> dict[str, Callable[[], Tensor]]:
    """Return each head's loss on one batch: hidden states `(B, L, d)`, mask `(B, L)`, token graph `(B, L, L)` bool."""
    labels = torch.arange(len(states), device=states.device) % 2
    batch = {"hidden_states": states, "attention_mask": mask, "labels": labels}

    def loss_of(name: str, head: nn.Module) -> Callable[[], Tensor]:
        if name == OURS:
            return lambda: head(**batch).loss
        if name == CACHED:
            return lambda: head(**batch, adjacency=adjacency).loss
        return lambda: head(**batch)

    return {name: loss_of(name, head) for name, head in heads.items()}


def step_of(head: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """Forward, backward and the optimizer."""
    optimizer = torch.optim.AdamW(head.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step
