"""`glot-hf reproduce`: every cell once, chosen on held-out training rows, on tiny tasks."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Trainer

import glot_hf.experiments.panels
from glot_hf.commands.main import main
from glot_hf.runs.variants import parse_variants


@pytest.fixture
def glue(tmp_path, monkeypatch):
    """A folder with a tiny CoLA and a tiny STS-B."""
    monkeypatch.chdir(tmp_path)
    rows = [f"src\t{i % 2}\t\t{['a bad', 'the good'][i % 2]} sentence number {i}." for i in range(40)]
    pairs = ["index\tsentence1\tsentence2\tscore"] + [f"{i}\tnumber {i}\tnumber {i % 6}\t{i % 6}" for i in range(30)]
    for folder, lines in (("CoLA", rows), ("STS-B", pairs)):
        (tmp_path / "glue" / folder).mkdir(parents=True)
        for name, kept in (("train.tsv", lines), ("dev.tsv", [line.replace("number", "item") for line in lines])):
            (tmp_path / "glue" / folder / name).write_text("\n".join(kept) + "\n")
    return tmp_path


@pytest.fixture
def trained(monkeypatch):
    """The arguments of every training, in order."""
    calls = []
    train = glot_hf.experiments.panels.train_on_states

    def spy(backbone, head_options, rows, seed, evaluation_rows=None, **options):
        calls.append({"head": head_options, "rows": rows, "seed": seed, "evaluated": evaluation_rows, **options})
        return train(backbone, head_options, rows, seed, evaluation_rows, **options)

    monkeypatch.setattr(glot_hf.experiments.panels, "train_on_states", spy)
    return calls


@pytest.fixture
def reproduce(glue, minilm_path):
    def run(*options):
        small = ["--gnn_hidden_size", "8", "--output_dir", "out", "--data_dir", "glue"]
        budget = [] if "released" in options or "--steps" in options else ["--steps", "2"]
        return main(["reproduce", "--backbone", minilm_path, *small, *budget, *options])

    return run


def cell_of(folder, task, name):
    (path,) = (folder / "out" / "cells").glob(f"{task}-*/{name}.json")
    return path


def test_every_cell_once(reproduce, glue, trained, capsys):
    options = ["--tasks", "cola", "stsb", "--poolings", "mean", "glot", "--pair_mode", "concat", "--seeds", "0", "1"]
    options += ["--learning_rates", "1e-3", "1e-2"]
    assert reproduce(*options) == 0
    assert len(trained) == 2 * (2 * 3 + 2)  # of glot: each rate on each third that is held out, then two seeds
    first = json.loads((glue / "out" / "results.json").read_text())
    assert reproduce(*options) == 0
    assert len(trained) == 16  # nothing again
    assert json.loads((glue / "out" / "results.json").read_text()) == first
    cell_of(glue, "stsb", "glot/selection-lr0.001-steps2").unlink()  # as if killed in it
    assert reproduce(*options, "--seeds", "0", "1", "2") == 0
    assert len(trained) == 16 + 3 + 2
    output = capsys.readouterr().out
    assert (
        "| pooling | head parameters | cola | stsb |" in output and "| learning rate x steps, or penalty |" in output
    )
    assert (glue / "out" / "heat_map.png").stat().st_size > 1000
    assert (glue / "out" / "report.md").read_text() in output


def test_rows_that_were_replaced_are_trained_on_anew(reproduce, glue, trained):
    """Under the same path, with the same modification time."""
    options = ["--poolings", "glot", "--seeds", "0", "--learning_rates", "1e-3"]
    assert reproduce(*options) == 0
    train = glue / "glue" / "CoLA" / "train.tsv"
    times = (train.stat().st_atime_ns, train.stat().st_mtime_ns)
    train.write_text(train.read_text().replace("sentence", "phrase"))
    os.utime(train, ns=times)
    assert reproduce(*options) == 0 and len(trained) == 2


def test_a_backbone_that_changed_is_refused(reproduce, glue, minilm_path, error_line):
    shutil.copytree(minilm_path, glue / "backbone")
    options = ["--backbone", "backbone", "--poolings", "mean", "--seeds", "0"]
    assert reproduce(*options) == 0
    weights = load_file(glue / "backbone" / "model.safetensors")
    weights["embeddings.LayerNorm.bias"] += 1e-3
    save_file(weights, glue / "backbone" / "model.safetensors", {"format": "pt"})
    assert "holds results with another weights" in error_line(reproduce(*options))


def test_the_reported_split_chooses_nothing(reproduce, glue, trained, monkeypatch):
    judged, evaluate = [], Trainer.evaluate
    monkeypatch.setattr(Trainer, "evaluate", lambda self, rows: judged.append(rows) or evaluate(self, rows))
    assert reproduce("--poolings", "adapool", "--seeds", "3", "--learning_rates", "1e-3", "--steps", "1", "2") == 0
    *selection, final = trained
    assert [len(call["rows"]) for call in trained] == [26, 27, 27] * 2 + [40]
    assert [call["max_steps"] for call in selection] == [1, 1, 1, 2, 2, 2]
    assert all(call["evaluated"] is None for call in trained)
    assert [call["seed"] for call in trained] == [0] * 6 + [3]
    all_rows = final["rows"]
    for call, rows in zip(selection, judged):
        assert rows.dataset is call["rows"].dataset is all_rows
        assert sorted([*rows.indices, *call["rows"].indices]) == list(range(40))
    trained_on = [row["hidden_states"] for row in all_rows]
    assert len(judged[-1]) == 40
    assert not any(torch.equal(row["hidden_states"], other) for row in judged[-1] for other in trained_on)
    cells = [json.loads(path.read_text()) for path in sorted((glue / "out" / "cells").rglob("*.json"))]
    scores = {cell["budget"]["steps"]: sum(cell["scores"]) for cell in cells if "budget" in cell}
    assert final["max_steps"] == max(scores, key=scores.get)
    (report,) = [cell for cell in cells if "chosen" in cell]
    assert report["score"] == report["metrics"]["validation"]["eval_matthews_correlation"]


def test_linear_heads_are_fitted_and_not_trained(reproduce, glue, trained):
    """One text, and two texts; one cell for all seeds. Cosines of pairs are no linear problem."""
    options = ["--tasks", "cola", "stsb", "--poolings", "mean", "--seeds", "0", "1"]
    assert reproduce(*options, "--pair_mode", "interaction") == 0
    assert trained == []
    results = json.loads((glue / "out" / "results.json").read_text())["results"]
    assert [cell["seed"] for cell in results["cola"]["mean"]] == [0, 1]
    assert results["cola"]["mean"][0]["chosen"].startswith("C ")
    assert results["stsb"]["mean"][0]["chosen"].startswith("alpha ")
    assert results["stsb"]["mean"][0]["score"] == results["stsb"]["mean"][1]["score"]
    assert len(list((glue / "out" / "cells").rglob("*.json"))) == 2


def test_late_interaction_and_its_control(reproduce, glue):
    variants = ["glot:pair_mode=late", "glot:pair_mode=late_mean"]
    assert reproduce("--tasks", "stsb", "--poolings", *variants, "--seeds", "0", "--learning_rates", "1e-3") == 0
    found = json.loads((glue / "out" / "results.json").read_text())["results"]["stsb"]
    late, control = (found[variant][0] for variant in variants)
    assert late["head_parameters"] == control["head_parameters"] and late["score"] != control["score"]


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


def test_both_splits_of_mnli(reproduce, glue, capsys):
    folder = glue / "glue" / "MNLI"
    folder.mkdir()
    labels = ("entailment", "neutral", "contradiction")
    for name, count in (("train", 30), ("dev_matched", 12), ("dev_mismatched", 9)):
        rows = [f"number {i}\tnumber {i % 3}\t{labels[i % 3]}" for i in range(count)]
        (folder / f"{name}.tsv").write_text("\n".join(["sentence1\tsentence2\tgold_label", *rows]) + "\n")
    assert reproduce("--tasks", "mnli", "--poolings", "mean", "--seeds", "0") == 0
    assert "| pooling | head parameters | mnli | mnli-mismatched |" in capsys.readouterr().out
    results = json.loads((glue / "out" / "results.json").read_text())["results"]
    for name, split in (("mnli", "validation"), ("mnli-mismatched", "mismatched")):
        (cell,) = results[name]["mean"]
        assert cell["score"] == cell["metrics"][split]["eval_accuracy"]


def test_the_best_epoch_of_the_released_protocol(reproduce, glue, monkeypatch):
    """By accuracy, the first of equals; the other metrics are of that epoch, better ones elsewhere or not."""
    scripted = [(0.6, 0.9), (0.8, 0.3), (0.8, 0.5)]
    train = glot_hf.experiments.panels.train_on_states

    def with_scripted_epochs(*arguments, **options):
        trainer = train(*arguments, **options)
        epochs = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
        for entry, (accuracy, mcc) in zip(epochs, scripted, strict=True):
            entry.update(eval_accuracy=accuracy, eval_matthews_correlation=mcc)
        return trainer

    monkeypatch.setattr(glot_hf.experiments.panels, "train_on_states", with_scripted_epochs)
    assert reproduce("--protocol", "released", "--poolings", "mean", "--seeds", "0", "--num_train_epochs", "3") == 0
    (cell,) = json.loads((glue / "out" / "results.json").read_text())["results"]["cola"]["mean"]
    assert cell["score"] == 0.3 and cell["metrics"]["validation"]["epoch"] == 2


def test_heads_of_the_released_protocol(reproduce, trained):
    options = ["--protocol", "released", "--seeds", "0", "--tau", "0.3", "--poolings", "glot", "adapool"]
    assert reproduce(*options) == 0
    glot, adapool = (call["head"] for call in trained)
    assert glot["similarity_threshold"] == 0.3 and glot["gnn_hidden_size"] == 8  # as typed
    assert adapool["readout_hidden_size"] == 128


def test_variants(reproduce, trained):
    assert reproduce("--poolings", "glot:tau=0.3,graph_type=self", "--seeds", "0", "--learning_rates", "1e-3") == 0
    head = trained[0]["head"]
    assert (head["pooling"], head["similarity_threshold"], head["graph_type"]) == ("glot", 0.3, "self")
    assert head["gnn_hidden_size"] == 8  # of all


def test_parse_variants():
    """Dashes are as good as underscores; a variant that is not what its name says would be a lie."""
    assert parse_variants(["mean", "multi_query:num_latents=2,num_attention_heads=4", "glot:graph-type=self"]) == {
        "mean": {"pooling": "mean"},
        "multi_query:num_latents=2,num_attention_heads=4": {
            "pooling": "multi_query",
            "num_latents": 2,
            "num_attention_heads": 4,
        },
        "glot:graph-type=self": {"pooling": "glot", "graph_type": "self"},
    }


def test_options_of_all_with_dashes(reproduce, trained):
    assert reproduce("--poolings", "glot", "--seeds", "0", "--learning_rates", "1e-3", "--num-gnn-layers", "1") == 0
    assert trained[0]["head"]["num_gnn_layers"] == 1


@pytest.mark.slow
def test_a_head_that_diverges_counts_as_zero_and_does_not_stop_the_rest(reproduce, glue, capsys):
    options = ["--tasks", "stsb", "cola", "--poolings", "adapool", "--seeds", "0", "--learning_rates", "1e-3", "1e38"]
    assert reproduce(*options, "--pair_mode", "concat") == 0
    cells = json.loads((glue / "out" / "results.json").read_text())["results"]
    assert cells["stsb"]["adapool"][0]["chosen"] == "0.001 x 2"
    diverged = json.loads(cell_of(glue, "stsb", "adapool/selection-lr1e+38-steps2").read_text())
    assert None in diverged["scores"]


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
        (["--poolings", "mean:tau=0.3"], "similarity_threshold has no effect there, but on glot"),
        (["--poolings", "mean", "mean"], "--poolings names mean twice"),
        (["--seeds", "0", "0"], "--seeds names 0 twice"),
        (["--tasks", "cola", "cola"], "--tasks names cola twice"),
        (["--tau", "0.3", "--similarity-threshold", "0.5"], "two names of one option"),
        (["--learning_rates", "0"], "--learning_rates 0.0 is not positive"),
        (["--steps", "0"], "--steps 0 is not positive"),
        (["--num_train_epochs", "3"], "--num_train_epochs belongs to --protocol released"),
        (["--protocol", "released", "--steps", "3"], "--steps belongs to --protocol tuned"),
        (["--output_dir", "glue/CoLA/dev.tsv"], "cannot be written"),
        (["--backbone_in_checkpoint", "true"], "there is no option"),
        (["--pooling", "glot"], "did you mean --poolings"),
        (["--batch_size", "0"], "--batch_size 0 is not positive"),
        (["--protocol", "released", "--learning_rates", "1e-3", "1e-4"], "chooses no learning rate"),
        (["--protocol", "mine"], "mine"),
        (["--tasks", "cola", "--train_file", "pairs.tsv"], "--train_file is for your own rows"),
        (["--temperature", "0.1"], "--temperature belongs to the task embedding"),
        (
            ["--tasks", "embedding", "--train_file", "pairs.tsv", "--validation_file", "pairs.tsv"],
            "--data_dir holds tasks, but the task embedding reads --train_file",
        ),
    ],
)
def test_mistakes(reproduce, error_line, options, message):
    assert message in error_line(reproduce("--seeds", "0", *options))


def test_a_cosine_for_classes(reproduce, glue, error_line):
    (glue / "glue" / "MRPC").mkdir()
    line = error_line(reproduce("--tasks", "mrpc", "--pair_mode", "cosine"))
    assert "--pair_mode cosine gives a score, but the labels of mrpc are classes" in line


def test_other_settings_in_the_same_folder(reproduce, error_line):
    options = ["--poolings", "mean", "--seeds", "0"]
    assert reproduce(*options) == 0
    assert "another head_options" in error_line(reproduce(*options, "--tau", "0.5"))
    assert "another cache_dtype" in error_line(reproduce(*options, "--cache_dtype", "float16"))


def test_states_are_read_from_the_cache(reproduce, glue, trained):
    options = ["--poolings", "glot", "--learning_rates", "1e-3", "--cache_dir", "states", "--cache_dtype", "float16"]
    assert reproduce(*options, "--seeds", "0") == 0
    assert trained[0]["rows"][0]["hidden_states"].dtype == torch.float16
    (folder,) = (glue / "states").iterdir()
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    assert reproduce(*options, "--seeds", "0", "1") == 0
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}


def test_sentence_vectors(reproduce, glue, capsys):
    """The budget is chosen by ranks among held-out training pairs, the report is of the scores of other pairs."""
    pairs = "".join(f"the number {n}\tnumber {n} it is\n" for n in range(40))
    (glue / "pairs.tsv").write_text("sentence1\tsentence2\n" + pairs)
    options = ["--tasks", "stsb", "embedding", "--train_file", "pairs.tsv", "--learning_rates", "1e-3", "1e-2"]
    options += ["--poolings", "mean", "glot", "--seeds", "0", "1", "--pair_mode", "cosine"]
    assert reproduce(*options) == 2
    assert "needs --train_file and --validation_file" in capsys.readouterr().err
    assert reproduce(*options, "--validation_file", "glue/STS-B/dev.tsv") == 0
    results = json.loads((glue / "out" / "results.json").read_text())
    cells = results["results"]["embedding"]
    assert [cell["metric"] for cell in cells["glot"]] == ["spearman", "spearman"]
    assert cells["mean"][0]["head_parameters"] == 0 and cells["mean"][0]["score"] == cells["mean"][1]["score"]
    chosen_by = json.loads(cell_of(glue, "embedding", "glot/selection-lr0.001-steps2").read_text())
    assert chosen_by["metric"] == "mrr" and len(chosen_by["scores"]) == 3 and chosen_by["training_rows"] == 27


def test_ones_own_rows(files, minilm_path, capsys):
    options = ["--backbone", minilm_path, "--poolings", "mean", "adapool", "--seeds", "0", "--steps", "2"]
    options += ["--learning_rates", "1e-3", "--output_dir", "out"]
    assert main(["reproduce", *options, "--train_file", "films.csv", "--label_column", "mood"]) == 0
    report = Path("out/report.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.count("| tf-idf |") == 2 and report.count("| films |") == 2
    results = json.loads(Path("out/results.json").read_text())["results"]["films"]
    assert list(results) == ["tf-idf", "mean", "adapool"] and results["tf-idf"][0]["score"] == 1.0
    assert results["mean"][0]["training_rows"] == results["tf-idf"][0]["training_rows"] == 36


def test_ones_own_pairs(files, minilm_path, capsys):
    options = ["--backbone", minilm_path, "--poolings", "mean", "--seeds", "0", "--steps", "2", "--output_dir", "out"]
    columns = ["--text_column", "a", "--text_pair_column", "b", "--label_column", "label"]
    assert main(["reproduce", *options, "--train_file", "pairs.csv", *columns]) == 0
    assert "| tf-idf |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tasks", "cola", "--train_file", "films.csv"], "--train_file is for your own rows"),
        (["--text_column", "review"], "--text_column is for your own rows: name them by --train_file"),
        (["--train_file", "films.csv", "--protocol", "released"], "--protocol released is for tasks"),
        (["--train_file", "films.csv", "--data_dir", "."], "names your own rows: leave one of them out"),
        (["--train_file", "films.csv", "--pair_mode", "concat"], "--pair_mode compares two texts"),
        (["--train_file", "films.csv", "--label_column", "moody"], "there is no column 'moody'"),
        (["--train_file", "films.csv", "--temperature", "0.1"], "--temperature belongs to the task embedding"),
    ],
)
def test_mistakes_with_ones_own_rows(files, minilm_path, error_line, options, message):
    assert message in error_line(main(["reproduce", "--backbone", minilm_path, "--output_dir", "out", *options]))
