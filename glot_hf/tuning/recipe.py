# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The default recipe of `glot-hf train`: which head, and how long it trains, chosen on rows that are held out.

A linear layer on mean vectors is hard to beat and cannot fail, so it is always a candidate; a trained head takes its
place only where it is better by more than one standard error. Every default here has a line in docs/recipe.md.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.special import softmax
from transformers import EvalPrediction, Trainer, TrainerCallback

from ..data.labels import ProblemType
from ..model.decision_glot import at_threshold
from ..training.metrics import greater_is_better, metrics_for
from ..training.on_states import Rows, fit_on_states, held_out_parts, trainer_on_states


MANY_ROWS = 10_000  # more are divided once and not in thirds
_EPOCHS, _FEWEST_STEPS, _MOST_STEPS = 6, 300, 6_000
_BATCH_SIZE = 32
_NUM_LOOKS, _PATIENCE = 10, 4  # how often a training is judged, and how many looks it may be no better
_NUM_DRAWS = 200  # of the bootstrap
METRICS: dict[ProblemType, str] = {
    "single_label_classification": "accuracy",
    "multi_label_classification": "f1_micro",
    "regression": "spearman",
}


class Candidate(NamedTuple):
    """
    A head to be tried.

    Args:
        name (`str`): how it is called in what is printed.
        head_options (`dict`): options of [`GlotConfig`].
        training_options (`dict`): options of [`GlotTrainingArguments`]; empty for a linear fit.
    """

    name: str
    head_options: dict[str, Any]
    training_options: dict[str, Any]


class Trial(NamedTuple):
    """
    What a candidate did on rows that it was not trained on.

    Args:
        candidate ([`Candidate`]): with the number of steps that was best.
        logits (`np.ndarray` of shape `(M, num_labels)`): the answers to all rows that were held out once.
        threshold (`float`, *optional*): of two classes, the probability of the second from which on it is answered,
            where another than 0.5 is better by more than one standard error.
        score (`float`): the metric of these answers.
        seconds (`float`): of all its trainings.
    """

    candidate: Candidate
    logits: np.ndarray
    threshold: float | None
    score: float
    seconds: float


class Choice(NamedTuple):
    """
    Which candidate won.

    Args:
        trials (`list[Trial]`): all that were tried, the linear head first.
        winner ([`Trial`]): the best; a later one only if it is better by more than one standard error.
        margins (`list[tuple[float, float]]`): of each trial, how much better it is than the first, and its standard
            error over the held-out rows.
        labels (`np.ndarray`): of the held-out rows.
    """

    trials: list[Trial]
    winner: Trial
    margins: list[tuple[float, float]]
    labels: np.ndarray


def linear_candidate(layers: int | list[int], is_pair: bool) -> Candidate:
    """Return the linear layer on mean vectors, of [a; b; |a - b|; a * b] for pairs."""
    options = {**reading(layers), "pooling": "mean"}
    return Candidate("linear head", options | ({"pair_mode": "interaction"} if is_pair else {}), {})


