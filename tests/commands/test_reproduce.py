"""`glot-hf reproduce`: every cell once, chosen on held-out training rows, on tiny tasks."""

import json

import pytest

import glot_hf.reproduce
from glot_hf.commands.arguments import parse_variant
from glot_hf.commands.main import main


@pytest.fixture
def glue(tmp_path, monkeypatch):
    """A folder with a tiny CoLA and a tiny STS-B."""
    monkeypatch.chdir(tmp_path)
    rows = [f"src\t{i % 2}\t\t{['a bad', 'the good'][i % 2]} sentence number {i}." for i in range(40)]
    pairs = ["index\tsentence1\tsentence2\tscore"] + [f"{i}\tnumber {i}\tnumber {i % 6}\t{i % 6}" for i in range(30)]
    for folder, lines in (("CoLA", rows), ("STS-B", pairs)):
        (tmp_path / "glue" / folder).mkdir(parents=True)
        for name in ("train.tsv", "dev.tsv"):
            (tmp_path / "glue" / folder / name).write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def trained(monkeypatch):
    """The arguments of every training, in order."""
    calls = []
    train = glot_hf.reproduce.train_on_states

    def spy(backbone, head_options, rows, seed, evaluation_rows=None, **options):
        calls.append({"head": head_options, "rows": rows, "seed": seed, "evaluated": evaluation_rows, **options})
        return train(backbone, head_options, rows, seed, evaluation_rows, **options)

    monkeypatch.setattr(glot_hf.reproduce, "train_on_states", spy)
    return calls


@pytest.fixture
def reproduce(glue, minilm_path):
    def run(*options):
        small = ["--gnn_hidden_size", "8", "--num_train_epochs", "1", "--output_dir", "out", "--data_dir", "glue"]
        return main(["reproduce", "--backbone", minilm_path, *small, *options])

    return run


def test_every_cell_once(reproduce, glue, trained, capsys):
    options = ["--tasks", "cola", "stsb", "--poolings", "mean", "glot", "--seeds", "0", "1"]
    options += ["--learning_rates", "1e-3", "1e-2"]
    assert reproduce(*options) == 0
    assert len(trained) == 2 * 2 * (2 + 2)
    first = json.loads((glue / "out" / "results.json").read_text())
    assert reproduce(*options) == 0
    assert len(trained) == 16  # nothing again
    assert json.loads((glue / "out" / "results.json").read_text()) == first
    (glue / "out" / "cells" / "stsb" / "glot" / "selection-lr0.001-seed0.json").unlink()  # as if killed in it
    assert reproduce(*options, "--seeds", "0", "1", "2") == 0
    assert len(trained) == 16 + 1 + 4
    output = capsys.readouterr().out
    assert "| pooling | head parameters | cola | stsb |" in output and "minus the best baseline" in output
    assert (glue / "out" / "heat_map.png").stat().st_size > 1000
    assert (glue / "out" / "report.md").read_text() in output


def test_the_reported_split_chooses_nothing(reproduce, glue, trained):
    assert reproduce("--poolings", "mean", "--seeds", "3", "--learning_rates", "1e-3", "1e-2") == 0
    *selection, final = trained
    assert [len(call["rows"]) for call in trained] == [36, 36, 40]
    assert all(call["evaluated"] is None for call in trained)
    assert [call["seed"] for call in trained] == [3, 3, 3]
    cells = [json.loads(path.read_text()) for path in sorted((glue / "out" / "cells").rglob("*.json"))]
    scores = {cell["learning_rate"]: cell["score"] for cell in cells if cell["phase"] == "selection"}
    assert final["learning_rate"] == max(scores, key=scores.get)
    (report,) = [cell for cell in cells if cell["phase"] == "final"]
    assert report["score"] == report["metrics"]["validation"]["eval_matthews_correlation"]


