#!/usr/bin/env python
"""
Compare the default recipe with the released recipe and a linear head on GLUE's dev files: tables of docs/recipe.md.

Each side of each task and seed is one `glot-hf train`, whose choices are made on rows held out from the train file.
The answers on dev are kept in OUTPUT_DIR, so that the same command goes on with what was interrupted. It prints the
metric of each seed, and the paired difference of the seeds' mean with a 95 % bootstrap interval over dev rows.

Usage: python docs/scripts/glue_dev.py BACKBONE GLUE_DIR OUTPUT_DIR --tasks cola rte --seeds 0 1 2
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from glot_hf.data.tasks import find_task


FOLDERS = {"cola": "CoLA", "sst2": "SST-2", "stsb": "STS-B", "mrpc": "MRPC", "rte": "RTE", "wnli": "WNLI"}
FIRST_ROWS = {"sst2": ["--max_train_rows", "10000"]}
METRICS = {
    "matthews_correlation": matthews_corrcoef,
    "f1": f1_score,
    "accuracy": accuracy_score,
    "spearman": lambda labels, scores: spearmanr(labels, scores).statistic,
}
DRAWS = 2000


def options(side: str, is_pair: bool) -> list[str]:
    """Return what a side types. The linear head is fitted to convergence, on the layers that its own probe chooses."""
    if side == "paper":
        return ["--recipe", "paper"]
    linear = ["--pooling", "mean", "--backbone_layers", "auto", *(["--pair_mode", "interaction"] if is_pair else [])]
    return linear if side == "linear" else []


def answer_dev(task: str, side: str, seed: int, arguments: argparse.Namespace) -> list[float]:
    """Return the answers of one side on dev: numbers of classes, or scores."""
    known = arguments.output_dir / f"{task}-{side}-{seed}.json"
    if known.is_file():
        return json.loads(known.read_text(encoding="utf-8"))
    found = find_task(task)
    folder, head = str(arguments.glue / FOLDERS[task]), arguments.output_dir / f"head-{task}-{side}-{seed}"
    command = [sys.executable, "-m", "glot_hf.commands.main"]
    train = [*command, "train", "--backbone", arguments.backbone, "--task", task, "--data_dir", folder]
    train += ["--seed", str(seed), "--output_dir", str(head), *options(side, len(found.text_columns) == 2)]
    subprocess.run([*train, *FIRST_ROWS.get(task, [])], check=True, stdout=subprocess.DEVNULL)
    rows, answers = arguments.output_dir / f"{task}.jsonl", arguments.output_dir / f"{task}-{side}-{seed}.jsonl"
    found.examples("validation", folder).remove_columns("labels").to_json(rows)
    subprocess.run(
        [*command, "predict", str(head), "--test_file", str(rows), "--output_file", str(answers)], check=True
    )
    lines = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    names = found.labels.names
    values = [names.index(line["label"]) if names else line["score"] for line in lines]
    shutil.copy(head / "training_record.json", arguments.output_dir / f"{task}-{side}-{seed}-record.json")
    known.write_text(json.dumps(values), encoding="utf-8")
    return values


def compare(task: str, answers: dict[str, np.ndarray], arguments: argparse.Namespace) -> None:
    """Print a side's metric by seed, and what the first side is above each other one."""
    found = find_task(task)
    labels = np.array(found.examples("validation", str(arguments.glue / FOLDERS[task]))["labels"][:])
    metric, rng = METRICS[found.metric], np.random.default_rng(0)

    def means(rows: np.ndarray) -> dict[str, float]:
        return {
            side: 100 * np.mean([metric(labels[rows], each[rows]) for each in all_]) for side, all_ in answers.items()
        }

    everywhere = np.arange(len(labels))
    for side, each in answers.items():
        values = [100 * metric(labels, one) for one in each]
        print(
            f"{task} {side}: {np.mean(values):.2f} (sd {np.std(values):.2f})  {' '.join(f'{v:.1f}' for v in values)}"
        )
    whole = means(everywhere)
    draws = [means(rng.choice(everywhere, len(everywhere))) for _ in range(DRAWS)]
    first, *others = answers
    for side in others:
        low, high = np.quantile([draw[first] - draw[side] for draw in draws], [0.025, 0.975])
        print(f"{task} {first} above {side}: {whole[first] - whole[side]:+.2f} [{low:+.2f}, {high:+.2f}]")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbone")
    parser.add_argument("glue", type=Path)
    parser.add_argument("output_dir", type=Path)
    parser.add_argument("--tasks", nargs="+", default=list(FOLDERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--sides", nargs="+", default=["default", "paper", "linear"])
    arguments = parser.parse_args()
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    for task in arguments.tasks:
        answers = {
            side: np.array([answer_dev(task, side, seed, arguments) for seed in arguments.seeds])
            for side in arguments.sides
        }
        compare(task, answers, arguments)


if __name__ == "__main__":
    main()
