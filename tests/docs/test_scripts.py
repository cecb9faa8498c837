"""What scripts write into docs/ is what they would write today, and the rooms have no circle."""

import importlib.util
import re

import pytest
from page_blocks import ROOT


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands", "python"])
def test_the_reference_is_that_of_the_code(name, monkeypatch):
    """`python docs/scripts/reference.py` writes it again."""
    monkeypatch.setenv("COLUMNS", "110")
    reference = script("reference")
    assert (reference.FOLDER / f"{name}.md").read_text(encoding="utf-8") == getattr(reference, name)()


def test_the_rooms_are_those_of_the_code():
    """`python docs/scripts/rooms.py` writes them again."""
    rooms = script("rooms")
    assert rooms.PAGE.read_text(encoding="utf-8") == rooms.page()


def test_a_circle_of_rooms_is_found():
    with pytest.raises(ValueError, match="a circle among data, model"):
        script("rooms").floors({"system": set(), "data": {"model", "system"}, "model": {"data"}})


def test_what_the_house_names_is_there():
    text = (ROOT / "docs/concepts/house.md").read_text(encoding="utf-8")
    named = re.findall(r"`(glot_hf/[\w/.]+)`", text)
    assert len(named) > 20
    for path in named:
        assert (ROOT / path).exists(), path
