# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Poolings: token hidden states -> one sentence vector. GLOT itself, the registry of all, and `GlotPooler`, the trained
head that a configuration describes.

GLOT is a weighted sum of token embeddings, `z = sum_i pi_i u_i`. That is how the paper places its baselines: constant
scores are mean pooling, one-hot scores are CLS pooling, and a graph without layers is attention-scored pooling.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .baselines_glot import (
    AdaPooling,
    ClsPooling,
    CrossAttentionPooling,
    LastPooling,
    LatentAttentionPooling,
    MaxPooling,
    MeanPooling,
    MultiQueryPooling,
    WeightedMeanPooling,
)
from .blocked_glot import BlockedGraph
from .configuration_glot import GlotConfig
from .graph_glot import DenseGraph, GivenEdges, GroupedGraph, NoOtherTokens, SimilarTokens, TokenGraph
from .late_glot import TokenStates
from .layers_glot import GNN_LAYERS
from .normalization_glot import INPUT_NORMS
from .packing_glot import TokenLayout
from .readout_glot import PooledTokens, Readout, uniform_weights, weighted_sum


# Of the numbers B * L * L of a dense graph, past which it is made in blocks of rows, and of those of a block.
_LARGEST_DENSE_GRAPH, _BLOCK = 2**25, 2**22


