# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf report DIR`: what train or evaluate found, as one HTML page to look at and to hand on."""

from dataclasses import dataclass
from pathlib import Path

from ..options.parser import CommandParser
from ..system.atomic_files import write_text
from ..system.errors import require_extra, require_writable
from ..system.options import option


@dataclass
class ReportArguments:
    output: str | None = option(None, "The HTML file to write; default: report.html in the folder.")


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        ReportArguments,
        prog="glot-hf report",
        description=__doc__,
        common=["output"],
        examples=["glot-hf report head", "glot-hf report judged --output judged.html"],
    )
    parser.add_argument("folder", help="folder that glot-hf train, or evaluate with --output_dir, wrote a report to")
    return parser


def run(argv: list[str]) -> None:
    arguments, rest = parser().parse(argv)
    require_extra("train", "matplotlib")
    output = Path(arguments.output or Path(rest.folder, "report.html"))
    require_writable(str(output), "--output")
    from ..reports.page import render_page

    page = render_page(Path(rest.folder))
    write_text(output, page)
    print(f"{output}: open it in a browser")
