"""The report that `glot-hf train` leaves beside a head, and that nothing of it is published."""

import json
from pathlib import Path

import pandas
import pytest

from glot_hf.commands.main import main


MARKER = "zanzibar quux"


@pytest.fixture(autouse=True)
def short_reports():
    """Reports are whole here."""


@pytest.fixture
def films(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"a {['awful', 'fine'][i % 2]} film of {7 * i % 90} minutes,{['bad', 'good'][i % 2]}" for i in range(40)]
    rows[::7] = [f"{row.partition(',')[0]} {MARKER},{['good', 'bad'][i % 2]}" for i, row in enumerate(rows[::7])]
    Path("films.csv").write_text("\n".join(["text,label", *rows]) + "\n")


def test_rows_are_those_of_the_file(films, minilm_path, capsys):
    options = ["--backbone", minilm_path, "--train_file", "films.csv", "--output_dir", "head"]
    assert main(["train", *options, "--pooling", "adapool", "--max_steps", "3"]) == 0
    report = json.loads(Path("head/report.json").read_text())
    lines = Path("films.csv").read_text().splitlines()[1:]
    assert report["rows"] == 4 and sum(report["training_rows"].values()) == 36
    for mistake in report["mistakes"]:
        assert lines[mistake["row"] - 1] == f"{mistake['text']},{mistake['label']}"
    assert report["baseline"]["rows"] == 36 and 0 <= report["baseline"]["value"] <= 1
    assert report["curve"] and Path("head/curve.png").is_file()
    output = capsys.readouterr().out
    assert "accuracy" in output and "report: head/report.md" in output


def test_an_earlier_report_does_not_stay(films, minilm_path):
    options = ["--backbone", minilm_path, "--output_dir", "head", "--overwrite_output_dir", "--max_steps", "1"]
    assert main(["train", *options, "--train_file", "films.csv"]) == 0
    assert Path("head/confusion.png").is_file()
    Path("scores.csv").write_text("text,score\n" + "".join(f"film {i},{i / 7}\n" for i in range(40)))
    assert main(["train", *options, "--train_file", "scores.csv", "--label_column", "score"]) == 0
    assert Path("head/predicted.png").is_file() and not Path("head/confusion.png").exists()


def test_no_text_is_published(films, minilm_path, hub_here):
    options = ["--backbone", minilm_path, "--train_file", "films.csv", "--output_dir", "head"]
    assert main(["train", *options, "--backbone_in_checkpoint", "--max_steps", "1"]) == 0
    assert MARKER in Path("head/report.md").read_text() + Path("head/report.json").read_text()
    assert main(["publish", "head", "tester/films"]) == 0
    uploaded = hub_here.files("tester/films")
    assert "model.safetensors" in uploaded and not any(name.startswith("report") for name in uploaded)
    assert not any(MARKER.encode() in content for content in uploaded.values())


def test_answers_as_a_table(films, minilm_path, capsys, error_line):
    """From a file to per-class scores and a CSV of probabilities."""
    options = ["--backbone", minilm_path, "--train_file", "films.csv", "--output_dir", "head"]
    assert main(["train", *options]) == 0
    assert main(["predict", "head", "--test_file", "films.csv", "--output_file", "answers.csv"]) == 0
    table = pandas.read_csv("answers.csv")
    assert list(table) == ["text", "label", "predicted", "probability", "p_bad", "p_good"] and len(table) == 40
    assert (table[["p_bad", "p_good"]].max(axis=1) - table["probability"]).abs().max() < 1e-6
    capsys.readouterr()
    assert main(["predict", "head", "--text", "a fine film", "--top_k", "1"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["scores"] == {answer["label"]: answer["score"]}
    Path("clash.csv").write_text("text,predicted\na film,x\n")
    options = ["--test_file", "clash.csv", "--text_column", "text", "--output_file", "answers.csv"]
    assert "has a column 'predicted'" in error_line(main(["predict", "head", *options]))
