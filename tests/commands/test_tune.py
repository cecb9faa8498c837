"""`glot-hf tune` from a file to a head, and `glot-hf probe` from a file to a picture."""

import json
from pathlib import Path

import pytest

from glot_hf.commands.main import main
from glot_hf.tuning import recipe


@pytest.fixture
def films(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipe, "_FEWEST_STEPS", 10)
    lines = [f"a {['awful', 'fine'][i % 2]} film of {7 * i % 90} minutes,{['bad', 'good'][i % 2]}" for i in range(66)]
    Path("films.csv").write_text("\n".join(["text,label", *lines]) + "\n")


def test_the_winner_is_trained_and_saved(films, minilm_path, capsys):
    options = ["--backbone", minilm_path, "--train_file", "films.csv", "--output_dir", "head"]
    assert main(["tune", *options, "--trials", "1"]) == 0
    output = capsys.readouterr().out
    assert "tune: takes the" in output and "What was trained is in head" in output
    record = json.loads(Path("head/training_record.json").read_text())
    assert record["command"][:2] == ["glot-hf", "tune"] and record["recipe"]["found"]["heads"] == 9
    assert Path("head/tuning/leaderboard.csv").is_file() and Path("head/tuning/tune.db").is_file()
    assert main(["predict", "head", "--text", "a fine film"]) == 0


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "either --minutes, such as 10, or --trials"),
        (["--minutes", "1", "--trials", "2"], "either --minutes"),
        (["--minutes", "0"], "--minutes 0.0 is not positive"),
        (["--trials", "0"], "--trials 0 is not positive"),
        (["--trials", "2", "--learning_rate", "1e-3"], "--learning_rate is what tune searches"),
        (["--trials", "2", "--no_cache"], "--no_cache keeps no hidden states"),
        (["--trials", "2", "--task", "embedding"], "no labels to tune by"),
    ],
)
def test_mistakes(films, minilm_path, error_line, options, message):
    where = ["--backbone", minilm_path, "--train_file", "films.csv", "--output_dir", "head"]
    assert message in error_line(main(["tune", *where, *options]))


def test_probe(films, minilm_path, capsys):
    options = ["--backbone", minilm_path, "--train_file", "films.csv"]
    assert main(["probe", *options, "--picture", "layers.png", "--output_file", "layers.json"]) == 0
    output = capsys.readouterr().out
    found = json.loads(Path("layers.json").read_text())
    assert len(found["losses"]) == 7 and "reads this with --backbone_layers" in output
    assert output.count("█") > 7 and Path("layers.png").stat().st_size > 5_000


def test_probe_of_graphs(films, minilm_path, capsys):
    options = ["--backbone", minilm_path, "--train_file", "films.csv", "--graph"]
    assert main(["probe", *options, "--picture", "graphs.png", "--output_file", "graphs.json"]) == 0
    output, found = capsys.readouterr().out, json.loads(Path("graphs.json").read_text())
    assert "layer  median cosine" in output and "tau 0.8 joins" in output and Path("graphs.png").is_file()
    assert len(found["density"]) == 7 and len(found["examples"]) == 3 and "held-out loss" not in output


def test_probe_of_few_rows(films, minilm_path, error_line):
    Path("films.csv").write_text("text,label\n" + "a film,good\nrain,bad\n" * 10)
    assert "fewer than 50 rows" in error_line(main(["probe", "--backbone", minilm_path, "--train_file", "films.csv"]))
