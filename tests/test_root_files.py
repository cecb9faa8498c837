"""What people look for at a repository's root, and what it says, is true."""

import re
from pathlib import Path

import pytest
import yaml

import glot_hf


ROOT = Path(__file__).parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
PATHS = sorted(
    set(re.findall(r"(?:glot_hf|tests|notebooks|docs|\.ci)/[\w./-]*|\b[\w.]+\.(?:md|txt|cfg)\b", CONTRIBUTING))
    - {"glot_hf/commands/NAME.py"}
)


@pytest.mark.parametrize("path", PATHS)
def test_contributing_names_what_exists(path):
    assert (ROOT / path).exists()


def test_contributing_is_short_and_its_targets_and_names_exist():
    assert len(CONTRIBUTING.splitlines()) < 120
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"make ([\w-]+)", CONTRIBUTING.replace("`make` and", "")))
    assert targets and targets <= set(re.findall(r"^([\w-]+):", makefile, flags=re.MULTILINE))
    for name, path in re.findall(r"`([A-Z_]+)`\s+(?:of|in)\s+`([\w./]+)`", CONTRIBUTING):
        assert re.search(rf"^{name}\b", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE), name


def test_contributing_shows_the_rooms_in_the_order_of_the_contract():
    shown = re.findall(r"`glot_hf/(\w+)(?:/|\.py)`", CONTRIBUTING.split("| room |")[1].split("\n\n")[0])
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    contract = setup.split("layers =\n")[1].split("\n\n")[0]
    assert shown == re.findall(r"\w+", contract)


def test_the_changelog_has_the_kept_format_from_the_first_version_on():
    versions = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", CHANGELOG, flags=re.MULTILINE)
    assert versions[0] == ("Unreleased", "") and versions[-1][0] == "0.1.0"
    assert all(date for _, date in versions[1:])
    assert glot_hf.__version__ in dict(versions)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for version in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (.+)$", version, flags=re.MULTILINE)
        assert set(found) <= kinds and len(found) == len(set(found))


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format demands
    assert citation["version"] == glot_hf.__version__
    assert citation["authors"] == [{"name": "The glot_hf authors"}]
    paper = citation["preferred-citation"]
    assert paper["url"] == "https://arxiv.org/abs/2603.03389" and paper["year"] == 2026
    card = (ROOT / "MODEL_CARD.md").read_text(encoding="utf-8").replace("\n", " ")
    assert ", ".join(author["family-names"] for author in paper["authors"]) in card and paper["title"] in card


def test_type_checkers_are_told_that_the_package_is_typed():
    assert (Path(glot_hf.__file__).parent / "py.typed").is_file()
    assert "py.typed" in (ROOT / "setup.cfg").read_text(encoding="utf-8").split("[options.package_data]")[1]
