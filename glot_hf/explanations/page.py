# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Explanations as one HTML file that needs nothing else: text in any script, arcs, alignments and cosines."""

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .colours import edges_of, node_sizes, shades
from .explanation import Alignment, Explanation, TextExplanation


_STEP, _HIGHEST = 34, 170  # pixels: from a token to the next, and of the highest arc
_ROW = 24  # pixels between the rows of an alignment
_LEAST = 0.15  # of an alignment: lighter lines are left out


def render_explanations(explanations: Sequence[Explanation], title: str) -> str:
    """Return explanations, one after the other, as a page of HTML."""
    environment = Environment(
        loader=PackageLoader("glot_hf.explanations"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    shown = [_shown(explanation) for explanation in explanations]
    return environment.get_template("explanations.html").render(title=title, explanations=shown)


def _shown(explanation: Explanation) -> dict[str, Any]:
    answer, logits = explanation.answer, explanation.logits
    return {
        "answer": None if answer is None else explanation.labels[answer],
        "logits": [] if logits is None else list(zip(explanation.labels, logits.tolist())),
        "bias": [] if explanation.bias is None else explanation.bias.tolist(),
        "labels": explanation.labels,
        "exact": explanation.exact,
        "why": explanation.why,
        "texts": [_text(explanation, part) for part in explanation.texts],
        "alignment": _alignment(explanation, explanation.alignment) if explanation.alignment is not None else None,
    }


def _text(explanation: Explanation, part: TextExplanation) -> dict[str, Any]:
    weights = [None] * len(part.tokens) if part.readout_weights is None else part.readout_weights.tolist()
    contributions = [[]] * len(part.tokens) if part.contributions is None else part.contributions.tolist()
    return {
        "pieces": pieces(explanation, part),
        "rows": list(zip(part.tokens, weights, contributions)),
        "graph": _graph(part),
        "cosines": part.cosines.tolist(),
        "subwords": part.subwords,
    }


def pieces(explanation: Explanation, part: TextExplanation) -> list[tuple[str, float | None]]:
    """
    Return a text in pieces, in its own order and spacing, for the macro `words` of shaded.html: words with their
    strength, and what is between them.
    """
    found: list[tuple[str, float | None]] = []
    at = 0
    for word, place, strength in zip(part.tokens, part.offsets, shades(explanation, part)):
        if place is None:
            found += [(" ", None), (word, strength), (" ", None)]
            continue
        start, stop = place
        found += [(part.text[at:start], None), (part.text[start:stop], strength)]
        at = stop
    return [*found, (part.text[at:], None)]


def _graph(part: TextExplanation) -> dict[str, Any] | None:
    edges = edges_of(part)
    if not edges:
        return None
    arcs = [
        {"from": i * _STEP, "to": j * _STEP, "high": min(_HIGHEST, 14 * (j - i) ** 0.8), "strength": max(0.1, cosine)}
        for i, j, cosine in edges
    ]
    nodes = [
        {"x": place * _STEP, "radius": 2.5 + 6 * size, "name": token}
        for place, (token, size) in enumerate(zip(part.subwords, node_sizes(part)))
    ]
    return {"arcs": arcs, "nodes": nodes, "high": max(arc["high"] for arc in arcs), "wide": _STEP * len(nodes)}


def _alignment(explanation: Explanation, alignment: Alignment) -> dict[str, Any]:
    rows, columns = explanation.texts
    lines = [
        {"from": i * _ROW, "to": j * _ROW, "strength": weight}
        for i, line in enumerate(alignment.weights.tolist())
        for j, weight in enumerate(line)
        if weight >= _LEAST
    ]
    return {
        "lines": lines,
        "rows": [{"y": place * _ROW, "name": name} for place, name in enumerate(rows.subwords)],
        "columns": [{"y": place * _ROW, "name": name} for place, name in enumerate(columns.subwords)],
        "high": _ROW * max(len(rows.subwords), len(columns.subwords)),
    }
