"""The choice of a head on held-out rows: what it may look at, what it takes, and what it reports."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import accuracy_score, matthews_corrcoef
from transformers.utils import logging

from glot_hf.data.labels import Labels
from glot_hf.training.on_states import held_out_parts
from glot_hf.tuning import recipe, trials
from glot_hf.tuning.recipe import candidates_for, choose_head
from glot_hf.tuning.trials import Candidate, Judge


CLASSES = Labels("single_label_classification", ("no", "yes")).config_options


@pytest.fixture(autouse=True)
def no_progress_bars():
    logging.disable_progress_bar()
    yield
    logging.enable_progress_bar()


def rows_where(signal, num_rows=90, width=32):
    """States whose label is said by the mean of a dimension ("mean"), or by one token among many ("max")."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for index in range(num_rows):
        label = index % 2
        states = torch.randn(12, width, generator=generator)
        if signal == "mean":
            states[:, 0] += 2 * label
        elif label:
            states[int(torch.randint(12, (), generator=generator)), 0] += 9
        else:
            states[:, 0] += 9 / 12  # the same mean
        rows.append({"hidden_states": states, "labels": label})
    return rows


def choose(backbone, candidates, rows, metric="accuracy", threshold="auto", say=print):
    """Return the choice, and the labels of the rows that were held out."""
    judge = Judge(backbone, [row["labels"] for row in rows], CLASSES, metric, threshold)
    return choose_head(judge, candidates, rows, say), judge.labels


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(recipe, "_FEWEST_STEPS", 30)


def test_the_linear_head_wins_where_nothing_is_better(tiny_bert, few_steps):
    said = []
    choice, _ = choose(tiny_bert, candidates_for(-1, 90, False), rows_where("mean"), say=said.append)
    assert choice.winner is choice.trials[0] and choice.winner.candidate.training_options == {}
    assert [line.split(":")[0] for line in said] == ["linear head", "residual block"]
    assert choice.margins[0] == (0.0, 0.0)


def test_the_block_wins_where_one_token_says_it(tiny_bert):
    choice, _ = choose(tiny_bert, candidates_for(-1, 300, False), rows_where("max", 300))
    assert choice.winner.candidate.name == "residual block"
    margin, error = choice.margins[1]
    assert margin > error > 0 and choice.winner.score > choice.trials[0].score
    training = choice.winner.candidate.training_options
    assert training["max_steps"] % 30 == 0 and 30 <= training["max_steps"] <= 300
    assert training["warmup_steps"] == training["max_steps"] // 10


def test_scores_are_of_rows_that_were_not_trained_on(tiny_bert, few_steps):
    """Labels that nothing explains are known by heart to a head that saw them."""
    generator = np.random.default_rng(0)
    rows = [row | {"labels": int(generator.integers(2))} for row in rows_where("max", 120)]
    choice, labels = choose(tiny_bert, candidates_for(-1, 120, False), rows, threshold=None)
    held_out = np.concatenate([[row["labels"] for row in part] for _, part in held_out_parts(rows)])
    assert (labels == held_out).all()
    for trial in choice.trials:
        assert len(trial.part_scores) == 3 and np.mean(trial.part_scores) == pytest.approx(trial.score)
        assert trial.score == accuracy_score(held_out, trial.logits.argmax(axis=1)) < 0.75


def test_a_threshold_is_chosen_where_it_pays(tiny_bert):
    """Of rare positives that are hard to tell, few pass 0.5."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for index in range(400):
        label = int(index % 8 == 0)
        states = torch.randn(5, 32, generator=generator)
        states[:, 0] += 0.5 * label
        rows.append({"hidden_states": states, "labels": label})
    linear = candidates_for(-1, 400, False)[:1]
    (chosen, labels), (plain, _), (given, _) = (
        choose(tiny_bert, linear, rows, "matthews_correlation", threshold) for threshold in ("auto", None, 0.2)
    )
    chosen, plain = chosen.winner, plain.winner
    assert chosen.threshold < 0.5 and plain.threshold is None and chosen.score > plain.score
    answers = softmax(chosen.logits, axis=1)[:, 1] > chosen.threshold
    assert chosen.score == pytest.approx(matthews_corrcoef(labels, answers), abs=1e-9)
    assert given.winner.threshold == 0.2


def test_many_rows_are_divided_once(tiny_bert, monkeypatch):
    monkeypatch.setattr(trials, "MANY_ROWS", 60)
    _, labels = choose(tiny_bert, candidates_for(-1, 90, False)[:1], rows_where("mean"))
    assert len(labels) == 9


def test_a_training_that_is_no_better_stops(tiny_bert, monkeypatch):
    looked = []
    predict = trials.Trainer.predict
    monkeypatch.setattr(
        trials.Trainer, "predict", lambda *args, **kwargs: looked.append(1) or predict(*args, **kwargs)
    )
    block = candidates_for(-1, 90, False)[1]
    easy = Candidate("easy", block.head_options, block.training_options | {"max_steps": 100, "warmup_steps": 10})
    rows = [row | {"hidden_states": row["hidden_states"] + 5 * row["labels"]} for row in rows_where("mean")]
    choose(tiny_bert, [easy], rows)
    assert 3 * (1 + trials._PATIENCE) <= len(looked) < 3 * trials._NUM_LOOKS


@pytest.mark.parametrize("num_rows, steps", [(100, 300), (1600, 300), (4000, 750), (10**6, 6000)])
def test_steps_by_the_number_of_rows(num_rows, steps):
    linear, block = candidates_for([2, 4], num_rows, is_pair=False)
    assert block.training_options["max_steps"] == steps and linear.training_options == {}
    assert linear.head_options["backbone_layers"] == block.head_options["backbone_layers"] == [2, 4]
    assert linear.head_options["layer_mix"] == "concat"


def test_pairs_are_compared_token_by_token_too():
    linear, late = candidates_for(-1, 100, is_pair=True)
    assert linear.head_options["pair_mode"] == "interaction" and late.head_options["pair_mode"] == "late"
