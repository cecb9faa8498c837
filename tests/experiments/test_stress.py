import json

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoModel, Trainer

from glot_hf.experiments import panels, stress
from glot_hf.experiments.stress import run_stress_test
from glot_hf.experiments.stress_options import StressTestArguments
from glot_hf.experiments.stress_report import stress_table
from glot_hf.states.running import compute_hidden_states
from glot_hf.system.errors import InputError


SMALL = {
    "ratios": [0.2, 0.5],
    "poolings": ["mean", "glot"],
    "seeds": [0, 1],
    "train_size": 50,
    "test_size": 20,
    "learning_rates": [1e-3],
    "steps": [2],
}


@pytest.fixture(scope="module")
def minilm(minilm_path):
    return AutoModel.from_pretrained(minilm_path)


@pytest.fixture
def run(minilm, minilm_tokenizer, tmp_path):
    def run(**options):
        arguments = StressTestArguments(output_dir=str(tmp_path / "results"), **SMALL | options)
        variants = {name: {"pooling": name} for name in arguments.poolings}
        return run_stress_test(
            minilm, minilm_tokenizer, arguments, variants, {"gnn_hidden_size": 8}, {"backbone": "minilm"}
        )

    return run


@pytest.fixture
def trainings(monkeypatch):
    """The pooling, seed, learning rate, steps and number of texts of every training."""
    calls, train_on_states = [], panels.train_on_states

    def count(backbone, options, rows, seed, **more):
        calls.append((options["pooling"], seed, more["learning_rate"], more["max_steps"], len(rows)))
        return train_on_states(backbone, options, rows, seed, **more)

    monkeypatch.setattr(panels, "train_on_states", count)
    return calls


