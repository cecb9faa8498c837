"""The report that `glot-hf train` leaves beside a head, and that nothing of it is published."""

import json
from collections import Counter
from pathlib import Path

import pandas
import pytest

from glot_hf.commands.main import main
from glot_hf.model.backbone_forward_glot import run_backbone


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


@pytest.mark.parametrize("is_pushed_by_train", [False, True])
@pytest.mark.parametrize("options", [("--class_weight", "balanced", "--gnn_type", "gcn"), ("--task", "embedding")])
def test_no_text_is_published(films, minilm_path, hub_here, options, is_pushed_by_train):
    """Nor is any path of this machine; the card beside the head at home has neither."""
    if "embedding" in options:
        table = pandas.read_csv("films.csv")
        table.assign(text_pair=table["text"] + " again").drop(columns="label").to_csv("films.csv", index=False)
    where = ["--backbone", minilm_path, "--train_file", "films.csv", "--validation_file", "films.csv"]
    where += ["--output_dir", "head", "--max_steps", "1"]
    push = ["--push_to_hub", "--hub_model_id", "tester/films"] if is_pushed_by_train else []
    assert main(["train", *where, "--backbone_in_checkpoint", *options, *push]) == 0
    assert MARKER in Path("films.csv").read_text()
    report = Path("head/report.md").read_text() + Path("head/report.json").read_text()
    assert MARKER in report or "embedding" in options  # whose report shows no texts
    assert main(["report", "head"]) == 0
    assert MARKER in Path("head/report.html").read_text(encoding="utf-8") or "embedding" in options
    if not is_pushed_by_train:
        assert main(["publish", "head", "tester/films"]) == 0
    uploaded = hub_here.files("tester/films")
    assert "model.safetensors" in uploaded and not any(name.startswith("report") for name in uploaded)
    card = uploaded["README.md"].decode()
    assert "The head was trained on 40 rows." in card and "On the 40 validation rows of films.csv" in card
    if "embedding" not in options:
        assert "| bad |" in card and "of logistic regression on mean vectors" in card and "each class counts: " in card
    for name, content in (*uploaded.items(), ("own card", Path("head/README.md").read_bytes())):
        for secret in (MARKER, str(Path.cwd()), minilm_path):
            assert secret.encode() not in content, (name, secret)


@pytest.fixture
def times_run(monkeypatch, minilm_tokenizer):
    """How often each text went through a backbone, wherever one is run."""
    times = Counter()

    def count(backbone, inputs, *args, **kwargs):
        times.update(minilm_tokenizer.batch_decode(inputs["input_ids"], skip_special_tokens=True))
        return run_backbone(backbone, inputs, *args, **kwargs)

    for module in ("states.running", "model.modeling_glot", "tuning.probe"):
        monkeypatch.setattr(f"glot_hf.{module}.run_backbone", count)
    return times


@pytest.mark.parametrize("options", [(), ("--pooling", "glot"), ("--pooling", "mean"), ("--task", "embedding")])
def test_validation_texts_run_through_the_backbone_once(films, minilm_path, times_run, monkeypatch, options):
    """Training, its evaluations, the report and its baseline together."""
    monkeypatch.setattr("glot_hf.tuning.recipe._FEWEST_STEPS", 10)
    train, judged = (
        [f"a {['awful', 'fine'][i % 2]} film of {i} minutes" for i in numbers]
        for numbers in (range(60), range(60, 80))
    )
    for name, texts in (("train.csv", train), ("judged.csv", judged)):
        if "embedding" in options:
            rows = [f"{first},{second}" for first, second in zip(texts[::2], texts[1::2])]
            Path(name).write_text("\n".join(["text,text_pair", *rows]) + "\n")
        else:
            rows = [f"{text},{['bad', 'good']['fine' in text]}" for text in texts]
            Path(name).write_text("\n".join(["text,label", *rows]) + "\n")
    where = ["--backbone", minilm_path, "--train_file", "train.csv", "--validation_file", "judged.csv"]
    assert main(["train", *where, "--output_dir", "head", "--cache_dir", "states", *options]) == 0
    assert json.loads(Path("head/report.json").read_text())["rows"] == (10 if "embedding" in options else 20)
    assert {text: times_run[text] for text in judged} == dict.fromkeys(judged, 1)


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


def test_evaluate_writes_the_same_report(films, minilm_path, capsys):
    options = ["--backbone", minilm_path, "--train_file", "films.csv", "--validation_file", "films.csv"]
    assert main(["train", *options, "--pooling", "mean", "--output_dir", "head"]) == 0
    options = ["--validation_file", "films.csv", "--output_dir", "judged/here"]
    assert main(["evaluate", "head", *options]) == 0
    trained, judged = (json.loads(Path(name, "report.json").read_text()) for name in ("head", "judged/here"))
    for name in ("main", "classes", "confusion", "rows"):
        assert judged[name] == trained[name], name
    assert [each["row"] for each in judged["mistakes"]] == [each["row"] for each in trained["mistakes"]]
    assert Path("judged/here/confusion.png").is_file() and "report: judged/here/report.md" in capsys.readouterr().out


def test_a_training_leaves_a_curve_and_its_options(films, minilm_path):
    options = ["--backbone", minilm_path, "--train_file", "films.csv", "--pooling", "adapool", "--max_steps", "60"]
    assert main(["train", *options, "--output_dir", "head"]) == 0
    curve = json.loads(Path("head/report.json").read_text())["curve"]
    assert sum("loss" in each for each in curve) >= 20
    assert main(["train", "--config", "head/run.yaml", "--output_dir", "again"]) == 0
    assert Path("head/model.safetensors").read_bytes() == Path("again/model.safetensors").read_bytes()


def test_rare_classes_count_where_they_are_weighted(films, minilm_path, capsys, error_line):
    lines = Path("films.csv").read_text().splitlines()
    rare = [line for line in lines[1:] if line.endswith("good")][:8]
    Path("rare.csv").write_text("\n".join([lines[0], *(line for line in lines if line.endswith("bad")), *rare]) + "\n")
    options = ["--backbone", minilm_path, "--train_file", "rare.csv", "--pooling", "mean", "--output_dir", "head"]
    assert main(["train", *options, "--class_weight", "balanced"]) == 0
    record = json.loads(Path("head/training_record.json").read_text())
    assert record["class_weight"]["good"] > 1 > record["class_weight"]["bad"]
    assert json.loads(Path("head/report.json").read_text())["main"]["name"] == "f1_macro"
    capsys.readouterr()
    assert "no class 'fine'" in error_line(main(["train", *options, "--class_weight", '{"fine": 2}', *_AGAIN]))
    smooth = ["--class_weight", "balanced", "--label_smoothing_factor", "0.1", *_AGAIN]
    assert "exclude each other" in error_line(main(["train", *options, *smooth]))


_AGAIN = ["--overwrite_output_dir"]
