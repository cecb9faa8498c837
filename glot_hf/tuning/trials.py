# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What a head is worth: its answers to rows that it was not trained on, and whether another's are better."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import softmax
from transformers import EvalPrediction, Trainer, TrainerCallback
from transformers.utils import logging

from ..model.decision_glot import at_threshold
from ..training.metrics import greater_is_better, metrics_for
from ..training.on_states import Rows, fit_on_states, held_out_parts, trainer_on_states
from ..training.trainer import count_parameters


MANY_ROWS = 10_000  # more are divided once and not in thirds
_NUM_LOOKS, _PATIENCE = 10, 4  # how often a training is judged, and how many looks it may be no better
_NUM_DRAWS = 200  # of the bootstrap


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
        part_scores (`list[float]`): the metric on each held-out part.
        head_parameters (`int`): the number of parameters that were trained.
        seconds (`float`): the time of all its trainings.
    """

    candidate: Candidate
    logits: np.ndarray
    threshold: float | None
    score: float
    part_scores: list[float]
    head_parameters: int
    seconds: float


class Judge:
    """
    Tries heads on the same held-out rows, each third once, or a tenth of 10,000 rows and more.

    Args:
        backbone (`PreTrainedModel`): the frozen backbone that made the states; it is not run.
        labels (`list`): the labels of all training rows.
        config_options (`dict`): problem type and classes, options of [`GlotConfig`].
        metric (`str`): what heads are compared by; one of [`~glot_hf.training.metrics.metrics_for`].
        threshold (`float`, *optional*): the decision threshold of two classes; "auto" chooses one for each head, None
            has none.
        weights (`list[float]`, *optional*): what a training row of each class counts; default: the same.

    Attributes:
        metric (`str`): as given.
        labels (`np.ndarray` of shape `(M,)` or `(M, num_labels)`): of the rows that are held out, in their order.
    """

    def __init__(
        self,
        backbone: Any,
        labels: Sequence[Any],
        config_options: dict[str, Any],
        metric: str,
        threshold: float | Literal["auto"] | None = "auto",
        weights: Sequence[float] | None = None,
    ):
        self._backbone, self._config_options, self._weights = backbone, config_options, weights
        self.metric, self._threshold = metric, threshold
        parts = [held_out.indices for _, held_out in held_out_parts(labels, few_rows=MANY_ROWS)]
        self._ends = np.cumsum([len(part) for part in parts])[:-1]
        self.labels = np.array([labels[index] for part in parts for index in part])
        self._compute = metrics_for(config_options["problem_type"], only=metric)
        self._sign = 1 if greater_is_better(metric) else -1
        self._draws = np.random.default_rng(0).integers(0, len(self.labels), (_NUM_DRAWS, len(self.labels)))

    def try_candidate(
        self, candidate: Candidate, rows: Rows, look: Callable[[int, float], None] = lambda number, score: None
    ) -> Trial:
        """
        Train a head on the rest of every division, and judge it on what is held out.

        Args:
            candidate ([`Candidate`]): the head.
            rows (`list` or `Dataset`): states of all training rows at the layers that it reads.
            look: is told the number of each look at the first held-out part, and the score; it may raise.
        """
        started, options = time.monotonic(), candidate.head_options | self._config_options
        parts = held_out_parts(rows, few_rows=MANY_ROWS)
        if not candidate.training_options:
            answers = []
            for train, held_out in parts:
                trainer, _ = fit_on_states(self._backbone, options, train, "loss", self._weights)
                answers.append(trainer.predict(held_out).predictions)
            logits = np.concatenate(answers)
        else:
            curves = []
            total = len(parts) * candidate.training_options["max_steps"]
            with logging.tqdm(total=total, desc=f"Trying the {candidate.name}", unit="step", leave=False) as bar:
                for train, held_out in parts:
                    training = candidate.training_options
                    trainer = trainer_on_states(self._backbone, options, train, 0, weights=self._weights, **training)
                    looks = _Looks(trainer, held_out, self._score_of, bar.update, look if not curves else None)
                    trainer.add_callback(looks)
                    trainer.train()
                    curves.append(looks.logits)
            in_all = [step for step in curves[0] if all(step in curve for curve in curves)]
            by_step = {step: np.concatenate([curve[step] for curve in curves]) for step in in_all}
            best = max(in_all, key=lambda step: self.score(by_step[step]))  # the earliest of equals
            logits = by_step[best]
            training = candidate.training_options | {"max_steps": best, "warmup_steps": best // 10}
            candidate = candidate._replace(training_options=training)
        threshold: Any = self._threshold
        if threshold == "auto":
            is_binary = self._config_options["problem_type"] == "single_label_classification"
            threshold = self._best_threshold(logits) if is_binary and logits.shape[-1] == 2 else None
        decided = at_threshold(logits, threshold)
        part_scores = [self.score(decided, rows) for rows in np.split(np.arange(len(self.labels)), self._ends)]
        model: Any = trainer.model
        count = count_parameters(model).head
        return Trial(candidate, logits, threshold, self.score(decided), part_scores, count, time.monotonic() - started)

    def score(self, logits: np.ndarray, rows: Any = slice(None)) -> float:
        """Return the metric of answers to the held-out rows, or to some of them; larger is better."""
        return self._score_of(EvalPrediction(logits[rows], self.labels[rows]))

    def loss(self, logits: np.ndarray) -> float:
        """Return the loss of answers to the held-out rows, which is steadier than a metric on few rows."""
        loss = {
            "single_label_classification": F.cross_entropy,
            "multi_label_classification": F.binary_cross_entropy_with_logits,
            "regression": F.mse_loss,
        }[self._config_options["problem_type"]]
        answers, labels = torch.from_numpy(logits).double(), torch.from_numpy(self.labels)
        return loss(answers.reshape(labels.shape) if labels.is_floating_point() else answers, labels).item()

    def majority_score(self) -> float | None:
        """Return what the most frequent class of the held-out rows scores; None where labels are no classes."""
        if self._config_options["problem_type"] != "single_label_classification":
            return None
        num_labels = len(self._config_options["id2label"])
        most = np.bincount(self.labels).argmax()
        return self.score(np.tile(np.eye(num_labels)[most], (len(self.labels), 1)))

    def margin(self, trial: Trial, other: Trial) -> tuple[float, float]:
        """Return how much better one trial is than another, and the standard error of that over the rows."""
        return self._compare(at_threshold(trial.logits, trial.threshold), at_threshold(other.logits, other.threshold))

    def _score_of(self, prediction: EvalPrediction) -> float:
        return self._sign * self._compute(prediction).get(self.metric, 0.0)  # a correlation can be undefined

    def _compare(self, logits: np.ndarray, others: np.ndarray) -> tuple[float, float]:
        if logits is others:
            return 0.0, 0.0
        differences = [self.score(logits, rows) - self.score(others, rows) for rows in self._draws]
        return self.score(logits) - self.score(others), float(np.std(differences))

    def _best_threshold(self, logits: np.ndarray) -> float | None:
        """Return the threshold with the best score if it is better than 0.5 by more than one standard error."""
        probabilities = softmax(logits.astype(float), axis=-1)[:, 1]
        options = np.unique(np.clip(np.quantile(probabilities, np.linspace(0.02, 0.98, 49)), 1e-4, 1 - 1e-4))
        best = max(options, key=lambda threshold: self.score(at_threshold(logits, threshold)))
        gain, error = self._compare(at_threshold(logits, best), logits)
        return float(best) if gain > error else None


class _Looks(TrainerCallback):
    """Look at held-out rows ten times while a head trains; stop it where it has long been no better."""

    def __init__(
        self,
        trainer: Trainer,
        held_out: Rows,
        score_of: Callable[[EvalPrediction], float],
        progress: Callable[[int], Any],
        look: Callable[[int, float], None] | None,
    ):
        self.trainer, self.held_out, self.score_of = trainer, held_out, score_of
        self.progress, self.look = progress, look
        self.logits: dict[int, np.ndarray] = {}
        self.scores: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        self.progress(1)
        if state.global_step % max(1, args.max_steps // _NUM_LOOKS):
            return
        output: Any = self.trainer.predict(self.held_out)
        self.logits[state.global_step] = output.predictions
        self.scores.append(self.score_of(EvalPrediction(output.predictions, output.label_ids)))
        if self.look is not None:
            self.look(len(self.scores), self.scores[-1])
        control.should_training_stop = len(self.scores) - 1 - int(np.argmax(self.scores)) >= _PATIENCE
