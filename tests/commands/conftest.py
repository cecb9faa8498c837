import json
import random
import shutil

import pytest

from glot_hf.commands.main import main


def _shorten_reports(patch):
    # Each name where it is used: a module first imported meanwhile would keep what its source was patched with.
    patch.setattr("glot_hf.reports.answers._NUM_DRAWS", 5)
    patch.setattr("glot_hf.reports.report.draw_pictures", lambda report, folder: [])
    baseline = {"name": "no baseline", "value": None, "rows": 0, "seconds": 0.0}
    patch.setattr("glot_hf.runs.classification.linear_baseline", lambda *args, **kwargs: baseline)


@pytest.fixture(autouse=True)
def short_reports(monkeypatch):
    """
    Reports without pictures, baseline and a thousand draws, which take longer than the training that they are of.
    test_report.py has whole ones.
    """
    _shorten_reports(monkeypatch)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A working folder with small data files of every kind."""
    monkeypatch.chdir(tmp_path)
    _write_files()
    return tmp_path


def _write_files():
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


def write(name, content):
    with open(name, "w", encoding="utf-8") as file:
        file.write(content)


@pytest.fixture
def train(minilm_path):
    """Runs `glot-hf train` with a small head for two steps, and what is asked for beside."""

    return lambda *options: _train(minilm_path, *options)


def _train(backbone, *options):
    small = ["--gnn_hidden_size", "8", "--max_steps", "2", "--per_device_train_batch_size", "8"]
    return main(["train", "--backbone", backbone, "--output_dir", "head", *small, *options])


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory, minilm_path):
    """The folder of a head on films.csv, which is trained once for all tests that only need one."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _shorten_reports(patch)
        _write_files()
        assert _train(minilm_path, "--train_file", "films.csv", "--label_column", "mood") == 0
    return folder / "head"


@pytest.fixture
def trained_head(files, trained_once):
    """The folder `head` in the working folder: a head on films.csv after two steps, with its checkpoint."""
    shutil.copytree(trained_once, "head")
    return files / "head"


@pytest.fixture
def error_line(capsys):
    """Asserts that a command ended as a user's mistake should: exit code 2 and one line; returns the line."""

    def check(exit_code):
        assert exit_code == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("glot-hf ")]
        assert len(lines) == 1 and ": error: " in lines[0]
        return lines[0]

    return check
