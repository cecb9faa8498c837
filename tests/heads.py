"""Small heads, away from their initial weights, and the masks of a batch that they are tried on."""

import torch

from glot_hf import GlotConfig, GlotPooler


SIZE, TAU = 6, 0.3
RIGHT = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
LEFT = RIGHT.flip(1)


def head(**options):
    """A pooler whose weights are all away from their initial zeros, in eval mode."""
    torch.manual_seed(0)
    pooler = GlotPooler(GlotConfig(**{"input_size": SIZE, "gnn_hidden_size": 4, "tau": TAU, **options}))
    for name, tensor in [*pooler.named_parameters(), *pooler.named_buffers()]:
        if name.endswith(("bias", "mean", "layer_scores")):
            torch.nn.init.normal_(tensor, std=0.3)
        elif name.endswith("deviation"):
            torch.nn.init.uniform_(tensor, 0.5, 2)
    return pooler.eval()


def relative_error(actual, expected):
    """The largest over the sentences of a batch."""
    return ((actual - expected).norm(dim=-1) / expected.norm(dim=-1).clamp(min=1e-3)).max().item()
