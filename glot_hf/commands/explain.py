# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf explain DIR "text"`: which words an answer rests on, as a table, a picture, a page or JSON."""

import heapq
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..options.arguments import TrustArguments
from ..options.parser import CommandParser
from ..system.atomic_files import write_atomically, write_text
from ..system.errors import InputError, require_positive, require_writable, user_errors
from ..system.options import option


_SUFFIXES = (".html", ".png", ".svg", ".pdf", ".json")


@dataclass
class ExplainArguments(TrustArguments):
    text_pair: str | None = option(None, "The second text, of a head that compares two.")
    test_file: str | None = option(None, "Explain the answers to the rows of this file instead of a text.")
    text_column: str | None = option(None, "Column of the text; default: as in training, or guessed.")
    text_template: str | None = option(
        None, 'A text of several columns, such as "{title}. {body}"; default: as in training.'
    )
    text_pair_column: str | None = option(None, "Column of the second text of a pair.")
    top: int = option(20, "How many rows of --test_file are explained: those with the most confident answers.")
    method: str = option(
        "contributions", "contributions of the words to the logits, or integrated_gradients by Captum (extra explain)."
    )
    output: str | None = option(
        None, "The file to write: .html, .png, .svg, .pdf or .json; default: a table is printed."
    )


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        ExplainArguments,
        prog="glot-hf explain",
        description=__doc__,
        common=["text_pair", "test_file", "top", "output"],
        examples=[
            'glot-hf explain head "a film that nobody should miss" --output why.html',
            "glot-hf explain head --test_file reviews.csv --top 20 --output why.html",
        ],
    )
    parser.add_argument("model", help="folder or repository of a head")
    parser.add_argument("text", nargs="?", help="the text")
    return parser


def run(argv: list[str]) -> None:
    arguments, rest = parser().parse(argv)
    _check(arguments, rest.text)
    from ..data.utf8 import require_typed_text
    from ..explain import METHODS, explain
    from ..training.trained import load_trained

    require_typed_text("the text", [text for text in (rest.text, arguments.text_pair) if text is not None])
    if arguments.method not in METHODS:
        raise InputError(f"--method {arguments.method!r} is not one of {', '.join(METHODS)}")
    head = load_trained(rest.model, arguments.trust)
    if arguments.test_file is None:
        head.require_pairs(arguments.text_pair is not None)
        pairs = iter([(rest.text, arguments.text_pair)])
    else:
        rows = head.texts_of(arguments.test_file, arguments)
        pairs = ((each["text"], each.get("text_pair")) for _, each in rows)
    with user_errors():
        every = (
            explain(head.model, text, head.tokenizer, pair, arguments.method, head.max_length) for text, pair in pairs
        )
        explanations = heapq.nlargest(arguments.top, every, key=_confidence)
    _write(explanations, arguments, Path(rest.model).resolve().name)


def _check(arguments: ExplainArguments, text: str | None) -> None:
    if (text is None) == (arguments.test_file is None):
        raise InputError("name what to explain: either a text, or --test_file")
    if arguments.test_file is not None and arguments.text_pair is not None:
        raise InputError("--text_pair belongs to a text: of --test_file, --text_pair_column names the second texts")
    require_positive(arguments.top, "--top")
    if arguments.output is not None:
        suffix = Path(arguments.output).suffix
        if suffix not in _SUFFIXES:
            raise InputError(f"--output {arguments.output!r} is of an unknown kind: valid are {', '.join(_SUFFIXES)}")
        if arguments.test_file is not None and suffix not in (".html", ".json"):
            raise InputError(f"--output {arguments.output!r} holds one text: of --test_file, write .html or .json")
        require_writable(arguments.output, "--output")


def _confidence(explanation: Any) -> float:
    if explanation.logits is None:
        return 0.0
    logits = explanation.logits
    return float(logits.softmax(dim=0).max() if len(logits) > 1 else logits.abs()[0])


def _write(explanations: list[Any], arguments: ExplainArguments, name: str) -> None:
    output = arguments.output
    if output is None:
        for explanation in explanations:
            _print(explanation)
        return
    if output.endswith(".json"):
        found = [explanation.to_dict() for explanation in explanations]
        content = json.dumps(found if arguments.test_file else found[0], ensure_ascii=False, indent=1)
        write_text(Path(output), content + "\n")
    elif output.endswith(".html"):
        from ..explanations.page import render_explanations

        write_text(Path(output), render_explanations(explanations, f"Answers of {name}"))
    else:
        from ..explanations.pictures import draw_explanation

        write_atomically(Path(output), lambda part: draw_explanation(explanations[0], str(part)))
    print(output)


def _print(explanation: Any) -> None:
    if explanation.answer is not None:
        print(f"{explanation.labels[explanation.answer]} (logit {explanation.logits[explanation.answer]:.3f})")
    for part in explanation.texts:
        weights, towards = part.readout_weights, explanation.towards_answer(part)
        width = max(map(len, part.tokens), default=0)
        print(f"\n{'word':<{width}}  weight  for the answer")
        for place, word in enumerate(part.tokens):
            weight = "" if weights is None else f"{weights[place]:.3f}"
            value = "" if towards is None else f"{towards[place]:+.3f}"
            print(f"{word:<{width}}  {weight:>6}  {value:>14}")
    print(f"\n{'exact' if explanation.exact else 'not exact'}: {explanation.why}")
