"""Every code block of the pages runs, and every link leads somewhere."""

import re
import shutil

import pytest
from huggingface_hub import HfApi
from page_blocks import ROOT, blocks_of, run_page

from glot_hf.commands.main import COMMANDS


DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
PAGES["README.md"] = (ROOT / "README.md").read_text(encoding="utf-8")
RUN = {"python", "bash"}
NOT_CODE = {"text", "csv", "mermaid"}
BACKBONE_ON_THE_HUB = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A working folder with the data files of the pages, which a reader downloads, and a folder for the shell."""
    folder, tools = tmp_path / "reader", tmp_path / "tools"
    shutil.copytree(DOCS / "data", folder)
    tools.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of the processes that a page starts
    return folder, tools


@pytest.fixture
def page_text(request, minilm_path):
    """The page; the Hub that it publishes to is the one on loopback, where the owner is `tester`."""
    text = PAGES[request.param]
    if "tester/" in text:
        request.getfixturevalue("hub_here")
        HfApi().create_repo(BACKBONE_ON_THE_HUB)
        HfApi().upload_folder(folder_path=minilm_path, repo_id=BACKBONE_ON_THE_HUB)
    return text


WITH_CODE = [name for name, text in PAGES.items() if RUN & {language for language, *_ in blocks_of(text)}]


# Comparisons and exports take long; commands that they show are tested beside the commands.
SLOW = ("docs/how-to/compare.md", "docs/how-to/export.md")
RUNNING = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in WITH_CODE]


@pytest.mark.parametrize("page_text", RUNNING, indirect=True)
def test_its_blocks_run(page_text, reader):
    run_page(page_text, *reader)


@pytest.mark.parametrize("name", PAGES)
def test_no_block_is_left_out(name):
    """Each block has a language, and code is in blocks: indented lines would be code that nobody runs."""
    assert {language for language, *_ in blocks_of(PAGES[name])} <= RUN | NOT_CODE
    assert PAGES[name].count("```") == 2 * len(blocks_of(PAGES[name]))
    prose = re.sub(r"^( *)```.*?^\1```$", "", PAGES[name], flags=re.DOTALL | re.MULTILINE)
    assert not re.findall(r"\n\n {4,}\S.*", prose)


@pytest.mark.parametrize("name", [*PAGES, "MODEL_CARD.md"])
def test_its_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://", target):
            path, _, heading = target.partition("#")
            linked = (ROOT / name).parent / path if path else ROOT / name
            assert linked.exists(), target
            if heading:
                titles = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), flags=re.MULTILINE)
                assert heading in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, (
                    target
                )


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_it_names_exists(name):
    assert set(re.findall(r"glot-hf ([a-z][\w-]*)", PAGES[name])) <= set(COMMANDS)
