# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""`glot-hf SUBCOMMAND ...`: finds the subcommand, and turns the user's mistakes into one line and exit code 2."""

import contextlib
import difflib
import importlib
import io
import os
import re
import sys
from collections.abc import Iterator

from huggingface_hub.errors import StrictDataclassError

from .. import register
from ..model.version_glot import __version__
from ..options.config import with_config
from ..system.errors import InputError, full_disk


COMMANDS = {
    "demo": "train GLOT, a control and four baselines on generated text, in minutes, without a network",
    "train": "train a head on your own text, on a GLUE task, or on pairs for sentence vectors",
    "tune": "search layer, pooling and training on your own rows, and train the winner",
    "probe": "which layer of a backbone to read for your own labels",
    "cache": "hidden states on the disk: build, list, check or delete them",
    "evaluate": "judge a trained head on a labelled file or a task",
    "report": "what train or evaluate found, as one HTML page",
    "predict": "classify texts with a trained head",
    "explain": "which words an answer rests on, as a table, a picture or a page",
    "embed": "files of text to files of sentence vectors, of any size",
    "search": "the rows of such a file that are most like a text",
    "mteb": "MTEB's scores of a head, beside plain poolings of its backbone",
    "export": "a head, with or without its backbone, to ONNX or torch.export",
    "publish": "a head, its code and a model card to the Hub",
    "reproduce": "the paper's comparison: every pooling on every task, tuned alike, over seeds",
    "stress-test": "what distractors do to each pooling, with a check of what the generator gives away",
    "benchmark": "time and memory against other ways, and against what the hardware allows",
    "env": "versions, hardware and caches, for a report of a fault",
    "convert": "make a head of a checkpoint of the released code",
}


_LONGEST_LINE, _LONGEST_END = 2000, 500  # characters of a message, and of its end where it is cut


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand and return the exit code: 0, 2 for a mistake in what was asked, 130 when interrupted."""
    argv = sys.argv[1:] if argv is None else argv
    if isinstance(sys.stdout, io.TextIOWrapper):  # a label that the terminal has no letter for is no reason to stop
        sys.stdout.reconfigure(errors="backslashreplace")
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: glot-hf COMMAND [options]; glot-hf COMMAND --help lists the options, --config FILE reads them\n")
        for name, summary in COMMANDS.items():
            print(f"  {name:<12} {summary}")
        return 0
    if argv[0] == "--version":
        print(f"glot-hf {__version__}")
        return 0
    name = argv[0]
    try:
        if name not in COMMANDS:
            close = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the commands are {', '.join(COMMANDS)}"
            raise InputError(f"there is no command {name!r}: {hint}")
        command = importlib.import_module(f".{name.replace('-', '_')}", __package__)
        if not {"-h", "--help"} & set(argv):
            register()
        with _one_voice():
            command.run(with_config(argv[1:]))
    except (InputError, StrictDataclassError) as error:
        print(f"glot-hf {name}: error: {_in_one_line(error)}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        line = full_disk(error)
        if line is None:
            raise
        print(f"glot-hf {name}: error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:
        print(": ".join((f"glot-hf {name}: interrupted", *interruption.args)), file=sys.stderr)
        return 130
    return 0


def _in_one_line(error: Exception) -> str:
    """
    Return a message without the names of classes and validators that a strict dataclass puts before it; of one that
    holds a whole document, as a cell or a damaged file may, the beginning and the end, where the hint is.
    """
    message = re.sub(r"^Validation error for field '(\w+)':\s+\w+: ", r"\1: ", str(error))
    message = re.sub(r"^Class validation error for validator '\w+':\s+\w+: ", "", message)
    line = " ".join(message.split())
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{line[: _LONGEST_LINE - _LONGEST_END]} [...] {line[-_LONGEST_END:]}"


@contextlib.contextmanager
def _one_voice() -> Iterator[None]:
    """Let the first of several processes (torchrun, accelerate launch) speak alone; all of them tell errors."""
    if int(os.environ.get("RANK", 0)) == 0:
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


if __name__ == "__main__":
    sys.exit(main())
