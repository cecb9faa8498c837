# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf report DIR`: what train or evaluate found, as one HTML page to look at and to hand on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..options.arguments import TrustArguments
from ..options.parser import CommandParser
from ..system.atomic_files import write_text
from ..system.errors import InputError, require_extra, require_writable, user_errors
from ..system.options import option


@dataclass
class ReportArguments(TrustArguments):
    output: str | None = option(None, "The HTML file to write; default: report.html in the folder.")
    model: str | None = option(
        None, "The head that answered, which takes its worst answers apart; default: the one in the folder, if any."
    )
    explain: int = option(10, "How many of the worst answers are taken apart; 0: none, and no head is loaded.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        ReportArguments,
        prog="glot-hf report",
        description=__doc__,
        common=["output", "model", "explain"],
        examples=["glot-hf report head", "glot-hf report judged --model head --output judged.html"],
    )
    parser.add_argument("folder", help="folder that glot-hf train, or evaluate with --output_dir, wrote a report to")
    return parser


def run(argv: list[str]) -> None:
    arguments, rest = parser().parse(argv)
    require_extra("train", "matplotlib")
    if arguments.explain < 0:
        raise InputError(f"--explain {arguments.explain} is negative: 0 explains nothing")
    folder = Path(rest.folder)
    output = Path(arguments.output or folder / "report.html")
    require_writable(str(output), "--output")
    from ..reports.page import read_report, render_page

    mistakes = (read_report(folder).get("mistakes") or [])[: arguments.explain]
    model = arguments.model or (str(folder) if (folder / "config.json").is_file() else None)
    explanations = [] if model is None or not mistakes else _explain(model, mistakes, arguments.trust)
    write_text(output, render_page(folder, explanations))
    print(f"{output}: open it in a browser")


def _explain(name: str, mistakes: list[dict[str, Any]], trust: dict[str, Any]) -> list[Any]:
    from ..explain import explain
    from ..training.trained import load_trained

    try:
        head = load_trained(name, trust)
        if head.gives_vectors:
            return []
        with user_errors():
            return [
                explain(head.model, each["text"], head.tokenizer, each.get("text_pair"), max_length=head.max_length)
                for each in mistakes
            ]
    except InputError as error:
        raise InputError(f"{error} (--explain 0 makes the page without explanations)") from error
    except KeyError as error:
        raise InputError(f"the worst answers in the report hold no {error}: train or evaluate again") from error
