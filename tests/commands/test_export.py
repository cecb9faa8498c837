"""`glot-hf export`: a folder that a server needs nothing else for, and what is said of it."""

import json
import re
import subprocess
import sys

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel
from glot_hf.commands.export import compare_on_text, load_judge
from glot_hf.commands.main import main
from glot_hf.export.check import text_batches
from glot_hf.loading.head import load_head
from glot_hf.options.arguments import LabelledTextArguments


SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8}


@pytest.fixture
def head(files, minilm_tokenizer):
    """Saves a head on a small backbone that reads real text."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 37}
    BertModel(BertConfig(vocab_size=len(minilm_tokenizer), **sizes)).save_pretrained("backbone")
    minilm_tokenizer.save_pretrained("backbone")

    def save(model_class=GlotForSequenceClassification, **options):
        model = model_class.from_backbone("backbone", **SMALL, **options)
        model.save_pretrained("head")
        return model

    return save


def run_example(folder):
    """Where only onnxruntime, tokenizers and numpy are."""
    script = (
        "import runpy, sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'glot_hf']));"
        f"runpy.run_path('{folder}/example.py')"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


def test_a_classifier_in_int8(head, files, capsys):
    labels = {"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}
    model = head(problem_type="single_label_classification", **labels)
    judge = ["--validation_file", "films.csv", "--text_column", "review", "--label_column", "mood"]
    assert main(["export", "head", "--to", "onnx", "--with_backbone", "--quantize", "int8", *judge]) == 0
    output = capsys.readouterr().out
    assert "largest difference from torch" in output and "(tolerance 1e-05)" in output
    assert "eval, 40 rows" in output and "accuracy" in output
    texts = ["a lovely film", "an awful film, and far too long"]
    tokenizer = load_head("head")[1]
    with torch.no_grad():
        answers = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.argmax(dim=-1)
    expected = [f"{text} -> {labels['id2label'][answer]}" for text, answer in zip(texts, answers.tolist())]
    assert run_example("head_onnx").splitlines() == expected
    assert json.loads((files / "head_onnx/config.json").read_text()).get("backbone_name_or_path") is None


def test_scores_that_int8_makes_all_the_same(head, files, capsys):
    """Which have no correlation."""
    model = head(problem_type="regression", num_labels=1)
    (files / "scores.csv").write_text("text,score\na film,1\na good film,2\nno film,3\n")
    data = LabelledTextArguments(validation_file="scores.csv", text_column="text", label_column="score")
    runs = {
        "float32": lambda inputs: model(**inputs).logits.detach(),
        "int8": lambda inputs: torch.zeros(len(inputs["input_ids"]), 1),
    }
    compare_on_text(runs, *load_judge("head", model, load_head("head")[1], data), with_backbone=True, batch_size=2)
    assert re.search(r"spearman +-?\d\.\d{4} +nan", capsys.readouterr().out)


def test_int8_of_a_head_that_does_not_say_its_problem_type(head, files, capsys):
    model = head()
    (files / "numbers.csv").write_text("text,label\na good film,1\nno film,0\n")
    judge, _ = load_judge("head", model, load_head("head")[1], LabelledTextArguments(validation_file="numbers.csv"))
    assert judge.labels.problem_type == "single_label_classification"
    assert "takes single_label_classification" in capsys.readouterr().err


@pytest.mark.slow
def test_pairs(head):
    head(pooling="mean", pair_mode="cosine")
    assert main(["export", "head", "--to", "onnx", "--with_backbone", "--output_dir", "served"]) == 0
    assert "an awful film, and far too long -> [" in run_example("served")


def test_texts_are_cut_where_the_tokenizer_cuts_them(head, files):
    model, tokenizer = head(pair_mode="concat"), AutoTokenizer.from_pretrained("backbone", model_max_length=16)
    for batch in text_batches(model, tokenizer, with_backbone=True):
        assert batch["input_ids"].shape[1] <= 16 and batch["input_ids_b"].shape[1] <= 16


def test_vectors_of_hidden_states(files, capsys):
    GlotModel(GlotConfig(input_size=16, pooling="mean")).save_pretrained("head")
    assert main(["export", "head", "--to", "onnx"]) == 0
    assert "checked on random hidden states" in capsys.readouterr().out
    assert "and so on, 16 numbers" in run_example("head_onnx")


def test_a_program_of_torch(head, files):
    head(GlotModel, pooling="mean")
    assert main(["export", "head", "--to", "torch"]) == 0
    assert {path.name for path in (files / "head_torch").iterdir()} == {"config.json", "model.pt2"}


def test_what_differs_is_not_written(head, files, error_line, monkeypatch):
    head(GlotModel, pooling="mean")
    monkeypatch.setattr("glot_hf.export.check.TOLERANCE", -1.0)
    assert "more than the tolerance" in error_line(main(["export", "head", "--to", "torch"]))
    assert not (files / "head_torch").exists()


def test_mistakes(head, files, error_line):
    head(problem_type="single_label_classification")
    (files / "there").mkdir()
    for options, message in (
        (("head", "--to", "onnx", "--output_dir", "there"), "'there' already exists"),
        (("head", "--to", "torch", "--quantize", "int8"), "--quantize int8 is for --to onnx"),
        (("head", "--to", "onnx", "--task", "sst2"), "judge what --quantize costs"),
        (("head", "--to", "onnx", "--quantize", "int8"), "either --validation_file or --task"),
        (("head", "--to", "tflite"), "invalid choice: 'tflite' (choose from 'onnx', 'torch')"),
        (("head", "--to", "onnx", "--output_dir", "films.csv/there"), "File exists: 'films.csv'"),
        (("nowhere", "--to", "onnx"), "there is no head in 'nowhere'"),
        (("backbone", "--to", "onnx"), "is a 'bert' model and not a head"),
    ):
        assert message in error_line(main(["export", *options]))
    GlotModel(GlotConfig(input_size=16)).save_pretrained("alone")
    judged = ("--quantize", "int8", "--validation_file", "films.csv")
    assert "this head gives vectors" in error_line(main(["export", "alone", "--to", "onnx", *judged]))
    assert "has no backbone" in error_line(main(["export", "alone", "--to", "onnx", "--with_backbone"]))
