"""`glot-hf mteb`: a table, and what is refused before anything is evaluated."""

import pytest

from glot_hf import GlotModel
from glot_hf.commands.main import main


@pytest.fixture
def head(minilm_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    GlotModel.from_backbone(minilm_path, gnn_hidden_size=8).save_pretrained("head")
    pairs = [("a cat", "a kitten", 4), ("a cat", "a car", 1), ("a dog", "a puppy", 5), ("the sun", "a spoon", 0)]
    lines = ["sentence1\tsentence2\tscore", *(f"{a}\t{b}\t{score}" for a, b, score in pairs)]
    (tmp_path / "dev.tsv").write_text("\n".join(lines) + "\n")


def test_a_head_beside_plain_poolings(head, tmp_path, capsys):
    command = ["mteb", "--model", "head", "--data_dir", ".", "--poolings", "mean", "last", "--output_dir", "out"]
    assert main(command) == 0
    table, _, note = capsys.readouterr().out.partition("\n\n")
    rows = [line.split("|")[1].strip() for line in table.splitlines()]
    assert rows == ["pooling", "---", "head", "mean", "last"]
    assert (tmp_path / "out" / "report.md").read_text() == table + "\n"
    assert len(list(tmp_path.glob("out/results/*/*/LocalSTS.json"))) == 3
    before = {path: path.read_bytes() for path in tmp_path.glob("out/results/*/*/*.json")}
    assert main(command) == 0
    assert capsys.readouterr().out.partition("\n\n")[0] == table
    assert {path: path.read_bytes() for path in tmp_path.glob("out/results/*/*/*.json")} == before


def test_a_task_that_is_not_there_is_named_at_the_end(head, capsys):
    tasks = ["--tasks", "STS12", "--data_dir", ".", "--poolings", "mean"]
    exit_code = main(["mteb", "--model", "head", *tasks, "--output_dir", "out"])
    captured = capsys.readouterr()
    assert "| pooling | LocalSTS (cosine_spearman) |" in captured.out and exit_code == 2
    assert captured.err.splitlines()[-1].startswith("glot-hf mteb: error: cannot be downloaded: STS12")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --tasks paper"),
        (["--tasks", "STS21"], "Did you mean: 'STS22'"),
        (["--tasks", "STS12", "--poolings", "mean"], "cannot be downloaded: STS12; connect"),
        (["--data_dir", ".", "--poolings", "glot"], "glot would have to be trained"),
        (["--data_dir", ".", "--poolings", "men"], "men"),
        (["--data_dir", "head"], "there is no 'head/dev.tsv'"),
        (["--data_dir", ".", "--output_dir", "dev.tsv"], "File exists: 'dev.tsv'"),
    ],
)
def test_mistakes(head, error_line, options, message):
    assert message in error_line(main(["mteb", "--model", "head", *options]))


def test_a_head_with_the_name_of_a_pooling(head, tmp_path, error_line):
    (tmp_path / "head").rename(tmp_path / "max")
    assert "the name of one of the --poolings: leave out max" in error_line(
        main(["mteb", "--model", "max", "--data_dir", "."])
    )
