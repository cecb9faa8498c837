# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The demonstration: what distractors do to five ways of pooling the same frozen hidden states."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from .data.hidden_states import compute_hidden_states
from .data.stress import matched_texts
from .experiments import train_on_states
from .modeling_glot import GlotForSequenceClassification
from .report import mean_and_deviation
from .training import count_parameters


BACKBONE = "all-MiniLM-L6-v2"
POOLINGS = ("mean", "max", "cls", "adapool", "glot")
SHARES = (0.0, 0.5, 0.8, 0.9)
NUM_TRAIN, NUM_TEST = 500, 500
# The same budget for every pooling.
BUDGET = {"num_train_epochs": 10, "learning_rate": 1e-3, "per_device_train_batch_size": 32}


def run_demo(backbone_path: str, output_dir: str, num_seeds: int = 3) -> dict[str, Any]:
    """
    Trains every pooling on generated texts of every distractor share; prints a table; writes results.json,
    accuracy.png and the GLOT head trained at the largest share to `output_dir`; reloads that head and compares its
    answers.

    Returns:
        `dict`: accuracies by pooling and share (one a seed), head parameters by pooling, and the budget.

    Raises:
        RuntimeError: the reloaded head answers differently.
    """
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    backbone = AutoModel.from_pretrained(backbone_path)
    tokenizer = AutoTokenizer.from_pretrained(backbone_path)
    accuracies = {pooling: {share: [] for share in SHARES} for pooling in POOLINGS}
    parameters: dict[str, int] = {}
    progress = logging.tqdm(total=len(SHARES) * len(POOLINGS) * num_seeds, desc="Training heads")
    for share in SHARES:
        train, test, test_texts = _split(backbone, tokenizer, share)
        for pooling, seed in _runs(num_seeds):
            options = {
                "pooling": pooling,
                "problem_type": "single_label_classification",
                "id2label": {0: "cloth", 1: "metal"},
            }
            # On the CPU: it is small, and the saved head's logits are compared bit for bit.
            trainer = train_on_states(backbone, options, train, seed, use_cpu=True, **BUDGET)
            accuracies[pooling][share].append(trainer.evaluate(test)["eval_accuracy"])
            parameters[pooling] = count_parameters(trainer.model)[0]
            progress.update()
    progress.close()  # the last one trained is a GLOT head, at the largest share

    results = {
        "backbone": BACKBONE,
        "budget": {"training_texts": NUM_TRAIN, "test_texts": NUM_TEST, "seeds": num_seeds, **BUDGET},
        "head_parameters": parameters,
        "accuracy": accuracies,
    }
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(
        f"\nAccuracy on {NUM_TEST} texts at each share of distractor words, mean (deviation) of {num_seeds} seeds:\n"
    )
    print(format_table(results))
    plot(results).savefig(folder / "accuracy.png", dpi=150)
    print(f"\nPicture: {folder / 'accuracy.png'}")
    _save_and_reload(trainer.model, tokenizer, folder / "glot_head", test_texts)
    return results


def _runs(num_seeds: int) -> Iterator[tuple[str, int]]:
    return ((pooling, seed) for pooling in POOLINGS for seed in range(num_seeds))


def _split(backbone: PreTrainedModel, tokenizer, share: float) -> tuple[list[dict], list[dict], list[str]]:
    """Training rows, test rows and test texts; the two are generated from different seeds."""
    rows = []
    for count, seed in ((NUM_TRAIN, 1), (NUM_TEST, 2)):
        texts, labels = matched_texts(count, share, seed)
        states = compute_hidden_states(backbone, tokenizer, texts)
        rows.append([{"hidden_states": state, "labels": label} for state, label in zip(states, labels)])
    return *rows, texts


def format_table(results: dict[str, Any]) -> str:
    """The results as a Markdown table, a row for each pooling."""
    lines = [
        "| pooling | head parameters | " + " | ".join(f"{share:.0%}" for share in SHARES) + " |",
        "|---|---:|" + "---:|" * len(SHARES),
    ]
    for pooling in POOLINGS:
        cells = [mean_and_deviation(results["accuracy"][pooling][share]) for share in SHARES]
        lines.append(f"| {pooling} | {results['head_parameters'][pooling]:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(results: dict[str, Any]) -> Figure:
    """Accuracy against distractor share: a line through the means of each pooling, a dot for each seed."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    shares = [100 * share for share in SHARES]
    for pooling in POOLINGS:
        runs = 100 * torch.tensor([results["accuracy"][pooling][share] for share in SHARES])  # (shares, seeds)
        (line,) = axes.plot(shares, runs.mean(dim=1), label=pooling, linewidth=3 if pooling == "glot" else 1.5)
        for seed in range(runs.shape[1]):
            axes.plot(shares, runs[:, seed], ".", color=line.get_color(), markersize=7, alpha=0.6)
    axes.axhline(50, color="grey", linestyle=":", linewidth=1, label="chance")
    axes.set(xlabel="distractor words (%)", ylabel="accuracy (%)", ylim=(45, 102))
    axes.set_title(f"One statement among distractors, frozen {BACKBONE}: mean and seeds", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside right center")
    return figure


def _save_and_reload(model: GlotForSequenceClassification, tokenizer, folder: Path, texts: list[str]) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    reloaded = AutoModelForSequenceClassification.from_pretrained(folder)
    batch = tokenizer(texts[:64], padding=True, return_tensors="pt")
    with torch.no_grad():
        before, after = model.eval()(**batch).logits, reloaded(**batch).logits
    if not torch.equal(before, after):
        raise RuntimeError(f"the head reloaded from {folder} answers differently, by {(before - after).abs().max()}")
    size = (folder / "model.safetensors").stat().st_size
    print(f"Head: {folder}, {size / 1024:,.0f} KiB; reloaded with AutoModelForSequenceClassification:")
    for text, logits in zip(texts[:2], after[:2]):
        print(f"  {reloaded.config.id2label[logits.argmax().item()]!r} for a text with {_signal(text)!r}")
    print("  the logits of 64 texts are identical, bit for bit")


def _signal(text: str) -> str:
    words = text.split()
    place = words.index("holds")
    return " ".join(words[place - 2 : place + 7])
