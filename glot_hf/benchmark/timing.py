# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Times of several sides, taken in turns: what slows the machine down for a while slows all of them."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from transformers.utils import logging


class Side(NamedTuple):
    """One side of a comparison: what is run, how often at most, and how often in a row each time it is its turn."""

    run: Callable[[], Any]
    max_repeats: int | None = None
    calls: int = 1


def interleave(sides: dict[str, Side], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """
    Runs each side once to warm up, then side after side, `repeats` times.

    Returns:
        `dict[str, list[float]]`: every single time of each side, in seconds, without the warm-up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in logging.tqdm(range(repeats + 1), desc="Timing"):
        for name, side in sides.items():
            if side.max_repeats is not None and turn > side.max_repeats:
                continue
            times = [_time(side.run, device) for _ in range(side.calls)]
            if turn > 0:
                seconds[name] += times
    return seconds


def medians(seconds: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(times) for name, times in seconds.items()}


def _time(run: Callable[[], Any], device: torch.device) -> float:
    _synchronize(device)
    start = time.perf_counter()
    run()
    _synchronize(device)
    return time.perf_counter() - start


def _synchronize(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