def test_released_protocol(reproduce, glue, trained):
    """The epoch with the best accuracy on the reported split; its other metrics from that epoch."""
    options = ["--protocol", "released", "--poolings", "mean", "--seeds", "0", "--num_train_epochs", "3"]
    assert reproduce(*options, "--tasks", "cola", "stsb") == 0
    (cola, stsb) = trained
    assert cola["learning_rate"] == 2e-4 and cola["lr_scheduler_type"] == "constant" and cola["max_grad_norm"] == 0
    assert len(cola["rows"]) == len(cola["evaluated"]) == 40
    cells = json.loads((glue / "out" / "results.json").read_text())["results"]
    metrics = cells["stsb"]["mean"][0]["metrics"]["validation"]
    assert cells["stsb"]["mean"][0]["score"] == pytest.approx((metrics["eval_spearman"] + metrics["eval_pearson"]) / 2)
    metrics = cells["cola"]["mean"][0]["metrics"]["validation"]
    assert cells["cola"]["mean"][0]["score"] == metrics["eval_matthews_correlation"]
    assert 1 <= metrics["epoch"] <= 3


def test_best_epoch_of_the_released_protocol():
    epochs = [{"eval_accuracy": 0.6, "n": 1}, {"eval_accuracy": 0.8, "n": 2}, {"eval_accuracy": 0.8, "n": 3}]
    assert max(epochs, key=glot_hf.reproduce._released_score)["n"] == 2


def test_variants(reproduce, trained):
    assert reproduce("--poolings", "glot:tau=0.3,graph_type=self", "--seeds", "0", "--learning_rates", "1e-3") == 0
    head = trained[0]["head"]
    assert (head["pooling"], head["similarity_threshold"], head["graph_type"]) == ("glot", 0.3, "self")
    assert head["gnn_hidden_size"] == 8  # of all


def test_parse_variant():
    assert parse_variant("mean").options == {"pooling": "mean"}
    assert parse_variant("multi_query:num_latents=2,num_attention_heads=4").options == {
        "pooling": "multi_query",
        "num_latents": 2,
        "num_attention_heads": 4,
    }


def test_a_head_that_diverges_counts_as_zero_and_does_not_stop_the_rest(reproduce, glue, capsys):
    options = ["--tasks", "stsb", "cola", "--poolings", "mean", "--seeds", "0", "--learning_rates", "1e-3", "1e38"]
    assert reproduce(*options, "--pair_mode", "concat") == 0
    cells = json.loads((glue / "out" / "results.json").read_text())["results"]
    assert cells["stsb"]["mean"][0]["learning_rate"] == 1e-3
    diverged = json.loads((glue / "out/cells/stsb/mean/selection-lr1e+38-seed0.json").read_text())
    assert diverged["score"] is None


@pytest.mark.parametrize(
    "options, message",
    [
        (["--tasks", "cora"], "there is no task 'cora'"),
        (["--tasks", "rte"], "holds no folder of the task rte"),
        (["--data_dir", "nowhere"], "'nowhere' holds no folder"),
        (["--poolings", "glut"], "glut"),
        (["--poolings", "glot:graph=self"], "there is no option '--graph"),
        (["--poolings", "glot:tau=2"], "got 2.0"),
        (["--poolings", "glot:backbone_layers=3"], "not of one pooling but of all"),
        (["--pooling", "glot"], "--poolings"),
        (["--batch_size", "0"], "--batch_size 0 is not positive"),
        (["--protocol", "released", "--learning_rates", "1e-3", "1e-4"], "takes one learning rate"),
        (["--protocol", "mine"], "mine"),
    ],
)
def test_mistakes(reproduce, error_line, options, message):
    assert message in error_line(reproduce("--seeds", "0", *options))


def test_other_settings_in_the_same_folder(reproduce, error_line):
    options = ["--poolings", "mean", "--seeds", "0", "--learning_rates", "1e-3"]
    assert reproduce(*options) == 0
    assert "another head_options" in error_line(reproduce(*options, "--tau", "0.5"))
