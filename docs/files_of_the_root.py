"""Let pages link to files in the root of the repository, as on GitHub: a MkDocs hook, by which the site holds them."""

import re
from pathlib import Path

from mkdocs.structure.files import File


ROOT = Path(__file__).parent.parent
PAGES = ["CHANGELOG.md", "MODEL_CARD.md"]
NOTEBOOKS = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


def on_files(files, config):
    """Add the files of the root to those of docs/."""
    for name in PAGES:
        content = re.sub(r"\A---\n.*?\n---\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)
        files.append(File.generated(config, name, content=content.replace("](docs/", "](")))
    for name in NOTEBOOKS:
        files.append(File.generated(config, name, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    """Point links that leave docs/ to the files that `on_files` added: they lie one folder less above the page."""
    names = "|".join(map(re.escape, [*PAGES, *NOTEBOOKS]))
    return re.sub(rf"\]\(\.\./((?:\.\./)*(?:{names})\b)", r"](\1", markdown)