class GlotPooling(nn.Module):
    """Token graph, K graph layers with ReLU, jumping knowledge, attention readout: the three steps of the paper."""

    def __init__(self, config: GlotConfig):
        super().__init__()
        self.graph_type, self.threshold = config.graph_type, config.similarity_threshold
        self.block_size = config.graph_block_size
        self.jumping_knowledge = config.jumping_knowledge
        heads = {"num_heads": config.num_attention_heads} if config.gnn_type == "gat" else {}
        sizes = [config.input_size] + [config.gnn_hidden_size] * config.num_gnn_layers
        layer = GNN_LAYERS[config.gnn_type]
        self.layers = nn.ModuleList(layer(before, after, **heads) for before, after in zip(sizes, sizes[1:]))
        self.readout = Readout(config.pooled_size, config.readout_hidden_size)

    def make_graph(self, tokens: Tensor, layout: TokenLayout, adjacency: Tensor | None) -> TokenGraph:
        """Of the tokens `(N, d)`, or as given."""
        given = [None] * len(layout.groups) if adjacency is None else layout.split_pairs(adjacency)
        groups = zip(layout.split(tokens), layout.groups, given)
        graphs = [self._graph_of_group(*group) for group in groups]
        return graphs[0] if layout.groups == [layout] else GroupedGraph(graphs, layout)

    def _graph_of_group(self, tokens: Tensor, layout: TokenLayout, adjacency: Tensor | None) -> TokenGraph:
        """In blocks of rows where that is asked for, or the whole is large."""
        if adjacency is not None:
            return DenseGraph(GivenEdges(adjacency, layout.mask), layout)
        if self.graph_type == "self":
            edges = NoOtherTokens(layout.mask)
        else:
            edges = SimilarTokens(tokens, layout, self.threshold)
        if self.block_size is not None:
            return BlockedGraph(edges, layout, self.block_size)
        batch, length = layout.mask.shape
        # When traced, never: a branch on the length would fix it.
        if not torch.compiler.is_compiling() and batch * length * length > _LARGEST_DENSE_GRAPH:
            return BlockedGraph(edges, layout, max(1, _BLOCK // (batch * length)))
        return DenseGraph(edges, layout)

    def embed_tokens(self, tokens: Tensor, graph: TokenGraph) -> list[Tensor]:
        """Tokens `(N, d)` -> token embeddings in parts `(N, D_i)`, side by side u."""
        outputs, hidden = [], tokens
        for layer in self.layers:
            hidden = F.relu(layer(hidden, graph), inplace=True)  # (N, H)
            outputs.append(hidden)
        if not outputs:
            return [tokens]
        match self.jumping_knowledge:
            case "cat":
                return [tokens, *outputs]  # d and K times H wide
            case "max":
                return [torch.stack(outputs).amax(dim=0)]  # (N, H)
            case "mean":
                return [torch.stack(outputs).mean(dim=0)]
            case "last":
                return outputs[-1:]

    def forward(self, tokens: Tensor, layout: TokenLayout, adjacency: Tensor | None = None) -> PooledTokens:
        graph = self.make_graph(tokens, layout, adjacency)
        parts = self.embed_tokens(tokens, graph)
        weights = self.readout(parts, layout)  # (B, L)
        return PooledTokens(weighted_sum(parts, weights, layout), layout, parts, weights, graph)


class DeepSetsPooling(nn.Module):
    """
    The control without a graph (Deep Sets: Zaheer et al., NeurIPS 2017): an MLP of each token alone, as wide as gives
    it GLOT's number of parameters, and the mean of its outputs, which are as wide as GLOT's.
    """

    def __init__(self, config: GlotConfig):
        super().__init__()
        with torch.device("meta"):
            num_parameters = sum(parameter.numel() for parameter in GlotPooling(config).parameters())
        before, after = config.input_size, config.pooled_size
        width = max(1, round((num_parameters - after) / (before + 1 + after)))
        self.mlp = nn.Sequential(nn.Linear(before, width), nn.ReLU(), nn.Linear(width, after))

    def forward(self, tokens: Tensor, layout: TokenLayout) -> PooledTokens:
        embeddings = self.mlp(tokens)  # (N, D)
        weights = uniform_weights(layout.mask)  # (B, L)
        return PooledTokens(weighted_sum([embeddings], weights, layout), layout, [embeddings], weights)


POOLINGS: dict[str, type[nn.Module]] = {
    "glot": GlotPooling,
    "mean": MeanPooling,
    "max": MaxPooling,
    "cls": ClsPooling,
    "last": LastPooling,
    "weighted_mean": WeightedMeanPooling,
    "adapool": AdaPooling,
    "cross_attention": CrossAttentionPooling,
    "latent_attention": LatentAttentionPooling,
    "multi_query": MultiQueryPooling,
    "deepsets": DeepSetsPooling,
}


class GlotPooler(nn.Module):
    """
    The trained head: token hidden states of a frozen backbone -> sentence vector.

    Args:
        config ([`GlotConfig`]): with `input_size` known.

    Raises:
        ValueError: `config.input_size` is None.

    Example:

    ```python
    >>> import torch
    >>> from glot_hf import GlotConfig, GlotPooler

    >>> pooler = GlotPooler(GlotConfig(input_size=384))
    >>> pooler(torch.randn(2, 7, 384), torch.ones(2, 7)).shape
    torch.Size([2, 640])
    ```
    """

    def __init__(self, config: GlotConfig):
        super().__init__()
        config.validate()  # an assignment checks one option, not how it fits the others
        if config.input_size is None:
            raise ValueError(
                "GlotPooler needs the width of the hidden states: set GlotConfig(input_size=...) or pass a "
                "backbone_config, or build the model with from_backbone(...), which takes it from the backbone"
            )
        self.num_layers_mixed = len(config.backbone_layers) if isinstance(config.backbone_layers, list) else 0
        layers = (self.num_layers_mixed,) if self.num_layers_mixed else ()
        self.token_shape = (*layers, config.input_size)  # of one token's states: (d,), or (n, d)
        self.input_norm = INPUT_NORMS[config.input_norm](self.token_shape) if config.input_norm != "none" else None
        if self.num_layers_mixed:
            self.layer_scores = nn.Parameter(torch.zeros(self.num_layers_mixed))
        self.pooling = TokenStates() if config.compares_tokens else POOLINGS[config.pooling](config)
        self.projection = nn.Linear(config.pooled_size, config.projection_size) if config.projection_size else None

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        return_details: bool = False,
        adjacency: Tensor | None = None,
    ) -> Tensor | PooledTokens:
        """
        Args:
            hidden_states (`Tensor` of shape `(B, L, d)`, floating point): in the dtype of the head's parameters. With
                a list of n `backbone_layers`, `(B, L, n, d)`. Padding may hold anything, NaN included.
            attention_mask (`Tensor` of shape `(B, L)`, bool, int or float): nonzero where a token is valid; all
                are by default.
            return_details (`bool`): return [`PooledTokens`] instead of the vector alone.
            adjacency (`Tensor` of shape `(B, L, L)`, bool, *optional*): the token graph, computed earlier by
                [`~glot_hf.model.graph_glot.token_graph`]; pooling "glot" alone takes it.

        Returns:
            `Tensor` of shape `(B, D)`, or [`PooledTokens`]. A sentence without valid tokens gives zeros before the
            projection.

        Raises:
            ValueError: the shapes do not fit the head or each other, or `adjacency` has no use.
        """
        if hidden_states.dim() < 3 or hidden_states.shape[2:] != self.token_shape:
            raise ValueError(
                f"hidden_states of shape {tuple(hidden_states.shape)} do not fit this head, which takes "
                f"(B, L, {', '.join(map(str, self.token_shape))}): use the backbone that the head was made for, or "
                "make a head with this input_size"
            )
        if attention_mask is None:
            attention_mask = hidden_states.new_ones(hidden_states.shape[:2])
        if attention_mask.shape != hidden_states.shape[:2]:
            raise ValueError(
                f"attention_mask of shape {tuple(attention_mask.shape)} does not fit hidden_states of shape "
                f"{tuple(hidden_states.shape)}: it must be (B, L)"
            )
        if adjacency is not None:
            self._check_graph(adjacency, attention_mask)
        layout = TokenLayout(attention_mask.to(hidden_states.device) != 0)
        tokens = layout.pack(hidden_states)  # (N, d), or (N, n, d)
        if self.input_norm is not None:
            tokens = self.input_norm(tokens, layout)
        if self.num_layers_mixed:
            weights = self.layer_scores.softmax(dim=0).to(tokens.dtype)  # (n,)
            tokens = (tokens * weights[:, None]).sum(dim=1)  # (N, d)
        given = {} if adjacency is None else {"adjacency": adjacency.to(hidden_states.device)}
        pooled = self.pooling(tokens, layout, **given)
        vector = pooled.vector if self.projection is None else self.projection(pooled.vector)
        return dataclasses.replace(pooled, vector=vector) if return_details else vector

    def project_on(self, last: nn.Linear) -> None:
        """Puts a linear map `(D, D)` behind the projection, in place: the two are one."""
        weight, bias = last.weight.detach(), last.bias.detach()
        if self.projection is not None:
            bias = bias + weight @ self.projection.bias.detach()
            weight = weight @ self.projection.weight.detach()
        self.projection = nn.Linear(*weight.shape[::-1], device=weight.device, dtype=weight.dtype)
        self.projection.load_state_dict({"weight": weight, "bias": bias})

    def _check_graph(self, adjacency: Tensor, attention_mask: Tensor) -> None:
        if not isinstance(self.pooling, GlotPooling):
            raise ValueError("adjacency is for pooling='glot': this head's pooling has no graph, leave it out")
        expected = (*attention_mask.shape, attention_mask.shape[1])
        if adjacency.shape != expected or adjacency.dtype != torch.bool:
            raise ValueError(
                f"adjacency of shape {tuple(adjacency.shape)} and {adjacency.dtype} does not fit: it must be bool and "
                f"(B, L, L), here {tuple(expected)}, as glot_hf.model.graph_glot.token_graph gives it"
            )


__all__ = ["GlotPooler", "PooledTokens", "POOLINGS"]
