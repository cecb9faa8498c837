# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The matrix products that a step of a GLOT head (GAT layers, jumping knowledge "cat") cannot do without, each timed
alone at its own shape: the sum of their times is what the hardware allows.

All is counted in favour of the roofline, so that a ratio to it is not too small:

- valid tokens only; nothing for padding, activations, softmax, the optimizer, or for memory (outputs are allocated
  beforehand);
- no gradient of the frozen states: the first layer has none for its input, the readout only for the K * H columns;
- products with attention vectors, the classifier, and outer products of two vectors are left out;
- of the ways to do a product of each sentence (one by one, batched by length, batched with padding) and of those to
  store the operands of the others (as they are, transposed), the fastest counts.

The token graph is symmetric and its product is counted whole: PyTorch has none that makes half of it.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .timing import Side


TOKEN_GRAPH = "token graph"


class Product(NamedTuple):
    """A product, its floating point operations, whether it is of the forward pass, and the ways to do it."""

    name: str
    flops: int
    in_forward: bool
    ways: dict[str, Callable[[], Tensor]]

    @property
    def is_graph(self) -> bool:
        """Whether a head whose graph is cached can do without this product."""
        return self.name == TOKEN_GRAPH


def required_products(
    lengths: list[int], input_size: int, hidden_size: int, num_layers: int, device: torch.device
) -> list[Product]:
    """Return the products of a batch of sentences: N tokens, D = d + K * H, a readout of width max(128, D // 2)."""
    tokens, pooled = sum(lengths), input_size + num_layers * hidden_size
    width, graph_columns = max(128, pooled // 2), num_layers * hidden_size
    products = [_of_each_sentence(TOKEN_GRAPH, "L", input_size, "L", True, lengths, device)]
    for layer in range(num_layers):
        size, name = (hidden_size if layer else input_size), f"layer {layer + 1}"
        products += [
            _of_all_tokens(f"{name}, forward", (tokens, size, hidden_size), True, device),
            _of_all_tokens(f"{name}, weight gradient", (hidden_size, tokens, size), False, device),
            _of_each_sentence(f"{name}, mixing", "L", "L", hidden_size, True, lengths, device),
            _of_each_sentence(f"{name}, mixing, gradient of values", "L", "L", hidden_size, False, lengths, device),
            _of_each_sentence(f"{name}, mixing, gradient of weights", "L", hidden_size, "L", False, lengths, device),
        ]
        if layer:
            products.append(_of_all_tokens(f"{name}, input gradient", (tokens, hidden_size, size), False, device))
    products += [
        _of_all_tokens("readout, forward", (tokens, pooled, width), True, device),
        _of_all_tokens("readout, weight gradient", (width, tokens, pooled), False, device),
        _of_all_tokens("score, forward", (tokens, width, 1), True, device),
        _of_all_tokens("score, weight gradient", (1, tokens, width), False, device),
        _of_each_sentence("weighted sum", 1, "L", pooled, True, lengths, device),
        _of_each_sentence("weighted sum, gradient of weights", "L", pooled, 1, False, lengths, device),
    ]
    if graph_columns:
        products.append(_of_all_tokens("readout, input gradient", (tokens, width, graph_columns), False, device))
    return products


def as_sides(products: list[Product], calls: int) -> dict[str, Side]:
    """Return sides for [`interleave`]: each way of each product, `calls` times in a row."""
    return {f"{p.name}: {way}": Side(run, calls=calls) for p in products for way, run in p.ways.items()}


def seconds_of(product: Product, medians: dict[str, float]) -> float:
    """Return the seconds of its fastest way."""
    return min(medians[f"{product.name}: {way}"] for way in product.ways)


def _of_all_tokens(name: str, shape: tuple[int, int, int], in_forward: bool, device: torch.device) -> Product:
    """`(m, k) @ (k, n)`. Timed with each operand stored as it is or transposed, since a layer may choose."""
    rows, inner, columns = shape
    output = torch.empty(rows, columns, device=device)
    lefts = torch.randn(rows, inner, device=device), torch.randn(inner, rows, device=device).T
    rights = torch.randn(inner, columns, device=device), torch.randn(columns, inner, device=device).T
    ways = {
        f"{first} @ {second}": lambda left=left, right=right: torch.mm(left, right, out=output)
        for first, left in zip(("A", "A^T"), lefts)
        for second, right in zip(("B", "B^T"), rights)
    }
    return Product(name, 2 * rows * inner * columns, in_forward, ways)


def _of_each_sentence(
    name: str,
    rows: str | int,
    inner: str | int,
    columns: str | int,
    in_forward: bool,
    lengths: list[int],
    device: torch.device,
) -> Product:
    """`(m, k) @ (k, n)` for each sentence; "L" stands for its length."""

    def operands(length: int, *batch: int) -> tuple[Tensor, Tensor, Tensor]:
        m, k, n = (length if isinstance(size, str) else size for size in (rows, inner, columns))
        shapes = (*batch, m, k), (*batch, k, n), (*batch, m, n)
        a, b, out = (torch.randn(shape, device=device) for shape in shapes)
        return a, b, out

    single = [operands(length) for length in lengths]
    grouped = [operands(length, lengths.count(length)) for length in sorted(set(lengths))]
    padded = operands(max(lengths), len(lengths))
    ways = {
        "one by one": lambda: [torch.mm(left, right, out=output) for left, right, output in single],
        "by length": lambda: [torch.bmm(left, right, out=output) for left, right, output in grouped],
        "padded": lambda: torch.bmm(padded[0], padded[1], out=padded[2]),
    }
    flops = sum(2 * left.shape[0] * left.shape[1] * right.shape[1] for left, right, _ in single)
    return Product(name, flops, in_forward, ways)
