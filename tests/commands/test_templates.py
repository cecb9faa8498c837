"""`--text_template` from training to predictions, judgement and vectors, typed once."""

import json
from pathlib import Path

import pandas
import pytest

from glot_hf.commands.main import main


TEMPLATE = "{title}: {body}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, minilm_path):
    folder = tmp_path_factory.mktemp("templates")
    rows = {
        "title": [f"film {i}" for i in range(40)],
        "body": [["an awful one", "a great one"][i % 2] for i in range(40)],
        "label": [["bad", "good"][i % 2] for i in range(40)],
    }
    pandas.DataFrame(rows).to_csv(folder / "films.csv", index=False)
    pandas.DataFrame(rows).to_excel(folder / "films.xlsx", index=False)
    joined = {"text": [f"{title}: {body}" for title, body in zip(rows["title"], rows["body"])], "label": rows["label"]}
    pandas.DataFrame(joined).to_csv(folder / "joined.csv", index=False)
    common = ["train", "--backbone", minilm_path, "--pooling", "mean", "--no_cache"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for file, name, options in (
            ("films.csv", "head", ["--text_template", TEMPLATE]),
            ("films.xlsx", "sheet", ["--text_template", TEMPLATE]),
            ("joined.csv", "other", []),
        ):
            assert main([*common, "--train_file", file, "--output_dir", name, *options]) == 0
    return folder


@pytest.fixture(autouse=True)
def in_the_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_it_is_the_head_of_the_joined_texts():
    weights = {name: Path(name, "model.safetensors").read_bytes() for name in ("head", "sheet", "other")}
    assert weights["head"] == weights["other"] == weights["sheet"]
    record = json.loads(Path("head/training_record.json").read_text())
    assert record["text_template"] == TEMPLATE and record["text_column"] is None


def test_it_is_known_afterwards(capsys):
    assert main(["evaluate", "head", "--validation_file", "films.csv"]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert main(["evaluate", "other", "--validation_file", "joined.csv"]) == 0
    assert judged["eval_accuracy"] == json.loads(capsys.readouterr().out)["eval_accuracy"]
    assert main(["predict", "head", "--test_file", "films.xlsx", "--output_file", "a.jsonl"]) == 0
    assert main(["predict", "other", "--test_file", "joined.csv", "--output_file", "b.jsonl"]) == 0
    first, second = (Path(name).read_text().splitlines() for name in ("a.jsonl", "b.jsonl"))
    assert len(first) == 40 and [json.loads(line)["label"] for line in first] == [
        json.loads(line)["label"] for line in second
    ]
    assert json.loads(first[0])["text"] == "film 0: an awful one"


def test_vectors(capsys):
    assert main(["embed", "--model", "head", "--input", "films.csv", "--output", "a.npy"]) == 0
    assert main(["embed", "--model", "other", "--input", "joined.csv", "--output", "b.npy"]) == 0
    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()
    assert main(["search", "a great one", "--index", "a.npy", "--top_k", "1"]) == 0
    assert "a great one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["train", "--train_file", "films.csv", "--text_template", "{name}"], "no column 'name' for --text_template"),
        (["train", "--train_file", "films.csv", "--text_template", "title"], "names no column"),
        (["train", "--train_file", "films.csv", "--text_template", ""], "names no column"),
        (["predict", "head", "--test_file", "films.csv", "--text_template", ""], "names no column"),
        (["evaluate", "head", "--validation_file", "films.csv", "--text_template", ""], "names no column"),
        (
            ["evaluate", "head", "--validation_file", "films.csv", "--label_column", "x"],
            "no column 'x' for --label_column: the columns are ['title', 'body', 'label']",
        ),
        (["evaluate", "head", "--validation_file", "films.csv", "--output_dir", "films.csv"], "cannot be written"),
        (
            ["train", "--train_file", "films.csv", "--text_template", "{title}", "--text_column", "body"],
            "--text_column names one column and --text_template several",
        ),
        (["train", "--task", "cola", "--text_template", "{title}"], "--text_template belongs to --train_file"),
        (
            ["train", "--task", "embedding", "--train_file", "films.csv", "--text_template", "{title}"],
            "--text_template is not for --task embedding",
        ),
        (["predict", "head", "--test_file", "joined.csv"], "no column 'title' for --text_template"),
        (["embed", "--model", "head", "--input", "joined.csv", "--output", "c.npy"], "there is no column 'title'"),
        (
            ["embed", "--model", "head", "--input", "joined.csv", "--output", "c.npy", "--text_template", "{a", ],
            "cannot be read",
        ),
    ],
)  # fmt: skip
def test_mistakes(argv, message, error_line, minilm_path):
    if argv[0] == "train":
        argv = [*argv, "--backbone", minilm_path, "--output_dir", "none"]
    assert message in error_line(main(argv))
