# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Poolings, token hidden states -> one sentence vector: GLOT itself, the registry of all poolings, and `GlotPooler`, the
trained head that a configuration describes.

GLOT is a weighted sum of token embeddings, `z = sum_i pi_i u_i`. That is how the paper places its baselines: constant
scores are mean pooling, one-hot scores are CLS pooling, and a graph without layers is attention-scored pooling.
"""

import dataclasses
from typing import Any

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
from .block_glot import ResidualBlock
from .configuration_glot import GlotConfig
from .graph_glot import (
    BlockedGraph,
    DenseGraph,
    GivenEdges,
    GroupedGraph,
    NoOtherTokens,
    PackedEdges,
    SimilarTokens,
    TokenGraph,
    rows_of_block,
)
from .late_glot import NO_VECTORS, TokenStates
from .layers_glot import GNN_LAYERS
from .normalization_glot import INPUT_NORMS
from .packing_glot import TokenLayout
from .readout_glot import PooledTokens, Readout, read_out, uniform_weights, weighted_sum


_LARGEST_DENSE_GRAPH = 2**25  # with more entries (B*L*L), a graph is computed in blocks of rows


class GraphPooling(nn.Module):
    """
    Token graph, K graph layers with ReLU, jumping knowledge, attention readout: the three steps of the paper. Or the
    residual block in place of the layers, and other readouts.
    """

    def __init__(self, config: GlotConfig):
        super().__init__()
        # Joined with itself alone, a token would tell the residual block nothing that W_1 does not: no graph is made.
        self.has_graph = config.block != "residual" or config.graph_type != "self"
        self.graph_type, self.threshold = config.graph_type, config.similarity_threshold
        self.block_size = config.graph_block_size
        self.jumping_knowledge = config.jumping_knowledge
        self.block, readout_hidden_size = None, config.readout_hidden_size
        size, hidden_size, num_layers = config.token_size, config.gnn_hidden_size, config.num_gnn_layers
        if config.block == "residual":
            self.block = ResidualBlock(size, hidden_size, num_layers, config.dropout, self.has_graph)
            readout_hidden_size = readout_hidden_size or hidden_size
        else:
            heads = {"num_heads": config.num_attention_heads} if config.gnn_type == "gat" else {}
            sizes = [size] + [hidden_size] * num_layers
            layer = GNN_LAYERS[config.gnn_type]
            self.layers = nn.ModuleList(layer(before, after, **heads) for before, after in zip(sizes, sizes[1:]))
        self.readouts = config.readouts
        has_attention = "attention" in self.readouts
        self.readout = Readout(config.token_embedding_size, readout_hidden_size) if has_attention else None

    def make_graph(self, tokens: Tensor, layout: TokenLayout, adjacency: Tensor | None) -> TokenGraph:
        """Build the token graph from the tokens `(N, d)`, or from `adjacency` where it is given."""
        given = [None] * len(layout.groups) if adjacency is None else layout.split_pairs(adjacency)
        groups = zip(layout.split(tokens), layout.groups, given)
        graphs = [self._graph_of_group(*group) for group in groups]
        return graphs[0] if layout.groups == [layout] else GroupedGraph(graphs, layout)

    def _graph_of_group(self, tokens: Tensor, layout: TokenLayout, adjacency: Tensor | None) -> TokenGraph:
        """Build the graph of one group: in blocks of rows where the configuration says so, or where it is large."""
        if adjacency is None:
            is_alone = self.graph_type == "self"
            edges = NoOtherTokens(layout.mask) if is_alone else SimilarTokens(tokens, layout, self.threshold)
        elif adjacency.dtype == torch.bool:
            return DenseGraph(GivenEdges(adjacency, layout.mask), layout)
        else:
            edges = PackedEdges(adjacency, layout.mask)
        if self.block_size is not None:
            return BlockedGraph(edges, layout, self.block_size)
        batch, length = layout.mask.shape
        # A traced program has no blocks: a branch on the length would fix the length.
        if not torch.compiler.is_compiling() and batch * length * length > _LARGEST_DENSE_GRAPH:
            return BlockedGraph(edges, layout, rows_of_block(batch, length))
        return DenseGraph(edges, layout)

    def embed_tokens(self, tokens: Tensor, graph: TokenGraph | None) -> list[Tensor]:
        """Run the layers. Tokens `(N, d)` -> parts `(N, D_i)`, which side by side are the token embeddings u."""
        if self.block is not None:
            return [self.block(tokens, graph)]  # (N, H)
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
            case _:  # "last"
                return outputs[-1:]

    def forward(self, tokens: Tensor, layout: TokenLayout, adjacency: Tensor | None = None) -> PooledTokens:
        graph = self.make_graph(tokens, layout, adjacency) if self.has_graph else None
        parts = self.embed_tokens(tokens, graph)
        weights = None if self.readout is None else self.readout(parts, layout)  # (B, L)
        return PooledTokens(read_out(self.readouts, parts, layout, weights), layout, parts, weights, graph)


class DeepSetsPooling(nn.Module):
    """
    The control without a graph (Deep Sets: Zaheer et al., NeurIPS 2017): an MLP of each token alone, and the mean of
    its outputs. It has as many parameters as GLOT, and its outputs are as wide as GLOT's.
    """

    def __init__(self, config: GlotConfig):
        super().__init__()
        with torch.device("meta"):
            num_parameters = sum(parameter.numel() for parameter in GraphPooling(config).parameters())
        before, after = config.token_size, config.pooled_size
        width = max(1, round((num_parameters - after) / (before + 1 + after)))
        self.mlp = nn.Sequential(nn.Linear(before, width), nn.ReLU(), nn.Linear(width, after))

    def forward(self, tokens: Tensor, layout: TokenLayout) -> PooledTokens:
        embeddings = self.mlp(tokens)  # (N, D)
        weights = uniform_weights(layout.mask, tokens.dtype)  # (B, L)
        return PooledTokens(weighted_sum([embeddings], weights, layout), layout, [embeddings], weights)


POOLINGS: dict[str, type[nn.Module]] = {
    "glot": GraphPooling,
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
        config.validate()  # assigning an option checks it alone, not with the others
        if config.input_size is None:
            raise ValueError(
                "GlotPooler needs the width of the hidden states: set GlotConfig(input_size=...) or pass a "
                "backbone_config, or build the model with from_backbone(...), which takes it from the backbone"
            )
        layers = (len(config.backbone_layers),) if isinstance(config.backbone_layers, list) else ()
        self.num_layers_mixed = layers[0] if layers and config.layer_mix == "learned" else 0
        self.token_shape = (*layers, config.state_size)  # the shape of one token's states: (d,), or (n, d)
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
            adjacency (`Tensor` of shape `(B, L, L)`, bool, or `(B, L, ceil(L / 8))`, uint8, *optional*): the token
                graph, computed earlier by [`~glot_hf.model.graph_glot.token_graph`], whole or `packed`; pooling "glot"
                alone takes it.

        Returns:
            `Tensor` of shape `(B, D)`, or [`PooledTokens`]. A sentence without valid tokens gives zeros before the
            projection.

        Raises:
            ValueError: the shapes do not fit the head or each other, `adjacency` has no use, or a vector is asked of
                a head that compares tokens (`pair_mode`).
        """
        if hidden_states.dim() < 3 or hidden_states.shape[2:] != self.token_shape:
            raise ValueError(
                f"hidden_states of shape {tuple(hidden_states.shape)} do not fit this head, which takes "
                f"(B, L, {', '.join(map(str, self.token_shape))}): use the backbone that the head was made for, or "
                "make a head with this input_size, to which token_features add theirs"
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
        tokens = tokens.flatten(1)  # (N, n * d), where layers are concatenated
        given = {} if adjacency is None else {"adjacency": adjacency.to(hidden_states.device)}
        pooled = self.pooling(tokens, layout, **given)
        if pooled.vector is None and not return_details:
            raise ValueError(NO_VECTORS)
        vector: Any = pooled.vector if self.projection is None else self.projection(pooled.vector)
        return dataclasses.replace(pooled, vector=vector) if return_details else vector

    def project_on(self, last: nn.Linear) -> None:
        """Put a linear map `(D, D)` behind the projection, in place, as one linear map."""
        weight, bias = last.weight.detach(), last.bias.detach()
        if self.projection is not None:
            bias = bias + weight @ self.projection.bias.detach()
            weight = weight @ self.projection.weight.detach()
        out_size, in_size = weight.shape
        self.projection = nn.Linear(in_size, out_size, device=weight.device, dtype=weight.dtype)
        self.projection.load_state_dict({"weight": weight, "bias": bias})

    def _check_graph(self, adjacency: Tensor, attention_mask: Tensor) -> None:
        if not getattr(self.pooling, "has_graph", False):
            raise ValueError("adjacency is for pooling='glot' with a graph: this head has no graph, leave it out")
        batch, length = attention_mask.shape
        shapes = {torch.bool: (batch, length, length), torch.uint8: (batch, length, -(-length // 8))}
        if adjacency.shape != shapes.get(adjacency.dtype):
            raise ValueError(
                f"adjacency of shape {tuple(adjacency.shape)} and {adjacency.dtype} does not fit: it must be bool and "
                f"(B, L, L), here {shapes[torch.bool]}, or packed, uint8 and (B, L, ceil(L / 8)), here "
                f"{shapes[torch.uint8]}, as glot_hf.model.graph_glot.token_graph gives it"
            )


__all__ = ["GlotPooler", "PooledTokens", "POOLINGS"]
