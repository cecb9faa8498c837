# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
The search of `glot-hf tune`: heads that Optuna proposes, all tried on the same held-out rows.

Trials are kept in the output folder (tune.db for Optuna and its dashboard, the answers of each trial beside it), so
that a search that was stopped goes on.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from safetensors.numpy import load_file, save_file
from transformers.utils import logging

from ..system.errors import InputError
from ..training.on_states import Rows
from .recipe import Candidate, Judge, Trial, reading, steps_for, training_for


STUDY = "glot_hf"
LATE = "late interaction"
NUM_LAYERS = 3  # the best ones, which heads that are trained step by step choose from, and all of them side by side
_FIRST_PRUNED = 8  # the first trials are the fixed ones, which are never cut short


@dataclass(frozen=True)
class Space:
    """
    What is searched.

    Args:
        layers (`dict[str, int | list[int]]`): layers to read, by how they are called.
        num_rows (`int`): rows to train on.
        is_pair (`bool`): a row has two texts.
        token_features (`list[str]`, *optional*): heads are tried with and without them.
    """

    layers: dict[str, int | list[int]]
    num_rows: int
    is_pair: bool
    token_features: list[str] | None = None

    def propose(self, trial: optuna.Trial) -> Candidate:
        """Return the head that Optuna proposes."""
        pooling = trial.suggest_categorical("pooling", self._poolings)
        layers = self.layers[trial.suggest_categorical("layers", list(self.layers))]
        options = {**reading(layers), **_POOLINGS[pooling]}
        if pooling != LATE:
            options |= {"input_norm": "standard"} | ({"pair_mode": "interaction"} if self.is_pair else {})
        if pooling not in ("adapool", LATE):
            options["gnn_hidden_size"] = trial.suggest_categorical("width", [64, 128, 256])
        if pooling == "residual block":
            options["dropout"] = trial.suggest_float("dropout", 0.0, 0.5)
        steps = int(steps_for(self.num_rows) * trial.suggest_categorical("length", [0.5, 1.0, 2.0]))
        training = training_for(steps) | {
            "learning_rate": trial.suggest_float("learning_rate", 2e-4, 5e-3, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.3, log=True),
        }
        if not self.token_features or not trial.suggest_categorical("token_features", [False, True]):
            return Candidate(pooling, options, training)
        options["token_features"] = self.token_features
        return Candidate(f"{pooling} with {', '.join(self.token_features)}", options, training)

    def fixed(self) -> list[dict[str, Any]]:
        """
        Return what every search begins with: each pooling on the best layer, with the options of the recipe; then the
        first of them with token features.
        """
        first = {"layers": next(iter(self.layers)), "width": 128, "dropout": 0.3, "length": 1.0}
        first |= {"learning_rate": 1e-3, "weight_decay": 0.05}
        if not self.token_features:
            return [{"pooling": pooling} | first for pooling in self._poolings]
        without = [{"pooling": pooling, "token_features": False} | first for pooling in self._poolings]
        return [*without, without[0] | {"token_features": True}]

    @property
    def _poolings(self) -> list[str]:
        return [pooling for pooling in _POOLINGS if self.is_pair or pooling != LATE]


_POOLINGS = {
    "residual block": {"block": "residual", "graph_type": "self", "readout": ["mean", "max", "attention"]},
    "glot": {"pooling": "glot"},
    "adapool": {"pooling": "adapool"},
    "deepsets": {"pooling": "deepsets"},
    LATE: {"pair_mode": "late"},
}


class Search:
    """
    Trials on the same held-out rows, kept in a folder.

    Args:
        judge ([`~glot_hf.tuning.recipe.Judge`]): tries candidates on held-out rows.
        folder (`Path`): where trials are kept.
        rows_key (`str`): identifies the rows; a folder with trials on others is refused.
    """

    def __init__(self, judge: Judge, folder: Path, rows_key: str):
        self._judge, self._folder = judge, folder
        folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            storage=f"sqlite:///{folder / 'tune.db'}",
            study_name=STUDY,
            load_if_exists=True,
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=_FIRST_PRUNED),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_FIRST_PRUNED, n_warmup_steps=2),
        )
        known = self._study.user_attrs.get("rows")
        if known not in (None, rows_key):
            raise InputError(
                f"{str(folder)!r} holds trials on other rows or labels, or by another metric: name another "
                "--output_dir, or delete that folder"
            )
        self._study.set_user_attr("rows", rows_key)

    def run(self, space: Space, rows_of: Callable[..., Rows], minutes: float | None, trials: int | None):
        """
        Try heads until the time is over, or so many were tried; a search that goes on counts those of before.

        Args:
            space ([`Space`]): what may be tried.
            rows_of: returns the states of all rows at some layers, with some token features.
            minutes, trials (*optional*): whichever is reached first.
        """
        if not self._study.trials:
            for fixed in space.fixed():
                self._study.enqueue_trial(fixed)
        left = None if trials is None else trials - len(self._finished())
        if left is not None and left <= 0:
            return
        started = time.monotonic()
        total = left if minutes is None else round(60 * minutes)
        shown: Any = logging.tqdm(total=total, desc="Tuning", unit="trial" if minutes is None else "s")
        with shown as bar:

            def show(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
                done = 1 if minutes is None else min(round(60 * minutes), round(time.monotonic() - started)) - bar.n
                bar.update(done)
                bar.set_postfix_str(f"best {study.best_value:.4f}, {len(study.trials)} trials")

            self._study.optimize(
                lambda trial: self._objective(trial, space, rows_of),
                n_trials=left,
                timeout=None if minutes is None else 60 * minutes,
                callbacks=[show],
            )

    def trials(self) -> list[Trial]:
        """Return the trials that were not cut short, in their order."""
        return [self._restore(trial) for trial in self._finished()]

    def _finished(self) -> list[optuna.trial.FrozenTrial]:
        return [trial for trial in self._study.trials if trial.state == optuna.trial.TrialState.COMPLETE]

    def _objective(self, trial: optuna.Trial, space: Space, rows_of: Callable[..., Rows]) -> float:
        candidate, started = space.propose(trial), time.monotonic()
        options = candidate.head_options

        def look(number: int, score: float) -> None:
            trial.report(score, number)
            if trial.should_prune():
                raise optuna.TrialPruned

        rows = rows_of(options["backbone_layers"], options.get("token_features"))
        found = self._judge.try_candidate(candidate, rows, look)
        found = found._replace(seconds=time.monotonic() - started)  # with those of states that were not there yet
        for name, value in _to_json(found).items():
            trial.set_user_attr(name, value)
        save_file({"logits": found.logits}, self._logits_of(trial.number))
        return found.score

    def _restore(self, trial: optuna.trial.FrozenTrial) -> Trial:
        attributes = dict(trial.user_attrs)
        candidate = Candidate(**attributes.pop("candidate"))
        return Trial(candidate, load_file(self._logits_of(trial.number))["logits"], **attributes)

    def _logits_of(self, number: int) -> Path:
        return self._folder / f"trial-{number}.safetensors"


def _to_json(trial: Trial) -> dict[str, Any]:
    fields = trial._asdict() | {"candidate": trial.candidate._asdict()}
    del fields["logits"]
    return json.loads(json.dumps(fields))
