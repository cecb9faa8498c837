# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Draw the structure of glot_hf from its imports, into docs/concepts/house.md: rooms, floors, arrows."""

import ast
import re
from pathlib import Path


ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/concepts/house.md"
_BEGIN, _END = "<!-- written by docs/scripts/rooms.py -->", "<!-- end -->"


def arrows() -> dict[str, set[str]]:
    """Return the rooms that each room imports, also inside functions; a module at the root is a room of its own."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "glot_hf").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        room = parts[1] if parts[1] != "__init__" else None
        if room is None:
            continue
        found.setdefault(room, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                base = list(parts[: len(parts) - node.level]) if node.level else []
                target = [*base, *(node.module or "").split(".")]
                if target[0] == "glot_hf" and len(target) > 1 and target[1] and target[1] != room:
                    found[room].add(target[1])
    return found


def floors(found: dict[str, set[str]]) -> list[list[str]]:
    """
    Return the rooms by floor: a room is one floor above the highest that it imports.

    Raises:
        ValueError: rooms import each other in a circle.
    """
    placed: list[list[str]] = []
    left = dict(found)
    while left:
        done = {room for floor in placed for room in floor}
        floor = sorted(room for room, imports in left.items() if imports <= done)
        if not floor:
            raise ValueError(f"a circle among {', '.join(sorted(left))}")
        placed.append(floor)
        for room in floor:
            del left[room]
    return placed


def table() -> str:
    """Return the structure as a Markdown table, the highest floor first."""
    found = arrows()
    placed = floors(found)
    rows = []
    for number, floor in reversed(list(enumerate(placed))):
        for room in floor:
            folder = ROOT / "glot_hf" / room
            files = sorted(folder.glob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
            lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
            name = f"{room}/" if folder.is_dir() else f"{room}.py"
            imports = ", ".join(sorted(found[room])) or "-"
            rows.append(f"| {number} | `{name}` | {_summary(folder)} | {len(files)} | {lines:,} | {imports} |")
    count = sum(map(len, found.values()))
    header = "| floor | room | what is there | files | lines | imports |\n|---:|---|---|---:|---:|---|"
    said = f"{len(found)} rooms on {len(placed)} floors, {count} arrows between rooms, none upward and no circle."
    return f"{said}\n\n{header}\n" + "\n".join(rows)


def _summary(folder: Path) -> str:
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")


def page() -> str:
    """Return the page with today's table in it."""
    text = PAGE.read_text(encoding="utf-8")
    pattern = rf"{re.escape(_BEGIN)}\n.*?{re.escape(_END)}"
    return re.sub(pattern, lambda _: f"{_BEGIN}\n\n{table()}\n\n{_END}", text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
