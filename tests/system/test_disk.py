"""Room that is asked for, and disks that are full: one line, whichever library says it."""

import errno

import pytest

from glot_hf.commands.main import main
from glot_hf.system.atomic_files import write_text
from glot_hf.system.disk import format_bytes, require_room
from glot_hf.system.errors import InputError, full_disk, user_errors


def test_room(tmp_path):
    require_room(tmp_path, 1000, "the files", "make room")
    with pytest.raises(InputError, match=r"the files take about 1.00EB, but '.*' has .*B free: make room"):
        require_room(tmp_path, 10**18, "the files", "make room")
    assert format_bytes(40_400_000) == "40.4MB"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/somewhere/a.npy"),
        OSError(errno.EROFS, "Read-only file system", "/somewhere/a.npy"),
        RuntimeError("[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed writing file data/0"),
        ValueError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_said_in_a_line(error):
    line = full_disk(error)
    assert line.startswith("the disk is full, or cannot be written") and "make room" in line and "\n" not in line
    assert ("'/somewhere/a.npy'" in line) == isinstance(error, OSError)


def test_it_is_said_inside_user_errors_too():
    with pytest.raises(InputError, match="the disk is full, .* at '/a.npy' .*: make room"), user_errors():
        raise OSError(errno.ENOSPC, "No space left on device", "/a.npy")


def test_other_errors_are_not():
    assert full_disk(OSError(errno.EACCES, "Permission denied")) is None and full_disk(ValueError("a")) is None


def test_a_command_ends_with_that_line(monkeypatch, capsys, tmp_path):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "answers.csv")

    monkeypatch.setattr("glot_hf.commands.env.run", full)
    assert main(["env"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("glot-hf env: error: the disk is full") and "'answers.csv'" in line


def test_text_is_there_whole_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "größer\n")
    assert path.read_text(encoding="utf-8") == "größer\n"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "other")
    assert path.read_text(encoding="utf-8") == "größer\n" and [each.name for each in tmp_path.iterdir()] == ["a.txt"]
