"""`glot-hf publish`, and `glot-hf train --push_to_hub`: what a folder says of its training reaches the card."""

import json

import pytest
from huggingface_hub import HfApi, ModelCard
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from glot_hf import GlotForSequenceClassification
from glot_hf.commands.main import main
from glot_hf.training.publish import shareable_command, training_of
from glot_hf.training.record import TrainingRecord


FILMS = ["--train_file", "films.csv", "--label_column", "mood"]


@pytest.fixture
def published_backbone(hub_here, minilm_path):
    AutoModel.from_pretrained(minilm_path).push_to_hub("tester/minilm")
    AutoTokenizer.from_pretrained(minilm_path).push_to_hub("tester/minilm")
    return "tester/minilm"


def test_a_trained_folder(trained_head, published_backbone, hub_here, capsys):
    assert main(["publish", "head", "tester/films", "--backbone_id", published_backbone]) == 0
    assert hub_here.commits("tester/films")[-1] in capsys.readouterr().out
    uploaded = hub_here.files("tester/films")
    assert not [name for name in uploaded if "checkpoint" in name or name.endswith((".bin", ".pt", ".pth"))]
    card = ModelCard(uploaded["README.md"].decode())
    results = json.loads((trained_head / "all_results.json").read_text())
    assert {r.metric_type: r.metric_value for r in card.data.eval_results}["accuracy"] == pytest.approx(
        results["eval_accuracy"], abs=1e-6
    )
    assert "glot-hf train --backbone tester/minilm" in card.text and "films.csv" in card.text
    loaded = GlotForSequenceClassification.from_pretrained("tester/films")
    assert loaded.config.id2label == {0: "bad", 1: "good"}


PAIRS = ["--train_file", "pairs.csv", "--text_column", "a", "--text_pair_column", "b", "--label_column", "label"]


@pytest.mark.parametrize(
    ("trained", "published"),
    [
        (FILMS, ["--backbone_id", "tester/bert"]),
        (PAIRS, ["--backbone_id", "tester/bert"]),
        ([*FILMS, "--backbone_in_checkpoint", "True"], []),
        ([*PAIRS, "--lora_r", "2", "--lora_merge"], []),
        ([*FILMS, "--full_finetuning", "--push_to_hub", "--hub_model_id", "tester/films"], None),
        (["--task", "embedding", *PAIRS[:6]], ["--backbone_id", "tester/bert"]),
        (["--task", "embedding", *PAIRS[:6], "--backbone_in_checkpoint", "True"], []),
    ],
    ids=["head", "pairs", "backbone in it", "merged pairs", "pushed by train", "vectors", "vectors, backbone in it"],
)
def test_no_path_of_this_machine_is_uploaded(
    files, train, hub_here, minilm_tokenizer, monkeypatch, trained, published
):
    """Nor is the folder itself changed, whose paths its owner needs."""
    home = files / "home_of_maria"
    monkeypatch.setenv("HOME", str(home))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    backbone = BertModel(BertConfig(vocab_size=len(minilm_tokenizer), **sizes))
    backbone.save_pretrained(home / "bert")
    minilm_tokenizer.save_pretrained(home / "bert")
    if published:
        backbone.push_to_hub("tester/bert")
    noted = home / "bert/tokenizer_config.json"  # as older versions of transformers did
    noted.write_text(json.dumps(json.loads(noted.read_text()) | {"special_tokens_map_file": str(home / "cache/map")}))
    where = ["--backbone", str(home / "bert"), "--run_name", f"of maria, in {home}/runs"]
    assert train(*trained, *where, "--output_dir", str(home / "head")) == 0
    own_card = (home / "head/README.md").read_text()
    assert "home_of_maria" not in own_card and str(files) not in own_card
    if published is not None:
        before = {path: path.read_bytes() for path in (home / "head").rglob("*") if path.is_file()}
        assert main(["publish", str(home / "head"), "tester/films", *published]) == 0
        assert before == {path: path.read_bytes() for path in (home / "head").rglob("*") if path.is_file()}
    uploaded = hub_here.files("tester/films")
    assert {"README.md", "config.json", "model.safetensors", "tokenizer_config.json"} <= set(uploaded)
    for name, content in uploaded.items():
        assert b"home_of_maria" not in content and str(files).encode() not in content, name
    assert (
        main(
            [
                "embed",
                "--model",
                "tester/films",
                "--input",
                "films.csv",
                "--text_column",
                "review",
                "--output",
                "vectors.npy",
            ]
        )
        == 0
    )


def test_a_local_backbone_needs_its_name(trained_head, hub_here, error_line):
    line = error_line(main(["publish", "head", "tester/films"]))
    assert "--backbone_id" in line and not HfApi().repo_exists("tester/films")


def test_no_head(files, error_line):
    assert "holds no head" in error_line(main(["publish", "nothing", "tester/films"]))


def test_damaged_files_and_a_hub_that_is_down(files, train, published_backbone, hub_here, error_line):
    assert train(*FILMS, "--backbone", published_backbone) == 0
    for name, message in (
        ("model.safetensors", "header too small"),
        ("all_results.json", "'head/all_results.json' is damaged"),
        ("training_record.json", "'head/training_record.json' is damaged"),
        ("report.json", "'head/report.json' is damaged"),
    ):
        whole = (files / "head" / name).read_bytes()
        (files / "head" / name).write_bytes(b"[")
        assert message in error_line(main(["publish", "head", "tester/films"]))
        (files / "head" / name).write_bytes(whole)
    assert not HfApi().repo_exists("tester/films")
    hub_here.stop()
    assert "cannot be reached" in error_line(main(["publish", "head", "tester/films"]))


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
    assert shareable_command(command, "/secret/bert")[3] == "bert"  # the backbone is in the checkpoint
    options = [
        "--backbone_load_kwargs",
        '{"a": "/secret folder/b"}',
        "--run_name",
        "of /secret/c",
        "--x",
        "https://a/b",
    ]
    assert shareable_command(options, None) == [
        "--backbone_load_kwargs",
        '{"a": "b"}',
        "--run_name",
        "of c",
        "--x",
        "https://a/b",
    ]
