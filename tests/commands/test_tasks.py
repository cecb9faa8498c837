"""Tasks of two texts, from a folder to a head that evaluates and predicts without being told more."""

import json
from pathlib import Path

import pytest

from glot_hf import GlotConfig
from glot_hf.commands.main import main


PAIR = ("predict", "head", "--text", "number 1", "--text_pair", "number 2")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with the files of three tasks, each in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name, files, header, rows in (
        ("RTE", ("train", "dev"), "index\tsentence1\tsentence2\tlabel", ("not_entailment", "entailment")),
        ("STS-B", ("train", "dev"), "index\tsentence1\tsentence2\tscore", ("5.000", "2.5", "0.0")),
        (
            "MNLI",
            ("train", "dev_matched", "dev_mismatched"),
            "index\tsentence1\tsentence2\tgold_label",
            ("neutral", "contradiction", "entailment"),
        ),
    ):
        lines = [f"{i}\tnumber {i}\tnumber {i * 2}\t{rows[i % len(rows)]}" for i in range(12)]
        Path(name).mkdir()
        for count, file in zip((12, 9, 6), files):
            Path(name, f"{file}.tsv").write_text("\n".join([header, *lines[:count]]) + "\n", encoding="utf-8")
    return tmp_path


def results():
    return json.loads(Path("head", "all_results.json").read_text())


def printed(capsys, *argv):
    capsys.readouterr()
    assert main(list(argv)) == 0
    output = capsys.readouterr().out
    return json.loads(output[output.index("{") : output.rindex("}") + 1])


def test_a_pair_task(folder, train, capsys):
    assert train("--task", "rte", "--data_dir", "RTE", "--max_train_rows", "10") == 0
    captured = capsys.readouterr()
    assert "10 training texts, 9 for validation" in captured.out
    assert f"rte: eval_accuracy {results()['eval_accuracy']:.4f}" in captured.out
    config = GlotConfig.from_pretrained("head")
    assert config.pair_mode == "concat" and config.id2label == {0: "entailment", 1: "not_entailment"}
    assert printed(capsys, "evaluate", "head", "--data_dir", "RTE")["eval_accuracy"] == results()["eval_accuracy"]
    assert printed(capsys, *PAIR)["label"] in config.id2label.values()


def test_another_way_to_compare(folder, train):
    assert train("--task", "rte", "--data_dir", "RTE", "--pair_mode", "interaction") == 0
    assert GlotConfig.from_pretrained("head").pair_mode == "interaction"


def test_scores_are_fitted_by_a_cosine(folder, train, capsys):
    assert train("--task", "stsb", "--data_dir", "STS-B") == 0
    config = GlotConfig.from_pretrained("head")
    assert config.pair_mode == "cosine" and config.problem_type == "regression"
    metrics = printed(capsys, "evaluate", "head", "--data_dir", "STS-B")
    for name in ("mse", "pearson", "spearman"):
        assert metrics[f"eval_{name}"] == pytest.approx(results()[f"eval_{name}"])
    assert metrics["eval_mse"] == pytest.approx(metrics["eval_loss"], rel=1e-5)
    assert -1 <= printed(capsys, *PAIR)["score"] <= 1


def test_mnli_reports_mismatched_beside_matched(folder, train, capsys):
    assert train("--task", "mnli", "--data_dir", "MNLI") == 0
    stored = results()
    assert 0 <= stored["eval_accuracy"] <= 1 and 0 <= stored["eval_mismatched_accuracy"] <= 1
    assert "mnli: eval_accuracy 0." in (output := capsys.readouterr().out) and "eval_mismatched_accuracy 0." in output
    metrics = printed(capsys, "evaluate", "head", "--data_dir", "MNLI")
    for name in ("eval_accuracy", "eval_loss", "eval_mismatched_accuracy", "eval_mismatched_loss"):
        assert metrics[name] == pytest.approx(stored[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task", "rte", "--data_dir", "RTE", "--pair_mode", "cosine"), "needs scores, but the labels are classes"),
        (("--task", "rte", "--data_dir", "RTE", "--text_pair_column", "b"), "--text_pair_column belongs to"),
        (("--task", "rte", "--data_dir", "RTE", "--max_train_rows", "0"), "--max_train_rows 0 is not positive"),
        (("--task", "rte", "--data_dir", "RTE", "--max_train_rows", "1"), "of one class only: give a larger"),
        (("--task", "rte", "--data_dir", "STS-B"), "is not a file of rte: it has no column 'label'"),
        (("--task", "rte", "--data_dir", "."), "--data_dir is the folder of rte itself"),
        (("--task", "rte", "--data_dir", "RTE", "--max_length", "0"), "--max_length 0 is not between"),
        (("--train_file", "RTE/dev.tsv", "--max_train_rows", "2"), "--max_train_rows belongs to --task"),
        (("--task", "imdb", "--data_dir", "RTE"), "which holds train, test"),
        (("--task", "mnli"), "which holds train.tsv, dev_matched.tsv, dev_mismatched.tsv, with --data_dir"),
    ],
)
def test_mistakes_of_training(folder, train, error_line, options, message):
    assert message in error_line(train(*options))


def test_a_task_of_one_text_has_nothing_to_compare(folder, train, error_line):
    Path("train.tsv").write_text("sentence\tlabel\na\t0\nb\t1\n")
    Path("dev.tsv").write_text("sentence\tlabel\na\t0\nb\t1\n")
    line = error_line(train("--task", "sst2", "--data_dir", ".", "--pair_mode", "concat"))
    assert "--pair_mode concat compares two texts, but a row has one" in line


def test_mistakes_of_using_a_head(folder, train, error_line):
    assert train("--task", "rte", "--data_dir", "RTE") == 0
    for options, message in (
        (("evaluate", "head"), "the task rte cannot be downloaded without a network: name its folder"),
        (
            ("evaluate", "head", "--task", "stsb"),
            "the labels of stsb are scores, but this head knows entailment, not_",
        ),
        (("evaluate", "head", "--task", "wnli"), "the labels of wnli are not_entailment, entailment, but this head"),
        (("evaluate", "head", "--validation_file", "RTE/dev.tsv", "--text_column", "sentence1"), "is a pair head"),
        (("predict", "head", "--text", "a"), "this is a pair head"),
    ):
        assert message in error_line(main(list(options)))
