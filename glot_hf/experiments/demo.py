# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The demonstration: a stress test of six poolings of the same frozen hidden states, and a head to keep."""

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from ..model.modeling_glot import GlotForSequenceClassification
from ..publishing.backbone_card import short_name
from ..states.key import hash_backbone
from ..states.running import state_rows
from ..training.on_states import Budget, train_on_states
from .stress import TEST_TEXTS, TRAIN_TEXTS, run_stress_test
from .stress_options import StressTestArguments
from .stress_texts import matched_texts


VARIANTS = {
    **{name: {"pooling": name} for name in ("mean", "max", "cls", "adapool")},
    "glot:graph_type=self": {"pooling": "glot", "graph_type": "self"},  # the control without edges
    "glot": {"pooling": "glot"},
}
RATIOS = [0.0, 0.5, 0.8, 0.9]
NUM_TEXTS = 500  # to train on, and as many to test on
# The best, or within a point of it, of the budgets that `glot-hf stress-test` tries, for each pooling at each ratio,
# by thirds of the training texts that are held out in turn. That search takes half an hour.
BUDGET = Budget(learning_rate=5e-3, steps=450)


def run_demo(backbone_path: str, output_dir: str, num_seeds: int = 3) -> dict[str, Any]:
    """
    Run the stress test on the generator without a leak; then train a GLOT head at the largest ratio, save it to
    `output_dir`, reload it and compare its answers.

    Args:
        backbone_path (`str`): the folder of the backbone.
        output_dir (`str`): takes the table, the picture and the head.
        num_seeds (`int`): heads trained for each pooling and ratio.

    Returns:
        `dict`: see [`~glot_hf.experiments.stress.run_stress_test`].

    Raises:
        RuntimeError: the reloaded head answers differently.
    """
    backbone = AutoModel.from_pretrained(backbone_path, trust_remote_code=False)  # nosec B615 # a folder
    tokenizer = AutoTokenizer.from_pretrained(backbone_path, trust_remote_code=False)  # nosec B615 # a folder
    arguments = StressTestArguments(
        output_dir=output_dir,
        generator="matched",
        ratios=RATIOS,
        poolings=list(VARIANTS),
        seeds=list(range(num_seeds)),
        train_size=NUM_TEXTS,
        test_size=NUM_TEXTS,
        learning_rates=[BUDGET.learning_rate],
        steps=[BUDGET.steps],
    )
    source = {"backbone": short_name(backbone_path), **hash_backbone(backbone, tokenizer)}
    results = run_stress_test(backbone, tokenizer, arguments, VARIANTS, {}, source)

    texts, labels = arguments.texts(NUM_TEXTS, RATIOS[-1], "random", TRAIN_TEXTS)
    rows = state_rows(backbone, tokenizer, Dataset.from_dict({"text": texts, "labels": labels}))
    options = {"problem_type": "single_label_classification", "id2label": {0: "cloth", 1: "metal"}}
    trainer = train_on_states(backbone, options, rows, seed=0, **BUDGET.training_options)
    test_texts, _ = matched_texts(64, RATIOS[-1], TEST_TEXTS)
    model: Any = trainer.model
    _save_and_reload(model.cpu(), tokenizer, Path(output_dir, "glot_head"), test_texts)
    return results


def _save_and_reload(model: GlotForSequenceClassification, tokenizer, folder: Path, texts: list[str]) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    reloaded = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=False)  # nosec B615 # a folder
    batch = tokenizer(texts, padding=True, return_tensors="pt")
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
