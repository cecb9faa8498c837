# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The scores that the paper reports (arXiv 2603.03389), for a look at the same backbone.

The keys are the ends of repository names. The paper says "Mistral-7B" and "LLaMA-3B": the first is v0.1 in the
released README, the second is taken to be Llama 3.2. SmolLM2 is left out: of its sizes we do not know which.
"""

import re


_TASKS = ("cola", "sst2", "stsb", "mrpc", "qqp", "mnli", "mnli-mismatched", "qnli", "rte", "wnli")
# By the metric of each task (STS-B: Spearman; MRPC and QQP: F1).
_GLUE: dict[str, dict[str, tuple[float, ...]]] = {
    "bert-base-uncased": {
        "cls": (22.66, 83.83, 61.08, 79.58, 19.70, 43.86, 45.03, 54.75, 50.90, 45.07),
        "mean": (19.55, 82.91, 74.96, 80.28, 29.01, 43.86, 45.16, 56.43, 51.62, 52.11),
        "max": (15.79, 80.73, 74.12, 81.64, 29.58, 38.60, 39.55, 53.79, 51.98, 49.26),
        "adapool": (29.20, 87.72, 80.01, 77.99, 40.15, 48.57, 49.93, 58.04, 51.62, 45.07),
        "glot": (47.49, 90.25, 83.86, 82.58, 62.19, 54.39, 54.47, 61.08, 59.21, 54.93),
    },
    "roberta-base": {
        "adapool": (26.80, 90.97, 71.12, 80.78, 57.71, 42.51, 44.24, 59.72, 50.45, 41.90),
        "glot": (56.08, 92.78, 85.27, 81.95, 61.41, 57.01, 57.95, 62.73, 56.68, 56.34),
    },
    "tinyllama": {
        "glot": (17.61, 80.73, 71.77, 82.54, 59.92, 48.04, 49.34, 63.77, 57.40, 53.52),
    },
    "llama-3.2-3b": {
        "glot": (55.13, 93.92, 82.83, 82.34, 61.16, 53.49, 54.67, 67.15, 61.01, 56.34),
    },
    "mistral-7b-v0.1": {
        "adapool": (48.00, 93.00, 79.55, 81.12, 49.07, 50.72, 51.56, 55.75, 54.87, 49.30),
        "glot": (54.30, 94.38, 80.51, 82.83, 64.07, 51.66, 53.22, 60.93, 59.21, 56.34),
    },
}
_IMDB: dict[str, dict[str, float]] = {
    "bert-base-uncased": {"cls": 80.2, "adapool": 85.5, "glot": 86.9},
    "roberta-base": {"cls": 82.0, "adapool": 90.9, "glot": 94.5},
    "mistral-7b-v0.1": {"cls": 84.9, "adapool": 95.7, "glot": 96.0},
}


def published_scores(backbone: str) -> dict[str, dict[str, float]]:
    """
    Return the paper's scores in percent, by pooling and task; empty where it does not have that backbone.

    Args:
        backbone (`str`): its repository or folder; the last part of the name decides.
    """
    name = re.split(r"[/\\]", backbone.rstrip("/\\"))[-1].lower()
    known = next((key for key in _GLUE if name == key or (key == "tinyllama" and name.startswith(key))), None)
    if known is None:
        return {}
    scores: dict[str, dict[str, float]] = {pooling: dict(zip(_TASKS, row)) for pooling, row in _GLUE[known].items()}
    for pooling, score in _IMDB.get(known, {}).items():
        scores.setdefault(pooling, {})["imdb"] = score  # for some poolings it is all there is
    return scores
