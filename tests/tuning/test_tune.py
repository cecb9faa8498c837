"""The search: what it tries, that it goes on, and which head it takes."""

import csv

import numpy as np
import optuna
import pytest
from datasets import Dataset
from sklearn.metrics import log_loss, mean_squared_error
from transformers.utils import logging

from glot_hf.data.labels import Labels
from glot_hf.states.running import state_rows
from glot_hf.system.errors import InputError
from glot_hf.tuning import recipe
from glot_hf.tuning.search import STUDY
from glot_hf.tuning.trials import Judge
from glot_hf.tuning.tune import tune


CLASSES = Labels("single_label_classification", ("bad", "good"))


@pytest.fixture(autouse=True)
def small_and_quiet(monkeypatch):
    monkeypatch.setattr(recipe, "_FEWEST_STEPS", 10)
    logging.disable_progress_bar()
    yield
    logging.enable_progress_bar()


@pytest.fixture
def search(minilm_backbone, minilm_tokenizer, tmp_path):
    def run(examples, labels=CLASSES, metric="accuracy", **options):
        def rows_of(layers, token_features):
            return state_rows(minilm_backbone, minilm_tokenizer, examples, layers=layers)

        folder = tmp_path / "tuning"
        return tune(minilm_backbone, minilm_tokenizer, examples, labels, rows_of, metric, folder, **options)

    return run


@pytest.fixture(scope="module")
def minilm_backbone(minilm_path):
    from transformers import AutoModel

    return AutoModel.from_pretrained(minilm_path).eval().requires_grad_(False)


def films(count=60):
    texts = [f"a {['bad', 'good'][i % 2]} film of {7 * i % 90} minutes" for i in range(count)]
    return Dataset.from_dict({"text": texts, "labels": [i % 2 for i in range(count)]})


def leaderboard(tmp_path):
    with open(tmp_path / "tuning" / "leaderboard.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_it_tries_every_kind_and_takes_the_small_one_of_equals(search, tmp_path, capsys):
    plan = search(films(), trials=5)
    rows = leaderboard(tmp_path)
    names = {row["head"] for row in rows}
    assert names > {"residual block", "glot", "adapool", "deepsets"} | {f"linear head, layer {n}" for n in range(7)}
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True) and scores[0] == 1
    assert plan.name.startswith("linear head") and plan.training_options == {}
    output = capsys.readouterr().out
    assert "most frequent class" in output and "<- winner" in output
    assert (tmp_path / "tuning" / "leaderboard.png").stat().st_size > 10_000


def test_a_search_that_was_stopped_goes_on(search, tmp_path):
    search(films(), trials=2)
    study = optuna.load_study(study_name=STUDY, storage=f"sqlite:///{tmp_path / 'tuning' / 'tune.db'}")
    assert len(study.trials) == 4 and len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE])) == 2
    before = [row for row in leaderboard(tmp_path) if "linear" not in row["head"]]
    search(films(), trials=3)
    after = [row for row in leaderboard(tmp_path) if "linear" not in row["head"]]
    assert len(before) == 2 and len(after) == 3
    assert {row["score"] for row in before} <= {row["score"] for row in after}
    with pytest.raises(InputError, match="holds trials on other rows or labels"):
        search(films(70), trials=3)


def test_minutes_end_it(search, tmp_path):
    search(films(), minutes=0.001)
    assert len(leaderboard(tmp_path)) >= 8  # the linear heads are always there


def test_scores_of_pairs(search, tmp_path):
    generator = np.random.default_rng(0)
    pairs = {"text": [f"film {i}" for i in range(54)], "text_pair": [f"film {i + i % 3}" for i in range(54)]}
    examples = Dataset.from_dict(pairs | {"labels": generator.normal(size=54).tolist()})
    plan = search(examples, Labels("regression"), "spearman", trials=1)
    assert plan.head_options["pair_mode"] == "interaction"
    assert {row["head"] for row in leaderboard(tmp_path)} >= {"residual block", "linear head, layer 6"}


def test_too_few_rows(search):
    with pytest.raises(InputError, match="fewer than 50 rows.*use glot-hf train"):
        search(films(20), trials=1)


def test_the_loss_is_scikit_learns(tiny_bert):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 60).tolist()
    judge = Judge(tiny_bert, labels, CLASSES.config_options, "accuracy")
    logits = generator.normal(size=(60, 2)).astype(np.float32)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert judge.loss(logits) == pytest.approx(log_loss(judge.labels, probabilities), rel=1e-5)
    assert judge.majority_score() == max(np.mean(labels), 1 - np.mean(labels))
    scores = generator.normal(size=60).tolist()
    judge = Judge(tiny_bert, scores, Labels("regression").config_options, "spearman")
    assert judge.loss(logits[:, :1]) == pytest.approx(mean_squared_error(judge.labels, logits[:, 0]), rel=1e-5)
    assert judge.majority_score() is None
