"""`glot-hf predict` and `evaluate` on heads that no `glot-hf train` wrote, and what they refuse to answer."""

import json

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer, BertConfig, BertModel, Trainer, TrainingArguments, pipeline

from glot_hf import GlotForSequenceClassification, GlotModel
from glot_hf.commands.main import main
from glot_hf.data import HiddenStateCache
from glot_hf.export.check import largest_difference, random_batches
from glot_hf.states.running import HiddenStateCollator


SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8}
TEXTS = ["a fine film", "an awful one", "a poor film, number 7"]


@pytest.fixture
def backbone(files, minilm_tokenizer):
    """A tiny encoder and its tokenizer in the folder "backbone"."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 37}
    BertModel(BertConfig(vocab_size=len(minilm_tokenizer), **sizes)).save_pretrained("backbone")
    minilm_tokenizer.save_pretrained("backbone")
    return "backbone"


def lines(capsys, *command):
    capsys.readouterr()
    assert main(list(command)) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def answers_of(model, tokenizer):
    with torch.no_grad():
        scores = model.eval()(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits.softmax(dim=-1)
    return [model.config.id2label[index] for index in scores.argmax(dim=-1).tolist()], scores.max(dim=-1).values


def assert_same(lines, expected):
    assert [line["label"] for line in lines] == expected[0]
    assert [line["score"] for line in lines] == pytest.approx(expected[1].tolist(), abs=1e-5)


def test_heads_that_were_trained_in_python(backbone, files, hub_here, capsys):
    """On a cache, without a tokenizer; its checkpoint; in a repository; adapters that name it as their base."""
    model = GlotForSequenceClassification.from_backbone(backbone, id2label={0: "bad", 1: "good"}, **SMALL)
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    columns = {"text": [f"number {n}" for n in range(8)], "labels": [n % 2 for n in range(8)]}
    cache = HiddenStateCache.build(model.glot.backbone, tokenizer, columns, folder="states")
    arguments = TrainingArguments("run", max_steps=1, report_to="none", use_cpu=True)
    trainer = Trainer(model, arguments, train_dataset=cache, data_collator=HiddenStateCollator())
    trainer.train()
    trainer.save_model("head")
    expected = answers_of(model, tokenizer)
    Trainer(model, arguments, train_dataset=cache, processing_class=tokenizer).save_model("with_tokenizer")
    assert_same(pipeline("text-classification", model="with_tokenizer", device="cpu")(TEXTS), expected)
    assert_same(lines(capsys, "predict", "head", "--text", *TEXTS), expected)
    assert_same(lines(capsys, "predict", "run/checkpoint-1", "--text", *TEXTS), expected)
    assert main(["evaluate", "head", "--validation_file", "films.csv", "--label_column", "mood"]) == 0

    tokenizer.save_pretrained("head")
    whole = GlotForSequenceClassification.from_pretrained("head")
    whole.config.backbone_in_checkpoint = True  # of a local backbone
    whole.push_to_hub("tester/head", tokenizer=tokenizer)
    assert_same(lines(capsys, "predict", "tester/head", "--text", *TEXTS), expected)

    base = GlotForSequenceClassification.from_pretrained("head")
    modules = {"target_modules": "all-linear", "modules_to_save": ["glot.head"]}
    tuned = get_peft_model(base, LoraConfig(task_type="SEQ_CLS", r=2, init_lora_weights=False, **modules))
    tuned.save_pretrained("adapter")
    assert_same(lines(capsys, "predict", "adapter", "--text", *TEXTS), answers_of(tuned.get_base_model(), tokenizer))


def test_columns_are_guessed_and_classes_without_names_are_numbers(backbone, files, capsys):
    """A pair head that never saw a label: it is judged as one label a row, and says so."""
    GlotForSequenceClassification.from_backbone(backbone, num_labels=2, pair_mode="concat", **SMALL).save_pretrained(
        "head"
    )
    rows = "".join(f"number {n},number {n % 3},{n % 2}\n" for n in range(6))
    (files / "usual.csv").write_text(f"sentence1,sentence2,label\n{rows}")
    answers = lines(capsys, "predict", "head", "--test_file", "usual.csv")
    assert [(answer["text"], answer["text_pair"]) for answer in answers[:2]] == [
        ("number 0", "number 0"),
        ("number 1", "number 1"),
    ]
    assert {answer["label"] for answer in answers} <= {"LABEL_0", "LABEL_1"}
    expected = sum(answer["label"] == f"LABEL_{n % 2}" for n, answer in enumerate(answers)) / 6
    assert main(["evaluate", "head", "--validation_file", "usual.csv", "--output_file", "scores.json"]) == 0
    assert json.loads((files / "scores.json").read_text())["eval_accuracy"] == pytest.approx(expected)
    assert "does not say its problem_type: takes single_label_classification" in capsys.readouterr().err


def test_vectors_are_judged_without_a_record(backbone, files, capsys):
    GlotModel.from_backbone(backbone, **SMALL).save_pretrained("head")
    (files / "scored.csv").write_text(
        "sentence1,sentence2,score\na cat,a kitten,1\na cat,a car,0.2\nthe sun,a spoon,0\n"
    )
    assert main(["evaluate", "head", "--validation_file", "scored.csv"]) == 0
    assert "eval_spearman" in capsys.readouterr().out


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_classes_are_named_by_their_index(backbone, files, capsys, problem_type):
    """Also where a tool has sorted the keys of config.json, so that "10" is before "2"."""
    names = {index: f"class {chr(ord('m') - index)}" for index in range(12)}
    model = GlotForSequenceClassification.from_backbone(backbone, id2label=names, problem_type=problem_type, **SMALL)
    model.save_pretrained("head")
    path = files / "head" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert list(json.loads(path.read_text())["id2label"])[:3] == ["0", "1", "10"]
    tokenizer = AutoTokenizer.from_pretrained(backbone)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)
    for line, expected in zip(lines(capsys, "predict", "head", "--text", *TEXTS), classify(TEXTS), strict=True):
        scores = {answer["label"]: answer["score"] for answer in expected}
        if problem_type == "multi_label_classification":
            assert line["scores"] == pytest.approx(scores, abs=1e-5)
        else:
            assert line["label"] == max(scores, key=scores.get)
    rows = [f"{text};{names[index]}\n" for index, text in enumerate(TEXTS)]
    (files / "classes.jsonl").write_text(
        "".join(json.dumps(dict(zip(("text", "label"), row.strip().split(";")))) + "\n" for row in rows)
    )
    output = ["--output_file", "scores.json"]
    assert main(["evaluate", "head", "--validation_file", "classes.jsonl", *output]) == 0
    with torch.no_grad():
        logits = model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits
    labels = torch.arange(len(TEXTS))
    if problem_type == "multi_label_classification":
        labels = torch.nn.functional.one_hot(labels, 12).float()
    loss = model.compute_loss(logits, labels).item()
    assert json.loads((files / "scores.json").read_text())["eval_loss"] == pytest.approx(loss, abs=1e-5)


def test_a_class_without_a_name(backbone, files, error_line):
    model = GlotForSequenceClassification.from_backbone(backbone, problem_type="single_label_classification", **SMALL)
    model.config.id2label = {0: "bad", 2: "good"}
    model.save_pretrained("head")
    assert "names the classes [0, 2]: name each from 0 to 1" in error_line(main(["predict", "head", "--text", *TEXTS]))


@pytest.mark.parametrize("problem_type", ["regression", "single_label_classification"])
def test_answers_that_are_not_finite_are_refused(backbone, files, error_line, capsys, problem_type):
    num_labels = 1 if problem_type == "regression" else 2
    options = {"problem_type": problem_type, "num_labels": num_labels}
    model = GlotForSequenceClassification.from_backbone(backbone, **options, **SMALL)
    with torch.no_grad():  # of one word alone
        token = AutoTokenizer.from_pretrained(backbone)("awful")["input_ids"][1]
        model.glot.backbone.get_input_embeddings().weight[token] = torch.nan
    model.config.backbone_in_checkpoint = True
    model.save_pretrained("head")
    (files / "labelled.csv").write_text("text,label\na fine film,0\nan awful one,1\n")
    AutoTokenizer.from_pretrained(backbone).save_pretrained("head")
    for command in (
        ("predict", "head", "--text", *TEXTS),
        ("predict", "head", "--test_file", "labelled.csv"),
        ("evaluate", "head", "--validation_file", "labelled.csv"),
    ):
        assert "the numbers of text 2 ('an awful one') are not finite: check the weights" in error_line(
            main(list(command))
        )
    assert "NaN" not in capsys.readouterr().out


def test_vectors_that_are_not_finite_are_refused(backbone, files, error_line):
    model = GlotModel.from_backbone(backbone, **SMALL)
    with torch.no_grad():
        next(model.head.parameters())[:] = torch.nan
    model.save_pretrained("head")
    (files / "scored.csv").write_text("sentence1,sentence2,score\na cat,a kitten,1\na cat,a car,0.2\n")
    for command in (
        ("evaluate", "head", "--validation_file", "scored.csv"),
        ("embed", "--model", "head", "--input", "scored.csv", "--text_column", "sentence1", "--output", "vectors.npy"),
    ):
        assert "the head's own weights are not finite; train it again" in error_line(main(list(command)))
    with pytest.raises(ValueError, match="own weights are not finite"):  # what is exported is compared with it
        largest_difference(lambda inputs: torch.zeros(()), model, random_batches(model))
