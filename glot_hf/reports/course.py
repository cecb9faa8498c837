# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""How a training went: its curve, and whether it was long enough."""

from typing import Any


def curve_of(log_history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """
    Return the losses by step.

    Args:
        log_history (`list[dict]`): `trainer.state.log_history`.
    """
    kept = ("step", "loss", "eval_loss", "epoch")
    entries = ({name: entry[name] for name in kept if name in entry} for entry in log_history)
    return [entry for entry in entries if {"loss", "eval_loss"} & set(entry)]


def advice_on(curve: list[dict[str, float]], steps_were_chosen: bool) -> str | None:
    """
    Say whether a training should have been longer or shorter; None where it was judged less than twice.

    Args:
        curve (`list[dict]`): from [`curve_of`].
        steps_were_chosen (`bool`): the number of steps was chosen on held-out rows, as the default recipe does.
    """
    judged = [(entry["step"], entry["eval_loss"]) for entry in curve if "eval_loss" in entry]
    if len({step for step, _ in judged}) < 2:
        return None
    best, last = min(judged, key=lambda point: point[1])[0], judged[-1][0]
    if steps_were_chosen:
        return f"trained for {last:,} steps, as held-out training rows chose; validation loss lowest at step {best:,}"
    if best == last:
        return f"the validation loss still improved at the last step, {last:,}: train longer"
    return f"the validation loss was lowest at step {best:,} of {last:,}: --load_best_model_at_end keeps that head"
