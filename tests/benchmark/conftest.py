import json
from unittest.mock import Mock

import pytest

from glot_hf.commands.main import main


@pytest.fixture
def benchmark(tmp_path):
    """Runs `glot-hf benchmark NAME` and returns what its JSON file holds."""

    def run(name, *options):
        assert main(["benchmark", name, "--output_dir", str(tmp_path), "--device", "cpu", *map(str, options)]) == 0
        assert (tmp_path / f"benchmark_{name}.png").read_bytes().startswith(b"\x89PNG")
        record = json.loads((tmp_path / f"benchmark_{name}.json").read_text())
        assert record["benchmark"] == name
        assert record["command"][:3] == ["glot-hf", "benchmark", name]
        assert {"cpu", "cores", "threads", "memory", "device", "accelerator", "versions"} <= record["machine"].keys()
        return record

    return run


@pytest.fixture
def same_process(monkeypatch):
    """Starting a process takes seconds: what it would do is done in this one, where its memory cannot be told."""
    for module in ("finetune", "long"):
        monkeypatch.setattr(f"glot_hf.benchmark.{module}.in_fresh_process", lambda function, *args: function(*args))
        monkeypatch.setattr(f"glot_hf.benchmark.{module}.PeakMemory", Mock(return_value=Mock(read=lambda: 2**20)))