def test_a_small_one_runs_whole(run, tmp_path, capsys):
    results = run()
    output = capsys.readouterr().out
    assert stress_table(results) in output
    assert "| pooling | head parameters | 20% | 50% |" in output
    assert output.count("\n| ") == 6 + 4  # headers, two of leak check, two of poolings; what each was trained with
    assert json.loads((tmp_path / "results" / "results.json").read_text()) == results
    assert (tmp_path / "results" / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    runs = [(cell["ratio"], cell["pooling"], cell["seed"]) for cell in results["runs"]]
    assert runs == [(r, p, s) for r in (0.2, 0.5) for p in ("mean", "glot") for s in (0, 1)]
    assert all(0 <= cell["accuracy"] <= 1 for cell in results["runs"])
    assert [check["accuracy"]["length only"] for check in results["leak_checks"]] == [0.5, 0.5]


def test_nothing_finished_is_run_again(run, trainings, monkeypatch):
    options = {"ratios": [0.5], "seeds": [0], "learning_rates": [1e-3, 1e-4]}
    before = run(**options)
    trainings.clear()
    monkeypatch.setattr(stress, "state_rows", None)  # no hidden states are needed either
    assert run(**options) == before
    assert trainings == []


def test_a_killed_run_keeps_what_it_finished(run, trainings, monkeypatch):
    count = panels.train_on_states

    def killed(*arguments, **options):
        if len(trainings) == 3:
            raise KeyboardInterrupt
        return count(*arguments, **options)

    monkeypatch.setattr(panels, "train_on_states", killed)
    with pytest.raises(KeyboardInterrupt):
        run(ratios=[0.5], poolings=["adapool", "glot"])
    monkeypatch.setattr(panels, "train_on_states", count)
    run(ratios=[0.5], poolings=["adapool", "glot"])
    assert trainings == [(pooling, seed, 1e-3, 2, 50) for pooling in ("adapool", "glot") for seed in (0, 1)]


def test_more_poolings_only_add_to_what_is_finished(run, trainings):
    run(ratios=[0.5], poolings=["glot"])
    trainings.clear()
    assert len(run(ratios=[0.5], poolings=["glot", "adapool"])["runs"]) == 4
    assert trainings == [("adapool", seed, 1e-3, 2, 50) for seed in (0, 1)]


def test_other_settings_are_refused(run, trainings):
    run(ratios=[0.5], poolings=["mean"], seeds=[0])
    trainings.clear()
    for name, value in (
        ("generator", "paper"),
        ("distance", 1),
        ("train_size", 60),
        ("max_length", 64),
        ("batch_size", 8),
    ):
        with pytest.raises(InputError, match=f"results with another {name} .*: name another --output_dir"):
            run(ratios=[0.5], poolings=["mean"], seeds=[0], **{name: value})
    run(ratios=[0.5], poolings=["mean"], seeds=[0], distance=0)  # what it is anyhow
    assert trainings == []


@pytest.mark.slow
def test_rate_and_steps_are_chosen_on_thirds_of_the_training_texts(run, trainings, tmp_path, monkeypatch):
    judged, evaluate = [], Trainer.evaluate
    monkeypatch.setattr(Trainer, "evaluate", lambda self, rows: judged.append(rows) or evaluate(self, rows))
    results = run(ratios=[0.5], poolings=["adapool"], learning_rates=[1e-2, 1e-9], steps=[1, 6], seeds=[1, 2])
    budgets = [(rate, steps) for rate in (1e-2, 1e-9) for steps in (1, 6)]
    (chosen,) = {run["chosen"] for run in results["runs"]}
    rate, steps = float(chosen.split(" x ")[0]), int(chosen.split(" x ")[1])
    assert trainings == [
        *(("adapool", 0, *budget, size) for budget in budgets for size in (33, 33, 34)),
        *(("adapool", seed, rate, steps, 50) for seed in (1, 2)),
    ]
    (cells,) = (tmp_path / "results" / "cells").glob("*/adapool")
    means = {
        budget: sum(json.loads((cells / f"held-out-lr{budget[0]:g}-steps{budget[1]}.json").read_text())["accuracies"])
        for budget in budgets
    }
    assert (rate, steps) == max(means, key=means.get)
    assert [len(rows) for rows in judged] == [17, 17, 16] * 4 + [20, 20]
    held_out = [row["hidden_states"] for rows in judged[:3] for row in rows]
    assert len(held_out) == 50  # each training text once, and no test text
    for states in held_out:
        assert not any(torch.equal(states, other["hidden_states"]) for other in judged[-1])


def test_a_linear_head_is_fitted_once_to_what_scikit_learn_finds(run, trainings, minilm, minilm_tokenizer):
    """Whatever the learning rates, steps and seeds."""
    results = run(ratios=[0.0], poolings=["mean"], train_size=100, test_size=100, learning_rates=[1e-9, 1.0])
    assert trainings == []
    first, second = results["runs"]
    assert first == second | {"seed": 0} and first["chosen"].startswith("C ") and first["head_parameters"] == 770
    arguments = StressTestArguments(train_size=100, test_size=100)
    (train, y), (test, z) = (
        arguments.texts(100, 0.0, "random", seed) for seed in (stress.TRAIN_TEXTS, stress.TEST_TEXTS)
    )
    train, test = (
        [states.mean(0).numpy() for states in compute_hidden_states(minilm, minilm_tokenizer, texts)]
        for texts in (train, test)
    )
    penalty = float(first["chosen"].removeprefix("C "))
    oracle = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=10_000)).fit(train, y)
    assert first["accuracy"] == pytest.approx(oracle.score(test, z), abs=0.011)


def test_a_dead_head_is_marked(run):
    results = run(ratios=[0.5], poolings=["mean"], seeds=[0])
    assert not stress_table(results).endswith("† |")
    results["runs"][0]["is_dead"] = True
    assert stress_table(results).endswith("† |")


def test_training_and_test_texts_are_different():
    for generator in ("released", "paper", "matched"):
        arguments = StressTestArguments(generator=generator)
        train, test = (
            arguments.texts(500, 0.5, "random", seed)[0] for seed in (stress.TRAIN_TEXTS, stress.TEST_TEXTS)
        )
        assert not set(train) & set(test)


def test_texts_that_are_cut_are_told(run, capsys):
    run(ratios=[0.9], poolings=["mean"], seeds=[0], max_length=32)
    assert "are cut at --max_length 32: the statement may be lost (ratio 0.9" in capsys.readouterr().out


def test_positions_have_columns_of_their_own(run):
    results = run(ratios=[0.5], poolings=["mean"], seeds=[0], positions=["start", "end"])
    assert stress_table(results).splitlines()[0] == "| pooling | head parameters | 50% start | 50% end |"
