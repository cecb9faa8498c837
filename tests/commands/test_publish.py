"""`glot-hf publish`, and `glot-hf train --push_to_hub`: what a folder says of its training reaches the card."""

import json

import pytest
from huggingface_hub import HfApi, ModelCard
from transformers import AutoModel, AutoTokenizer

from glot_hf import GlotForSequenceClassification
from glot_hf.commands.main import main
from glot_hf.hub import shareable_command, training_of
from glot_hf.training_record import TrainingRecord


FILMS = ["--train_file", "films.csv", "--label_column", "mood"]


@pytest.fixture
def published_backbone(hub_here, minilm_path):
    AutoModel.from_pretrained(minilm_path).push_to_hub("tester/minilm")
    AutoTokenizer.from_pretrained(minilm_path).push_to_hub("tester/minilm")
    return "tester/minilm"


def test_a_trained_folder(files, train, published_backbone, hub_here, minilm_path, capsys):
    assert train(*FILMS) == 0
    assert main(["publish", "head", "tester/films", "--backbone_id", published_backbone]) == 0
    assert hub_here.commits("tester/films")[-1] in capsys.readouterr().out
    uploaded = hub_here.files("tester/films")
    assert not [name for name in uploaded if "checkpoint" in name or name.endswith((".bin", ".pt", ".pth"))]
    for name, content in uploaded.items():
        assert minilm_path.encode() not in content and str(files).encode() not in content, name
    card = ModelCard(uploaded["README.md"].decode())
    results = json.loads((files / "head" / "all_results.json").read_text())
    assert {r.metric_type: r.metric_value for r in card.data.eval_results}["accuracy"] == pytest.approx(
        results["eval_accuracy"], abs=1e-6
    )
    assert "glot-hf train --backbone tester/minilm" in card.text and "films.csv" in card.text
    loaded = GlotForSequenceClassification.from_pretrained("tester/films")
    assert loaded.config.id2label == {0: "bad", 1: "good"}


def test_a_local_backbone_needs_its_name(files, train, hub_here, error_line):
    assert train(*FILMS) == 0
    line = error_line(main(["publish", "head", "tester/films"]))
    assert "--backbone_id" in line and not HfApi().repo_exists("tester/films")


def test_no_head(files, error_line):
    assert "holds no head" in error_line(main(["publish", "nothing", "tester/films"]))


def test_damaged_files(files, train, published_backbone, hub_here, error_line):
    assert train(*FILMS, "--backbone", published_backbone) == 0
    for name, message in (
        ("model.safetensors", "header too small"),
        ("all_results.json", "'head/all_results.json' is damaged"),
        ("training_record.json", "'head/training_record.json' is damaged"),
    ):
        whole = (files / "head" / name).read_bytes()
        (files / "head" / name).write_bytes(b"[")
        assert message in error_line(main(["publish", "head", "tester/films"]))
        (files / "head" / name).write_bytes(whole)
    assert not HfApi().repo_exists("tester/films")


def test_of_adapters(files, train, published_backbone, hub_here, error_line):
    """Merged, they are a model that others load; alone, their base is on this machine."""
    lora = [*FILMS, "--lora_r", "4", "--backbone", published_backbone]
    push = ["--push_to_hub", "--hub_model_id", "tester/films"]
    assert "add --lora_merge" in error_line(train(*lora, *push))
    assert train(*lora) == 0
    assert "train with --lora_merge" in error_line(main(["publish", "head", "tester/films"]))
    assert not HfApi().repo_exists("tester/films")
    assert train(*lora, *push, "--lora_merge", "--overwrite_output_dir") == 0
    assert ModelCard(hub_here.files("tester/films")["README.md"].decode()).data.base_model == published_backbone
    loaded = GlotForSequenceClassification.from_pretrained("tester/films")
    assert not any("lora" in name for name in loaded.state_dict())


def test_a_hub_that_is_down(files, train, published_backbone, hub_here, error_line):
    assert train(*FILMS, "--backbone", published_backbone) == 0
    hub_here.stop()
    assert "cannot be reached" in error_line(main(["publish", "head", "tester/films"]))


def test_training_with_push_to_hub(files, train, published_backbone, hub_here, error_line):
    push = ["--push_to_hub", "--hub_model_id", "tester/films"]
    assert "local folder" in error_line(train(*FILMS, *push))
    assert train(*FILMS, *push, "--backbone", published_backbone) == 0
    uploaded = hub_here.files("tester/films")
    assert "training_args.bin" not in uploaded and "modeling_glot.py" in uploaded
    assert ModelCard(uploaded["README.md"].decode()).data.eval_results


def test_what_is_said_of_the_data(tmp_path):
    """The rows it was judged on; and of a dataset of the Hub, where that is."""

    def said(*options):
        TrainingRecord(["glot-hf", "train", *options], seed=0, max_length=8).save(tmp_path)
        training = training_of(tmp_path, None)
        return training.dataset, training.dataset_id, training.command[2:]

    own = ("../secret/films.csv", "--validation_file=../secret/others.csv")
    assert said("--train_file", *own) == (
        "others.csv",
        None,
        ["--train_file", "films.csv", "--validation_file=others.csv"],
    )
    assert said("--train_file", "owner/films") == ("owner/films", "owner/films", ["--train_file", "owner/films"])
    assert said("--train_file", "owner/films", own[1])[:2] == ("others.csv", None)
    assert said("--train_file", "secret/films.csv")[0] == "films.csv"


def test_a_shareable_command_has_no_path(tmp_path):
    command = [
        "glot-hf",
        "train",
        "--backbone",
        "/secret/bert",
        "--train_file",
        "/secret/films.csv",
        "--output_dir=a/b",
    ]
    expected = ["glot-hf", "train", "--backbone", "owner/bert", "--train_file", "films.csv", "--output_dir=b"]
    assert shareable_command(command, "owner/bert") == expected
