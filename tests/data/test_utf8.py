"""Text that is not UTF-8: in a file, and on the command line."""

import os
import subprocess
import sys

import pytest

from glot_hf.data.utf8 import require_typed_text, require_utf8
from glot_hf.system.errors import InputError


def test_the_line_of_a_file_is_named(tmp_path):
    (tmp_path / "a.txt").write_bytes("gut\nf\xfcr\n".encode("latin-1"))
    with pytest.raises(InputError, match="line 2 holds b'.xfc'"):
        require_utf8(tmp_path / "a.txt")


def test_bytes_of_another_encoding_on_the_command_line():
    require_typed_text("--text", ["für", ""])
    with pytest.raises(InputError, match="--text 'f.udcfcr' is not UTF-8 text: set the terminal to UTF-8"):
        require_typed_text("--text", [os.fsdecode(b"f\xfcr")])


def test_a_terminal_without_the_letters():
    """Its output has them escaped."""
    code = "from glot_hf.commands.main import main\nprint(main(['--version']), 'f\\u00fcr')"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == r"0 f\xfcr"
