# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Time and peak memory of forward and backward of a GLOT head over texts of many lengths: with the whole graph in memory
(dense) and with a block of its rows at a time (blocked). Each measurement in a process of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from transformers.utils import logging

from ..model.configuration_glot import GlotConfig
from ..model.graph_glot import token_graph
from ..model.pooling_glot import GlotPooler
from ..system.markdown import format_table
from ..system.options import option
from .memory import PeakMemory, in_fresh_process
from .report import BenchmarkArguments, Report, mebibytes, times
from .states import random_states
from .timing import Side, interleave, medians


DENSE, BLOCKED = "dense", "blocked"


@dataclass
class Arguments(BenchmarkArguments):
    lengths: list[int] = option([512, 1024, 2048, 4096, 8192, 16_384, 32_768], "Tokens of the text.")
    input_size: int = option(768, "Width d of the hidden states.")
    gnn_hidden_size: int = option(128, "H.")
    num_gnn_layers: int = option(2, "K.")
    graph_block_size: int = option(128, "Rows of the graph in memory at a time, of blocked.")
    max_memory: float = option(8.0, "GiB. Dense is skipped where it would need more, by four times a doubling.")


def run(arguments: Arguments) -> Report:
    measured: list[dict[str, Any]] = []
    skipped: list[str] = []
    for length in logging.tqdm(sorted(arguments.lengths), desc="Lengths"):
        for side in (DENSE, BLOCKED):
            before = _last(measured, side)
            expected = before["peak_bytes"] * (length / before["length"]) ** 2 if before is not None else 0
            if side == DENSE and expected > arguments.max_memory * 2**30:
                skipped.append(f"dense at {length:,} is skipped: it would need about {expected / 2**30:,.0f} GiB")
                continue
            peak = in_fresh_process(measure_peak, side, length, arguments)
            result = {"side": side, "length": length, "peak_bytes": peak}
            result |= in_fresh_process(measure_time, side, length, arguments)
            if before is not None:
                result["growth"] = {
                    name: result[name] / before[name] for name in ("length", "median_seconds", "peak_bytes")
                }
            measured.append(result)
    rows = []
    for result in measured:
        growth = result.get("growth", {})
        seconds, memory = result["median_seconds"], result["peak_bytes"]
        cells = f"{result['length']:,}", f"{seconds:,.3f}", times(growth.get("median_seconds")), mebibytes(memory)
        resident = mebibytes(result["resident_bytes"])
        rows.append([result["side"], *cells, times(growth.get("peak_bytes")), resident])
    rows.sort(key=lambda row: row[0])
    text = (
        f"Forward and backward of a GLOT head, one text, d={arguments.input_size}, H={arguments.gnn_hidden_size}, "
        f"K={arguments.num_gnn_layers}, medians of {arguments.repeats}; growth from the length before. Memory is "
        "above inputs and weights: what live tensors take at most and, on a CPU, what the process has with what its "
        "allocator keeps\n\n"
        + format_table(["side", "tokens", "seconds", "growth", "peak memory, MiB", "growth", "resident"], rows)
        + "".join(f"\n- {line}" for line in skipped)
    )
    return Report(text, {"measurements": measured, "skipped": skipped}, _draw(measured))


def measure_time(side: str, length: int, arguments: Arguments) -> dict[str, Any]:
    """Return times of forward and backward, and the resident memory of the process above inputs and weights."""
    work, device = _prepare(side, length, arguments)
    memory = PeakMemory(device, exact=False)
    seconds = interleave({side: Side(work)}, arguments.repeats, device)
    return {
        "seconds": seconds[side],
        "median_seconds": medians(seconds)[side],
        "resident_bytes": memory.read(),
    }


def measure_peak(side: str, length: int, arguments: Arguments) -> int:
    """Return the bytes that the tensors of forward and backward take at most above inputs and weights."""
    work, device = _prepare(side, length, arguments)
    memory = PeakMemory(device)
    work()
    return memory.read()


def _prepare(side: str, length: int, arguments: Arguments) -> tuple[Callable[[], None], torch.device]:
    """Forward and backward of a head on one text."""
    device = arguments.find_device()
    torch.manual_seed(arguments.seed)
    config = GlotConfig(
        input_size=arguments.input_size,
        gnn_hidden_size=arguments.gnn_hidden_size,
        num_gnn_layers=arguments.num_gnn_layers,
        graph_block_size=arguments.graph_block_size,
    )
    pooler = GlotPooler(config).to(device)

    def work(states: Tensor, mask: Tensor) -> None:
        # A graph that is given whole is used whole.
        graph = {"adjacency": token_graph(states, mask, config.similarity_threshold)} if side == DENSE else {}
        pooler.zero_grad()
        pooler(states, mask, **graph).sum().backward()

    def inputs(length: int) -> list[Tensor]:
        return [tensor.to(device) for tensor in random_states([length], arguments.input_size, arguments.seed)]

    work(*inputs(32))  # libraries and gradients are in memory before it is counted
    return partial(work, *inputs(length)), device


def _last(measured: list[dict[str, Any]], side: str) -> dict[str, Any] | None:
    return next((result for result in reversed(measured) if result["side"] == side), None)


def _draw(measured: list[dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = {"seconds, forward and backward": ("median_seconds", 1), "peak memory, MiB": ("peak_bytes", 2**20)}
    for axes, (title, (name, unit)) in zip(figure.subplots(1, 2), panels.items()):
        for side, style in ((DENSE, "s--"), (BLOCKED, "o-")):
            results = [result for result in measured if result["side"] == side]
            lengths = [result["length"] for result in results]
            color = "tab:blue" if side == BLOCKED else "gray"
            axes.plot(lengths, [result[name] / unit for result in results], style, label=side, color=color)
        lengths = sorted({result["length"] for result in measured})
        axes.set_xscale("log", base=2)
        axes.set_xticks(lengths, [f"{length:,}" for length in lengths], rotation=45, fontsize=8)
        axes.set_yscale("log")
        axes.set_xlabel("tokens")
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure
