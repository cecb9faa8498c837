"""
`python -m fuzz.campaign`: draw changed files of every kind until the time is over, and report counts as JSON.

Each input is told by its kind, seed and number, and drawn again by `--kind KIND --only NUMBER`. A kind runs in a
process of its own, which is started anew where an input ends it or holds it up.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from random import Random
from typing import Any


KINDS = {
    "config.json": "heads.Heads",
    "model.safetensors": "heads.Weights",
    "training_record.json": "heads.TrainingRecords",
    "adapter_config.json": "heads.Adapters",
    "CSV and TSV": "tables.Tables",
    "JSON and JSON lines": "tables.JsonTables",
    "cache manifest": "stored.Manifests",
    "cache shard": "stored.Shards",
    "vector record": "stored.VectorRecords",
    "vectors": "stored.Vectors",
    "run.yaml": "stored.RunFiles",
    "report.json": "stored.Reports",
}
_HELD_UP = 120  # seconds, after which what waits, or loops where no signal ends it, is a finding


class Counts(dict):
    """How many inputs were taken, refused and findings; findings once each, with the first number that shows them."""

    def __init__(self):
        super().__init__(inputs=0, taken=0, refused=0, findings={})

    def add(self, number: int, outcome: str, line: str) -> None:
        self["inputs"] += 1
        if outcome == "finding":
            self["findings"].setdefault(line, []).append(number)
        else:
            self[outcome] += 1


def run_kind(kind: str, root: Path, seed: int, numbers: range, seconds: float, save: Any = None) -> Counts:
    """Use the inputs of some numbers, in this process, until the time is over."""
    import importlib

    import torch
    from transformers.utils import logging

    from fuzz.watch import Watch

    sys.dont_write_bytecode = True
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    module, name = KINDS[kind].split(".")
    target = getattr(importlib.import_module(f"fuzz.{module}"), name)(root)
    folder, counts = root / "input", Counts()
    (root / "tmp").mkdir()
    tempfile.tempdir = str(root / "tmp")
    with open(os.devnull, "w", encoding="utf-8") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            for files in target.good():  # imports what is imported late, before anything is watched
                _write(folder, files)
                target.use(folder)
            watch, end = Watch(folder, root / "tmp"), time.monotonic() + seconds
            for number in numbers:
                if time.monotonic() > end:
                    break
                _write(folder, target.draw(Random(f"{seed} {kind} {number}")))
                if save is not None:
                    save(number, counts)
                counts.add(number, *watch.attempt(target.use))
    return counts


def _write(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _work(kind: str, seed: int, first: int, seconds: float, state: Path) -> None:
    """Run one kind in this process, and keep in a file what is known."""

    def save(number: int, counts: Counts, last: bool = False) -> None:
        part = state.with_suffix(".part")
        part.write_text(json.dumps({"number": number, "counts": counts, "last": last}), encoding="utf-8")
        part.replace(state)

    root = Path(tempfile.mkdtemp(prefix="glot_hf_fuzz_"))
    try:
        counts = run_kind(kind, root, seed, range(first, 10**9), seconds, save)
        save(first + counts["inputs"], counts, last=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _campaign(kind: str, seed: int, seconds: float, folder: Path) -> Counts:
    """Run one kind in processes of its own, one after the other."""
    total, first, left = Counts(), 0, seconds
    while left > 0:
        begun = time.monotonic()
        state = folder / f"{kind.replace(' ', '_')}.json"
        state.unlink(missing_ok=True)
        options = [
            "--kind",
            kind,
            "--seed",
            str(seed),
            "--first",
            str(first),
            "--seconds",
            str(left),
            "--state",
            str(state),
        ]
        process = subprocess.Popen([sys.executable, "-m", "fuzz.campaign", *options])
        held_up = _wait(process, state)
        known = json.loads(state.read_text(encoding="utf-8")) if state.exists() else None
        if known is None:
            raise RuntimeError(f"{kind}: the process ended with {process.returncode} before its first input")
        for name in ("inputs", "taken", "refused"):
            total[name] += known["counts"][name]
        for line, numbers in known["counts"]["findings"].items():
            total["findings"].setdefault(line, []).extend(numbers)
        if not known["last"]:
            what = f"held up for {_HELD_UP} s" if held_up else f"the process ended with {process.returncode}"
            total.add(known["number"], "finding", what)
        first = known["number"] + 1
        left = 0 if known["last"] else left - (time.monotonic() - begun)
    return total


def _wait(process: subprocess.Popen, state: Path) -> bool:
    """Wait for the end of a process; end it where it is at one input for too long, and return whether it was."""
    while process.poll() is None:
        time.sleep(0.2)
        if state.exists() and time.time() - state.stat().st_mtime > _HELD_UP:
            process.kill()
            process.wait()
            return True
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("GLOT_FUZZ_MINUTES", 10)))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--output", default="build/fuzz.json")
    parser.add_argument("--only", type=int, help="use this input alone, and show what it raises")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--state")
    asked = parser.parse_args()
    if asked.state is not None:
        _work(asked.kind[0], asked.seed, asked.first, asked.seconds, Path(asked.state))
        return 0
    if asked.only is not None:
        with tempfile.TemporaryDirectory() as root:
            found = run_kind(asked.kind[0], Path(root), asked.seed, range(asked.only, asked.only + 1), 60)
        print(json.dumps(found, indent=2))
        return 0
    from concurrent.futures import ThreadPoolExecutor

    kinds = asked.kind or list(KINDS)
    seconds = 60 * asked.minutes * asked.jobs / len(kinds)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(asked.jobs) as pool:
        found = list(pool.map(lambda kind: _campaign(kind, asked.seed, seconds, Path(folder)), kinds))
    report = {
        "seed": asked.seed,
        "minutes": asked.minutes,
        "jobs": asked.jobs,
        "inputs": sum(each["inputs"] for each in found),
    }
    report |= {"findings": sum(len(each["findings"]) for each in found), "kinds": dict(zip(kinds, found))}
    path = Path(asked.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for kind, counts in report["kinds"].items():
        shown = {name: len(value) if name == "findings" else value for name, value in counts.items()}
        print(kind, shown)
    print(f"{report['inputs']:,} inputs, {report['findings']} findings: {path}")
    return int(report["findings"] > 0)


if __name__ == "__main__":
    sys.exit(main())
