# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What all benchmarks share: options, and a report as a table, a JSON file and a picture."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from ..system.atomic_files import write_atomically, write_text
from ..system.errors import InputError
from ..system.machine import describe_machine
from ..system.options import option


@dataclass
class BenchmarkArguments:
    """Options of every benchmark."""

    output_dir: str = option("benchmark_output", "Folder for the JSON file and the picture.")
    device: str | None = option(None, "cpu or cuda; default: cuda, where there is one.")
    repeats: int = option(5, "Times each side is timed, after a warm-up.")
    seed: int = option(0, "Draws weights and data.")

    def __post_init__(self):
        for name, value in asdict(self).items():
            numbers = value if isinstance(value, list) else [value]
            if name != "seed" and any(isinstance(number, int) and number < 1 for number in numbers):
                raise InputError(f"--{name} {value} is not positive: give 1 or more")

    def find_device(self) -> torch.device:
        """
        Raises:
            InputError: there is no such device here, or none whose peak memory is known.
        """
        available = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        device = {"cuda": "cuda:0", None: available[min(1, len(available) - 1)]}.get(self.device, self.device)
        if device not in available:
            raise InputError(f"--device {self.device!r} is not one of {', '.join(available)}")
        return torch.device(device)


@dataclass
class Report:
    """
    What a benchmark found.

    Args:
        text (`str`): Markdown, printed.
        results (`dict`): JSON values: shapes, every single measurement, medians, ratios.
        figure (`Figure`): the picture.
    """

    text: str
    results: dict[str, Any]
    figure: Figure


def write_report(record: dict[str, Any], report: Report, output_dir: str, device: torch.device) -> None:
    """
    Writes `benchmark_NAME.json` and `benchmark_NAME.png` to `output_dir`, and prints the text.

    Args:
        record (`dict`): JSON values: `benchmark` (its name), `command`, `settings`.
    """
    machine = describe_machine(device)
    path = Path(output_dir, f"benchmark_{record['benchmark']}")
    results = record | {"machine": machine} | report.results
    write_text(path.with_suffix(".json"), json.dumps(results, indent=2) + "\n")
    write_atomically(path.with_suffix(".png"), lambda part: report.figure.savefig(part, dpi=150))
    accelerator = f", {machine['accelerator']}" if machine["accelerator"] else ""
    print(f"{report.text}\n\n{machine['cpu']}, {machine['threads']} of {machine['cores']} cores{accelerator}")
    print(f"Written: {path}.json, {path}.png")


def milliseconds(seconds: float) -> str:
    value = 1000 * seconds
    return f"{value:,.1f}" if value >= 1 else f"{value:.2g}"


def mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f}"


def times(ratio: float | None) -> str:
    """Return a ratio such as "1.35x"; "-" where there is nothing to compare with."""
    return "-" if ratio is None else f"{ratio:,.2f}x"
