import json
import subprocess
import sys

import pytest

from glot_hf.experiments.cells import CellStore
from glot_hf.system.errors import InputError


def test_a_finished_cell_is_never_run_again(tmp_path):
    calls = []

    def run():
        calls.append(1)
        return {"score": 0.5}

    for _ in range(2):  # another process opens the folder anew
        store = CellStore(tmp_path, {"backbone": "a", "rates": (1, 2)})
        assert store.get("cola/glot/seed0", run) == {"score": 0.5}
    assert len(calls) == 1


def test_a_run_that_fails_leaves_nothing(tmp_path):
    store = CellStore(tmp_path, {})
    with pytest.raises(ZeroDivisionError):
        store.get("cell", lambda: {"score": 1 / 0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.get("cell", lambda: {"score": float("nan")})
    assert store.get("cell", lambda: {"score": 1}) == {"score": 1}


def test_killed_in_a_cell_it_goes_on_after_the_last_whole_one(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from glot_hf.experiments.cells import CellStore\n"
        "store = CellStore(sys.argv[1], {})\n"
        "store.get('a', lambda: {'n': 1})\n"
        "store.get('b', lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)]).returncode == -9
    store = CellStore(tmp_path, {})
    assert store.get("a", lambda: {"n": 2}) == {"n": 1}
    assert store.get("b", lambda: {"n": 2}) == {"n": 2}


def test_other_settings_are_refused_by_name(tmp_path):
    CellStore(tmp_path, {"backbone": "bert", "epochs": 3})
    with pytest.raises(InputError, match=r"another epochs \(3, not 5\)"):
        CellStore(tmp_path, {"backbone": "bert", "epochs": 5})
    assert json.loads((tmp_path / "settings.json").read_text())["epochs"] == 3
