"""`glot-hf train` that chooses the head itself, and what keeps it from doing so."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from glot_hf.commands.main import main
from glot_hf.runs import choice
from glot_hf.system.lock import locked
from glot_hf.tuning import plan as plans


def write_films(name, num_rows, start=0):
    rows = [(["awful", "lovely"][i % 2], i) for i in range(start, start + num_rows)]
    lines = [f"a {word} film of {7 * i % 90} minutes,{['bad', 'good'][word == 'lovely']}" for word, i in rows]
    Path(name).write_text("\n".join(["text,label", *lines]) + "\n")


@pytest.fixture
def films(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_films("films.csv", 66)
    write_films("others.csv", 20, start=500)


@pytest.fixture
def train(minilm_path):
    def run(*options):
        return main(
            ["train", "--backbone", minilm_path, "--train_file", "films.csv", "--output_dir", "head", *options]
        )

    return run


@pytest.fixture
def few_steps(monkeypatch):
    """A recipe that trains for seconds and not for minutes."""
    monkeypatch.setattr("glot_hf.tuning.recipe._FEWEST_STEPS", 20)


def config():
    return json.loads(Path("head/config.json").read_text())


def recorded():
    return json.loads(Path("head/training_record.json").read_text())["recipe"]


def test_it_chooses_on_training_rows_alone(films, train, few_steps, capsys):
    assert train("--validation_file", "others.csv") == 0
    output = capsys.readouterr().out
    assert "probe: held-out loss of a linear probe on 66 rows by layer 0:" in output
    assert "recipe: linear head: accuracy" in output and "recipe: residual block: accuracy" in output
    found = recorded()
    assert found["name"] in ("linear head", "residual block") and f"recipe: takes the {found['name']}" in output
    assert [each["name"] for each in found["found"]["candidates"]] == ["linear head", "residual block"]
    assert all(each["seconds"] > 0 and 0 <= each["score"] <= 1 for each in found["found"]["candidates"])
    for name, value in found["head_options"].items():
        assert config()[name] == value
    weights = load_file("head/model.safetensors")

    Path("others.csv").write_text("text,label\na film,good\nrain,bad\n")  # another validation, and the same head
    assert train("--validation_file", "others.csv", "--overwrite_output_dir") == 0
    scores = [each["score"] for each in recorded()["found"]["candidates"]]
    assert scores == [each["score"] for each in found["found"]["candidates"]]
    assert all((weights[name] == tensor).all() for name, tensor in load_file("head/model.safetensors").items())


def test_few_rows_are_fitted_without_a_choice(films, train, capsys):
    write_films("films.csv", 40)
    assert train() == 0
    assert "fewer than 50 rows, so a linear layer is fitted to mean vectors" in capsys.readouterr().out
    assert config()["pooling"] == "mean"


def test_a_rare_class_is_fitted_without_a_choice(films, train, capsys):
    write_films("films.csv", 70)
    lines = Path("films.csv").read_text().replace(",bad", ",good").splitlines()
    Path("films.csv").write_text("\n".join(lines[:-3] + [line.replace(",good", ",bad") for line in lines[-3:]]))
    assert train("--validation_file", "others.csv") == 0
    assert "all classes but one have fewer than 6 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    "typed, reason",
    [
        (["--pooling", "adapool", "--max_steps", "1"], "typed: --max_steps, --pooling"),
        (["--tau", "0.3", "--num_train_epochs", "1"], "typed: --num_train_epochs, --similarity_threshold"),
        (["--no_cache", "--max_steps", "1"], "--no_cache keeps no hidden states"),
        (["--lora_r", "2", "--max_steps", "1"], "the backbone trains too"),
    ],
)
def test_a_head_that_is_typed_is_trained_as_asked(films, train, capsys, typed, reason):
    assert train(*typed) == 0
    assert f"recipe: none, the head is trained as asked ({reason}" in capsys.readouterr().out
    assert recorded() is None


@pytest.mark.parametrize(
    "typed, message",
    [
        (["--recipe", "default", "--pooling", "mean"], "chooses the head and how it trains (typed: --pooling)"),
        (["--recipe", "default", "--no_cache"], "--no_cache keeps no hidden states"),
        (["--recipe", "paper", "--backbone_layers", "auto"], "is for a frozen backbone and the default recipe"),
        (["--threshold", "often"], "--threshold often is not a probability"),
        (["--threshold", "1"], "--threshold 1 is not a probability"),
        (["--threshold", "auto", "--max_steps", "2"], "give a number or none"),
        (["--task", "embedding", "--recipe", "paper"], "--task embedding has none"),
        (["--backbone_layers", "first"], "invalid"),
    ],
)
def test_what_excludes_each_other(films, train, error_line, typed, message):
    assert message in error_line(train(*typed))


def test_recipe_paper_is_the_papers_defaults(films, train):
    """The released learning rate and epochs, and no linear fit; tests/parity has the rest."""
    assert train("--recipe", "paper") == 0
    assert config()["pooling"] == "glot" and config().get("block", "gnn") == "gnn" and recorded() is None
    weights = load_file("head/model.safetensors")
    assert train("--overwrite_output_dir", "--learning_rate", "2e-4", "--num_train_epochs", "3") == 0
    assert all((weights[name] == tensor).all() for name, tensor in load_file("head/model.safetensors").items())


def test_recipe_paper_trains_a_mean_step_by_step(films, train, capsys):
    assert train("--recipe", "paper", "--pooling", "mean", "--max_steps", "2") == 0
    assert "fitted to convergence" not in capsys.readouterr().out


def test_auto_layers_for_a_head_that_is_typed(films, train, capsys):
    assert train("--backbone_layers", "auto", "--pooling", "adapool", "--max_steps", "2") == 0
    assert "probe: held-out loss" in capsys.readouterr().out
    assert config()["pooling"] == "adapool"
    assert recorded()["head_options"]["backbone_layers"] == config().get("backbone_layers", -1)


def test_a_layer_that_is_typed_is_read(films, train, few_steps, capsys):
    assert train("--backbone_layers", "2") == 0
    assert "probe:" not in capsys.readouterr().out
    assert config()["backbone_layers"] == 2 and "candidates" in recorded()["found"]


def test_a_threshold_that_is_typed_decides(films, train, few_steps, capsys):
    """Where an answer of the second class needs to be all but certain, predict and evaluate agree on what is."""
    assert train("--threshold", "0.9999999") == 0
    assert config()["decision_threshold"] == 0.9999999
    capsys.readouterr()
    assert main(["predict", "head", "--text", "a film", "a film of 7 minutes"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["label"] for answer in answers] == ["bad", "bad"]  # "good" is the second class
    assert main(["predict", "head", "--test_file", "others.csv", "--text_column", "text"]) == 0
    answers = [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    labels = [line.rpartition(",")[2] for line in Path("others.csv").read_text().splitlines()[1:]]
    share = sum(map(str.__eq__, answers, labels)) / len(labels)
    assert main(["evaluate", "head", "--validation_file", "others.csv"]) == 0
    assert json.loads(capsys.readouterr().out)["eval_accuracy"] == share
    assert train("--threshold", "none", "--overwrite_output_dir") == 0
    assert config().get("decision_threshold") is None


def test_an_interrupted_training_does_not_choose_again(films, train, few_steps, monkeypatch, capsys):
    def block_wins(*args, **kwargs):
        found = choose(*args, **kwargs)
        return found._replace(winner=found.trials[1])

    choose = plans.choose_head
    monkeypatch.setattr(plans, "choose_head", block_wins)
    assert train("--save_steps", "10", "--save_strategy", "steps") == 0
    weights = load_file("head/model.safetensors")
    monkeypatch.setattr(choice, "make_plan", lambda *args, **kwargs: pytest.fail("it chooses again"))
    checkpoint = sorted(Path("head").glob("checkpoint-*"))[0]
    assert train("--save_steps", "10", "--save_strategy", "steps", "--resume_from_checkpoint", str(checkpoint)) == 0
    again = load_file("head/model.safetensors")
    assert all(torch.equal(weights[name], tensor) for name, tensor in again.items())
    assert recorded()["name"] == "residual block"


def test_pairs_and_scores(films, train, few_steps, capsys):
    lines = [f"a film of {i} minutes,a film of {i + i % 5} minutes,{i % 5}" for i in range(60)]
    Path("films.csv").write_text("\n".join(["first,second,score", *lines]))
    columns = ["--text_column", "first", "--text_pair_column", "second", "--label_column", "score"]
    assert train(*columns, "--problem_type", "regression") == 0
    assert "recipe: linear head: spearman" in capsys.readouterr().out
    assert config()["pair_mode"] == "interaction"
    assert AutoModelForSequenceClassification.from_pretrained("head").config.num_labels == 1


def test_several_labels(films, train, few_steps, capsys):
    rows = [{"text": f"a {['awful', 'fine'][i % 2]} film {i}", "labels": ["x", "y"][: 1 + i % 2]} for i in range(60)]
    Path("films.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert train("--train_file", "films.jsonl") == 0
    assert "recipe: residual block: f1_micro" in capsys.readouterr().out


def test_a_task_is_judged_by_its_own_metric(films, minilm_path, few_steps, capsys):
    Path("task").mkdir()
    rows = [f"src\t{i % 2}\t\ta {['bad', 'fine'][i % 2]} sentence {i}" for i in range(60)]
    for name in ("train", "dev"):
        Path("task", f"{name}.tsv").write_text("\n".join(rows) + "\n")
    options = ["--task", "cola", "--data_dir", "task", "--output_dir", "head"]
    assert main(["train", "--backbone", minilm_path, *options]) == 0
    assert "linear head: matthews_correlation" in capsys.readouterr().out


def test_two_runs_into_one_folder(films, train, error_line):
    with locked("head"):
        assert "'head' is being written by another run" in error_line(train("--max_steps", "1"))
    assert not Path("head").exists()
    assert train("--max_steps", "1") == 0 and not Path("head/.glot_hf.lock").exists()
