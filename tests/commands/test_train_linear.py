"""`glot-hf train` of a pooling without parameters: what scikit-learn finds, as a head like any other."""

import json
from pathlib import Path

import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from glot_hf import GlotModel
from glot_hf.commands.main import main


def vectors_of(minilm_path, texts):
    model = GlotModel.from_backbone(minilm_path, pooling="mean")
    return model.encode(texts, AutoTokenizer.from_pretrained(minilm_path)).double().numpy()


@pytest.fixture
def reviews(files):
    rows = [json.loads(line) for line in (files / "films.jsonl").read_text().splitlines()]
    return [row["text"] for row in rows], [row["label"] for row in rows]


@pytest.mark.parametrize("cache", [[], ["--no_cache"]])
def test_it_is_logistic_regression(train, reviews, minilm_path, capsys, cache):
    data = ["--train_file", "films.jsonl", "--validation_file", "films.jsonl"]
    assert train(*data, "--pooling", "mean", *cache) == 0
    output = capsys.readouterr()
    assert "the linear layer was fitted to convergence" in output.out and "5-fold cross-validation" in output.out
    assert (
        "no steps to take" in output.err and "does nothing: --max_steps, --per_device_train_batch_size" in output.err
    )
    results = json.loads(Path("head/all_results.json").read_text())
    texts, labels = reviews
    oracle = make_pipeline(StandardScaler(), LogisticRegression(C=results["train_C"], max_iter=10_000))
    expected = oracle.fit(vectors_of(minilm_path, texts), labels).predict_proba(vectors_of(minilm_path, texts))
    model = AutoModelForSequenceClassification.from_pretrained("head")
    inputs = AutoTokenizer.from_pretrained("head")(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        found = model(**inputs).logits.softmax(-1)
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), rtol=0, atol=2e-3)


def test_the_penalty_is_chosen_by_the_metric_that_is_named(train, files, capsys):
    data = ["--train_file", "films.csv", "--label_column", "mood", "--pooling", "mean"]
    assert train(*data, "--metric_for_best_model", "eval_accuracy") == 0
    assert "chosen by accuracy in 5-fold cross-validation" in capsys.readouterr().out


def test_several_labels(train, files):
    assert train("--train_file", "several.jsonl", "--validation_file", "several.jsonl", "--pooling", "mean") == 0
    model = AutoModelForSequenceClassification.from_pretrained("head")
    assert model.config.problem_type == "multi_label_classification" and model.config.num_labels == 2
    assert json.loads(Path("head/all_results.json").read_text())["eval_f1_micro"] > 0.5


def test_it_is_exported_and_published_like_any_head(train, files, hub_here, minilm_path):
    AutoModel.from_pretrained(minilm_path).push_to_hub("tester/minilm")
    assert train("--train_file", "films.csv", "--label_column", "mood", "--pooling", "mean") == 0
    assert main(["export", "head", "--to", "torch", "--output_dir", "program"]) == 0
    assert main(["publish", "head", "tester/films", "--backbone_id", "tester/minilm"]) == 0
    fitted, published = (
        AutoModelForSequenceClassification.from_pretrained(name, load_backbone=False)
        for name in ("head", "tester/films")
    )
    assert torch.equal(published.classifier.weight, fitted.classifier.weight)


def test_scores_are_ridge_regression(train, files, minilm_path):
    data = ["--train_file", "scores.tsv", "--validation_file", "scores.tsv", "--label_column", "score"]
    assert train(*data, "--pooling", "mean") == 0
    results = json.loads(Path("head/all_results.json").read_text())
    rows = [line.split("\t") for line in (files / "scores.tsv").read_text().splitlines()[1:]]
    vectors, scores = vectors_of(minilm_path, [text for text, _ in rows]), [float(score) for _, score in rows]
    oracle = make_pipeline(StandardScaler(), Ridge(results["train_alpha"])).fit(vectors, scores)
    assert results["eval_mse"] == pytest.approx(((oracle.predict(vectors) - scores) ** 2).mean(), rel=1e-2)


def test_a_cosine_of_means_takes_steps(train, files, capsys):
    assert train("--train_file", "pairs.csv", "--pooling", "mean", "--text_column", "a", "--text_pair_column", "b",
                 "--label_column", "label", "--problem_type", "regression", "--pair_mode", "cosine") == 0  # fmt: skip
    assert "fitted to convergence" not in capsys.readouterr().out
