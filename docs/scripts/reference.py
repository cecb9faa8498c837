# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Write docs/reference: commands.md from the help texts of all commands, python.md from docstrings."""

import contextlib
import importlib
import inspect
import io
import os
import re
import sys
import textwrap
from pathlib import Path


FOLDER = Path(__file__).parents[1] / "reference"
# Commands with commands of their own.
PARTS = {
    "cache": ("build", "info", "verify", "prune", "clear"),
    "benchmark": ("head", "finetune", "long", "cache", "embed"),
}
# Public paths that users type beside the names of glot_hf itself.
NAMES = {
    "glot_hf.sklearn": ["GlotClassifier", "GlotRegressor", "GlotVectorizer"],
    "glot_hf.sentence_transformer": ["GlotPooling", "to_sentence_transformer"],
    "glot_hf.convert": ["convert_official_state_dict"],
    "glot_hf.training.finetuning": ["lora_config", "unfreeze_backbone"],
}


def commands() -> str:
    """Return the page of all commands and their options."""
    from glot_hf.commands.main import COMMANDS

    parts = [
        "# Commands\n\nThe help of every command, written by `python docs/scripts/reference.py`. `--config FILE` "
        "reads options from a YAML file; `glot-hf train --help_all` lists those of `TrainingArguments` too."
    ]
    for name, summary in COMMANDS.items():
        parts.append(f"## glot-hf {name}\n\n{summary[0].upper()}{summary[1:]}.")
        for words in [[name, part] for part in PARTS[name]] if name in PARTS else [[name]]:
            title = f"### glot-hf {' '.join(words)}\n\n" if name in PARTS else ""
            parts.append(f"{title}```text\n{_help(words).strip()}\n```")
    return "\n\n".join(parts) + "\n"


def python() -> str:
    """Return the page of all public names and their docstrings."""
    import glot_hf

    modules = {"glot_hf": [name for name in glot_hf.__all__ if name != "__version__"], **NAMES}
    parts = ["# Python\n\nThe public names and their docstrings, written by `python docs/scripts/reference.py`."]
    for module, names in modules.items():
        parts.append(f"## {module}")
        for name in sorted(names, key=str.lower):
            parts += _entry(name, getattr(importlib.import_module(module), name))
    return "\n\n".join(parts) + "\n"


def _help(words: list[str]) -> str:
    from glot_hf.commands.main import main

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return re.sub(r"/\S+/(?=glot_hf/hidden_states)", "", output.getvalue())


def _entry(name: str, thing: object) -> list[str]:
    """Return the Markdown of a class with its own public methods, or of a function."""
    parts = [f"### {name}", _docstring(thing)]
    if inspect.isclass(thing):
        for method, value in vars(thing).items():
            function = getattr(value, "__func__", value)
            if not method.startswith("_") and inspect.isfunction(function) and function.__doc__:
                parts += [f"#### {name}.{method}", _docstring(function)]
    return parts


def _docstring(thing: object) -> str:
    text = textwrap.dedent(inspect.getdoc(thing) or "").strip().replace("```", "~~~")  # it stands in a block itself
    return f"```text\n{text}\n```"


def write() -> None:
    """Write both pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in (("commands", commands()), ("python", python())):
        (FOLDER / f"{name}.md").write_text(page, encoding="utf-8")


os.environ["COLUMNS"] = "110"  # the width of help texts
if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    write()
