"""The code blocks of a documentation page, run in order as a reader would run them."""

import configparser
import contextlib
import io
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

from glot_hf.commands.main import main


ROOT = Path(__file__).parent.parent
_FENCE = re.compile(r"^( *)```(\w*)([^\n]*)\n(.*?)^\1```$", flags=re.DOTALL | re.MULTILINE)
_EXPORTED = ".exported_variables"

# Stands on the PATH of a page's shell in the place of a program, and asks the process of the test to do its work.
_STAND_IN = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    connection.sendall(json.dumps([os.path.basename(sys.argv[0]), sys.argv[1:], os.getcwd()]).encode() + b"\\n")
    exit_code, output, notices = json.load(connection.makefile())
sys.stdout.write(output)
sys.stderr.write(notices)
sys.exit(exit_code)
"""


def blocks_of(page: str) -> list[tuple[str, str, str]]:
    """Return `(language, what follows it, code)` of each fenced block of a page in Markdown."""
    return [(language, rest.strip(), code) for _, language, rest, code in _FENCE.findall(page)]


def run_page(page: str, folder: Path, tools: Path) -> dict:
    """
    Run the blocks of a page in `folder`, which is the working directory, and return the variables of its Python.

    A `python` block with a title is written to the file of that name, for a later block to run. Blocks in `bash` are
    run by bash, and keep their variables. `glot-hf` is called in this process, which has imported everything already.
    `pip install` checks that what it names is installed in the version that it asks for; `make` checks that the target
    exists.

    Raises:
        AssertionError: a shell block ended with another exit code than 0.
    """
    variables = {"__name__": "__main__"}
    with _shell(folder, tools) as run_bash:
        for language, rest, code in blocks_of(page):
            if language == "python" and (title := re.search(r'title="(.+?)"', rest)):
                (folder / title[1]).write_text(code, encoding="utf-8")
            elif language == "python":
                exec(compile(code, "<a block of the page>", "exec"), variables)
            elif language == "bash":
                run_bash(code)
    return variables


@contextlib.contextmanager
def _shell(folder: Path, tools: Path) -> Iterator[Callable[[str], None]]:
    """Give a function that runs a block by bash. `tools` is an empty folder for what is on the PATH there."""
    address = str(tools / "socket")
    for name in _PROGRAMS:
        (tools / name).write_text(_STAND_IN.format(python=sys.executable, address=address), encoding="utf-8")
        (tools / name).chmod(0o755)
    places = [str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]
    modules = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PATH": os.pathsep.join(places), "PYTHONPATH": os.pathsep.join(modules)}
    exported = shlex.quote(str(tools / _EXPORTED))
    (tools / _EXPORTED).touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        listener.settimeout(0.02)

        def run_bash(code: str) -> None:
            script = f"set -aeuo pipefail\n. {exported}\n{code}\nexport -p > {exported}\n"
            with (tools / "output").open("w+") as output:
                process = subprocess.Popen(
                    ["bash", "-c", script], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
                )
                while process.poll() is None:
                    with contextlib.suppress(TimeoutError):
                        _answer(listener.accept()[0])
                output.seek(0)
                assert process.returncode == 0, f"{code}\n{output.read()}"

        yield run_bash


def _answer(connection: socket.socket) -> None:
    with connection:
        connection.settimeout(None)
        program, argv, folder = json.loads(connection.makefile().readline())
        output, notices = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(notices), contextlib.chdir(folder):
            exit_code = _PROGRAMS[program](argv)
        connection.sendall(json.dumps([exit_code, output.getvalue(), notices.getvalue()]).encode())


def _pip(argv: list[str]) -> int:
    """Check that what `pip install ...` names is installed; `.[extra]` is this package and an extra of setup.cfg."""
    command, *names = [word for word in argv if word not in ("-e", "-c", "constraints.txt")]
    assert command == "install" and names
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    for name in names:
        if name.startswith(("./", ".[")):
            extras = re.search(r"\[(.+)\]", name)[1].split(",")
            needed = "\n".join(setup["options.extras_require"][extra] for extra in extras).split("\n")
        else:
            needed = [name]
        for requirement in map(Requirement, filter(None, needed)):
            assert version(requirement.name) in requirement.specifier, requirement
    return 0


def _make(argv: list[str]) -> int:
    return subprocess.run(["make", "--dry-run", *argv], cwd=ROOT, stdout=subprocess.DEVNULL).returncode


_PROGRAMS = {"glot-hf": main, "pip": _pip, "make": _make}
