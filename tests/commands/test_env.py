"""`glot-hf env` says what a report of a fault needs."""

import platform

import torch
import transformers

from glot_hf.commands.main import main
from glot_hf.states.cache import DEFAULT_ROOT


def test_versions_hardware_and_caches(capsys):
    assert main(["env"]) == 0
    printed = capsys.readouterr().out.splitlines()
    lines = dict(line.split(maxsplit=1) for line in printed)
    assert lines["torch"] == torch.__version__ and lines["transformers"] == transformers.__version__
    assert lines["python"] == platform.python_version() and lines["threads"] == str(torch.get_num_threads())
    assert lines["offline"].startswith("yes") and "B" in lines["memory"]


def test_where_hidden_states_are(capsys):
    assert main(["env"]) == 0
    assert f"hidden states          {DEFAULT_ROOT}, " in capsys.readouterr().out
