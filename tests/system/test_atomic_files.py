"""Files of a folder that are replaced together, or not at all."""

import pytest

from glot_hf.system.atomic_files import replacing_files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "base").mkdir()
    for name in ("config.json", "weights-1", "base/old", "mine.txt"):
        (tmp_path / name).write_text("old")
    return tmp_path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_new_files_take_the_place_of_old_ones_and_of_those_they_make_stale(folder):
    with replacing_files(folder, stale=("weights-*", "other")) as part:
        (part / "base").mkdir()
        for name in ("config.json", "weights-2", "base/new"):
            (part / name).write_text("new")
        assert contents(folder)["config.json"] == "old"
    expected = {"config.json": "new", "weights-2": "new", "base/new": "new", "mine.txt": "old"}
    assert contents(folder) == expected and not list(folder.glob(".*"))


def test_a_failure_leaves_what_was_there(folder):
    before = contents(folder)
    with pytest.raises(OSError, match="full"), replacing_files(folder, stale=("*",)) as part:
        (part / "config.json").write_text("new")
        raise OSError("the disk is full")
    assert contents(folder) == before and not list(folder.glob(".*"))
