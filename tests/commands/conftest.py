import json
import random

import pytest

from glot_hf.commands.main import main


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A working folder with small data files of every kind."""
    monkeypatch.chdir(tmp_path)
    generator = random.Random(0)
    good, bad = "great lovely fine".split(), "awful bad poor".split()
    rows = [(f"a {generator.choice([bad, good][i % 2])} film, number {i}", ["bad", "good"][i % 2]) for i in range(40)]
    write("films.csv", "review,mood\n" + "".join(f'"{text}",{label}\n' for text, label in rows))
    write("films.jsonl", "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    write("scores.tsv", "text\tscore\n" + "".join(f"number {i}\t{i / 7:.3f}\n" for i in range(20)))
    write(
        "several.jsonl",
        "".join(json.dumps({"text": f"n {i}", "labels": list("ab"[: i % 3])}) + "\n" for i in range(20)),
    )
    write("pairs.csv", "a,b,label,size\n" + "".join(f"number {i},number {i + i % 2},{i % 2},{i}\n" for i in range(20)))
    return tmp_path


def write(name, content):
    with open(name, "w", encoding="utf-8") as file:
        file.write(content)


@pytest.fixture
def train(minilm_path):
    """Runs `glot-hf train` with a small head for two steps, and what is asked for beside."""

    def run(*options):
        small = ["--gnn_hidden_size", "8", "--max_steps", "2", "--per_device_train_batch_size", "8"]
        return main(["train", "--backbone", minilm_path, "--output_dir", "head", *small, *options])

    return run


@pytest.fixture
def error_line(capsys):
    """Asserts that a command ended as a user's mistake should: exit code 2 and one line; returns the line."""

    def check(exit_code):
        assert exit_code == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("glot-hf ")]
        assert len(lines) == 1 and ": error: " in lines[0]
        return lines[0]

    return check
