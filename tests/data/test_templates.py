"""Texts of several columns."""

import pytest

from glot_hf.data.templates import TextTemplate
from glot_hf.system.errors import InputError


def test_cells_take_the_place_of_their_names():
    template = TextTemplate("{title}. {body} {{x}} {title}")
    assert template.columns == ["title", "body"]
    assert template.fill({"title": "A {b}", "body": "c", "n": 1}, "row 1") == "A {b}. c {x} A {b}"
    assert template.fill({"title": None, "body": 3.5}, "row 1") == ". 3.5 {x} "
    assert TextTemplate("{a column}: {größe}").fill({"a column": "b", "größe": "1"}, "") == "b: 1"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "names no column"),
        ("title", "names no column"),
        ("{}", "the name of a column, and nothing else"),
        ("{title!r}", "nothing else"),
        ("{title:>10}", "nothing else"),
        ("{title", "cannot be read"),
        ("title}", "cannot be read"),
    ],
)
def test_what_is_refused(template, message):
    with pytest.raises(InputError, match=message):
        TextTemplate(template)


def test_attributes_are_names_of_columns_and_no_more():
    """Nothing of a cell is called or read but its text."""
    template = TextTemplate("{title.__class__} {0[a]}")
    assert template.columns == ["title.__class__", "0[a]"]
    with pytest.raises(InputError, match="no column 'title.__class__' for --text_template"):
        template.require_columns(["title"])


def test_cells_that_are_no_text():
    with pytest.raises(InputError, match=r"a.jsonl, line 2: 'a' holds \['b'\], which is neither text nor a number"):
        TextTemplate("{a}").fill({"a": ["b"]}, "a.jsonl, line 2")