def candidates_for(layers: int | list[int], num_rows: int, is_pair: bool) -> list[Candidate]:
    """
    Return the heads to try: the linear one, and for single texts the residual block.

    Args:
        layers (`int` or `list[int]`): the layers to read, as the probe found them.
        num_rows (`int`): the number of rows to train on, which decides how many steps a training takes at most.
        is_pair (`bool`): a row has two texts.
    """
    linear = linear_candidate(layers, is_pair)
    if is_pair:
        return [linear]
    steps = min(_MOST_STEPS, max(_FEWEST_STEPS, _EPOCHS * num_rows // _BATCH_SIZE))
    block = {
        **reading(layers),
        "block": "residual",
        "graph_type": "self",
        "dropout": 0.3,
        "readout": ["mean", "max", "attention"],
        "input_norm": "standard",
    }
    training = {
        "learning_rate": 1e-3,
        "max_steps": steps,
        "per_device_train_batch_size": _BATCH_SIZE,
        "weight_decay": 0.05,
        "warmup_steps": steps // 10,
        "lr_scheduler_type": "cosine",
    }
    return [linear, Candidate("residual block", block, training)]


def reading(layers: int | list[int]) -> dict[str, Any]:
    """Return the options of a head that reads a layer, or several side by side."""
    return {"backbone_layers": layers, "layer_mix": "concat" if isinstance(layers, list) else "learned"}


def choose_head(
    backbone: Any,
    candidates: list[Candidate],
    rows: Rows,
    config_options: dict[str, Any],
    metric: str,
    threshold: float | Literal["auto"] | None = "auto",
    say: Callable[[str], None] = print,
) -> Choice:
    """
    Try every candidate on the same held-out rows.

    Args:
        backbone (`PreTrainedModel`): the frozen backbone that made the states.
        candidates (`list[Candidate]`): the linear head first.
        rows (`list` or `Dataset`): states of all training rows; each candidate reads the layers that they hold.
        config_options (`dict`): problem type and classes, options of [`GlotConfig`].
        metric (`str`): one of [`~glot_hf.training.metrics.metrics_for`].
        threshold (`float`, *optional*): the decision threshold of two classes; "auto" chooses one for each candidate,
            None has none.
    """
    parts = held_out_parts(rows, few_rows=MANY_ROWS)
    labels = np.concatenate([np.array([row["labels"] for row in held_out]) for _, held_out in parts])
    score = _Score(config_options["problem_type"], metric, labels)
    trials = []
    for candidate in candidates:
        trial = _try(backbone, candidate, parts, config_options, score, threshold)
        say(f"{candidate.name}: {metric} {trial.score:.4f} on held-out rows, {trial.seconds:.1f} s")
        trials.append(trial)
    margins = [score.margin(trial, trials[0]) for trial in trials]
    better = [index for index, (margin, error) in enumerate(margins) if index == 0 or margin > error]
    return Choice(trials, max((trials[index] for index in better), key=lambda trial: trial.score), margins, labels)


class _Score:
    """The metric of answers to the held-out rows, larger is better; compared by a bootstrap over the rows."""

    def __init__(self, problem_type: ProblemType, metric: str, labels: np.ndarray):
        self.metric, self.labels = metric, labels
        self._compute, self._sign = metrics_for(problem_type, only=metric), 1 if greater_is_better(metric) else -1
        generator = np.random.default_rng(0)
        self._draws = generator.integers(0, len(labels), (_NUM_DRAWS, len(labels)))

    def __call__(self, logits: np.ndarray, rows: Any = slice(None)) -> float:
        return self._sign * self._compute(EvalPrediction(logits[rows], self.labels[rows])).get(self.metric, 0.0)

    def margin(self, trial: Trial, other: Trial) -> tuple[float, float]:
        """Return how much better one trial is than another, and the standard error of that over the rows."""
        return self.compare(at_threshold(trial.logits, trial.threshold), at_threshold(other.logits, other.threshold))

    def compare(self, logits: np.ndarray, others: np.ndarray) -> tuple[float, float]:
        if logits is others:
            return 0.0, 0.0
        differences = [self(logits, rows) - self(others, rows) for rows in self._draws]
        return self(logits) - self(others), float(np.std(differences))


def _try(
    backbone: Any,
    candidate: Candidate,
    parts: Sequence[tuple[Rows, Rows]],
    config_options: dict[str, Any],
    score: _Score,
    threshold: float | Literal["auto"] | None,
) -> Trial:
    started, options = time.monotonic(), candidate.head_options | config_options
    if not candidate.training_options:
        answers = []
        for train, held_out in parts:
            trainer, _ = fit_on_states(backbone, options, train, "loss")
            answers.append(trainer.predict(held_out).predictions)
        logits = np.concatenate(answers)
    else:
        curves = [_curve(backbone, options, candidate, train, held_out, score.metric) for train, held_out in parts]
        looks = [look for look in curves[0] if all(look in curve for curve in curves)]
        by_look = {look: np.concatenate([curve[look] for curve in curves]) for look in looks}
        best = max(looks, key=lambda look: score(by_look[look]))  # the earliest of equals
        logits = by_look[best]
        training = candidate.training_options | {"max_steps": best, "warmup_steps": best // 10}
        candidate = candidate._replace(training_options=training)
    if threshold == "auto":
        is_binary = config_options["problem_type"] == "single_label_classification" and logits.shape[-1] == 2
        threshold = _best_threshold(logits, score) if is_binary else None
    return Trial(candidate, logits, threshold, score(at_threshold(logits, threshold)), time.monotonic() - started)


def _best_threshold(logits: np.ndarray, score: _Score) -> float | None:
    """Return the threshold with the best score if it is better than 0.5 by more than one standard error."""
    probabilities = softmax(logits.astype(float), axis=-1)[:, 1]
    options = np.unique(np.clip(np.quantile(probabilities, np.linspace(0.02, 0.98, 49)), 1e-4, 1 - 1e-4))
    best = max(options, key=lambda threshold: score(at_threshold(logits, threshold)))
    gain, error = score.compare(at_threshold(logits, best), logits)
    return float(best) if gain > error else None


def _curve(
    backbone: Any, options: dict[str, Any], candidate: Candidate, train: Rows, held_out: Rows, metric: str
) -> dict[int, np.ndarray]:
    """Train once; return the logits of the held-out rows after so many steps, at every look."""
    trainer = trainer_on_states(backbone, options, train, 0, **candidate.training_options)
    looks = _Looks(trainer, held_out, metric)
    trainer.add_callback(looks)
    trainer.train()
    return looks.logits


class _Looks(TrainerCallback):
    """Look at held-out rows ten times while a head trains; stop it where it has long been no better."""

    def __init__(self, trainer: Trainer, held_out: Rows, metric: str):
        self.trainer, self.held_out, self.metric = trainer, held_out, metric
        self.logits: dict[int, np.ndarray] = {}
        self.scores: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step % max(1, args.max_steps // _NUM_LOOKS):
            return
        output = self.trainer.predict(self.held_out)
        self.logits[state.global_step] = output.predictions
        sign = 1 if greater_is_better(self.metric) else -1
        self.scores.append(sign * output.metrics.get(f"test_{self.metric}", 0.0))
        control.should_training_stop = len(self.scores) - 1 - int(np.argmax(self.scores)) >= _PATIENCE
