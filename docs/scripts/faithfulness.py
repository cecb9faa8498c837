#!/usr/bin/env python
"""
Measure how faithful explanations are, by deleting words: the figures of docs/how-to/explain.md.

Usage: python docs/scripts/faithfulness.py HEAD SST-2/dev.tsv, of a head of one text.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import glot_hf  # noqa: F401  registers the heads
from glot_hf.explain import METHODS, explain


ROWS, DRAWS, SHARES = 300, 20, [0, 0.1, 0.2, 0.3, 0.5, 0.7]


def main(head: str, table: str) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(head).eval()
    tokenizer = AutoTokenizer.from_pretrained(head)
    lines = Path(table).read_text(encoding="utf-8").splitlines()[1:]
    texts = [text for line in lines if len((text := line.split("\t")[0].strip()).split()) >= 8]
    random.Random(0).shuffle(texts)
    rng, better, areas = np.random.default_rng(0), [], {method: [] for method in METHODS}

    def probabilities(some: list[str], answer: int) -> np.ndarray:
        batch = tokenizer(some, return_tensors="pt", padding=True, truncation=True)
        with torch.no_grad():
            return model(**batch).logits.softmax(-1)[:, answer].numpy()

    for text in texts[:ROWS]:
        found = {method: explain(model, text, tokenizer, method=method) for method in METHODS}
        answer = found["contributions"].answer
        before = probabilities([text], answer)[0]
        for method, explanation in found.items():
            towards = explanation.towards_answer(explanation.first).numpy()
            words = [place for place, offsets in enumerate(explanation.offsets) if offsets is not None]
            ranked = [explanation.offsets[place] for place in sorted(words, key=lambda place: -towards[place])]
            cut = [without(text, ranked[: round(share * len(ranked))]) for share in SHARES]
            areas[method].append(np.trapezoid(before - probabilities(cut, answer), SHARES))
            if method == "contributions":
                count = max(1, round(0.2 * len(ranked)))
                drawn = [rng.choice(len(ranked), count, replace=False) for _ in range(DRAWS)]
                some = [ranked[:count], *([ranked[place] for place in places] for places in drawn)]
                after = probabilities([without(text, offsets) for offsets in some], answer)
                better.append(after[0] < after[1:].mean())
    draws = rng.integers(0, len(better), (2000, len(better)))
    difference = np.subtract(*(areas[method] for method in METHODS))
    results = {
        "rows": len(better),
        "better than random": [np.mean(better), *np.quantile(np.array(better)[draws].mean(1), [0.025, 0.975])],
        "areas": {method: np.mean(values) for method, values in areas.items()},
        "difference": [difference.mean(), *np.quantile(difference[draws].mean(1), [0.025, 0.975])],
    }
    print(json.dumps(results, default=float, indent=2))


def without(text: str, offsets: list[tuple[int, int]]) -> str:
    """Return the text without some of its words."""
    kept, at = [], 0
    for start, stop in sorted(offsets):
        kept.append(text[at:start])
        at = stop
    return " ".join("".join([*kept, text[at:]]).split())


if __name__ == "__main__":
    main(*sys.argv[1:])
