"""What a piece of code may not do while somebody else's file is read: seen by an audit hook, a clock and a meter."""

import json
import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError

from glot_hf.commands.main import _in_one_line
from glot_hf.system.errors import InputError


SECONDS, BYTES = 10, 2 * 1024**3  # of the processor: other work on the machine does not count
_LONGEST_LINE = 4000
_FORBIDDEN = re.compile(
    r"socket\.(?!gethostname)|subprocess\.|os\.(system|exec|fork|forkpty|posix_spawn|spawn|startfile|kill|setxattr)|pty\.|"
    r"ftplib\.|http\.client|urllib\.|smtplib\.|telnetlib\.|webbrowser\.|pickle\.find_class|ctypes\.dlopen"
)
_WRITES = re.compile(r"os\.(chmod|chown|link|mkdir|remove|rename|rmdir|symlink|truncate|utime)|shutil\.")


class TooSlow(BaseException):
    """No `except Exception` of a library hides it."""


class Watch:
    """
    Use a file, and say what became of it.

    Args:
        folders (`Path`): may be written to; the first holds the files.
    """

    _active: "Watch | None" = None  # a hook is never taken away: it asks who is listening

    def __init__(self, *folders: Path):
        self.folders = tuple(str(folder.resolve()) + os.sep for folder in folders)
        self.seen: list[str] = []
        if not getattr(sys, "_glot_hf_is_watched", False):
            sys._glot_hf_is_watched = True  # type: ignore[attr-defined]
            sys.addaudithook(_hear)
        self.least = _peak()

    def attempt(self, use: Callable[[Path], None]) -> tuple[str, str]:
        """Return "taken", "refused" or "finding", and the line or what was found."""
        self.seen = []
        signal.signal(signal.SIGPROF, _stop)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            Watch._active = self
            try:
                use(Path(self.folders[0]))
                outcome = "taken", ""
            finally:
                Watch._active = None
                signal.setitimer(signal.ITIMER_PROF, 0)
        except (InputError, StrictDataclassError) as error:
            line = _in_one_line(error)
            outcome = ("refused", line)
            if not line or len(line) > _LONGEST_LINE:
                outcome = "finding", f"a line of {len(line)} characters: {line[:200]}"
            if "can't allocate memory" in line:
                outcome = "finding", line[:300]
        except (Exception, TooSlow) as error:
            outcome = "finding", _where(error)
        if self.seen:
            return "finding", "; ".join(sorted(set(self.seen)))
        if _peak() > self.least + BYTES:
            used, self.least = _peak() - self.least, _peak()
            return "finding", f"took {used / 1024**3:.1f} GiB"
        return outcome

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = (
                any(letter in mode for letter in "wax+")
                if mode
                else bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            )
            if writes and not isinstance(path, int) and not self._is_own(path):
                self.seen.append(f"opens {path!r} for writing")
        elif _WRITES.match(event):
            for path in arguments[:2]:
                if isinstance(path, str) and not os.path.isabs(path) and isinstance(arguments[-1], int):
                    path = _beside(path, arguments[-1])
                if isinstance(path, (str, bytes, os.PathLike)) and not self._is_own(path):
                    self.seen.append(f"{event} {path!r}")
        elif _FORBIDDEN.match(event):
            self.seen.append(f"{event} {arguments!r:.200}")

    def _is_own(self, path: Any) -> bool:
        text = os.fsdecode(path)
        return text == os.devnull or (os.path.realpath(text) + os.sep).startswith(self.folders)


def _beside(path: str, descriptor: int) -> str:
    """Return a path that is relative to an open folder, as shutil.rmtree names what it deletes."""
    return os.path.join(os.readlink(f"/proc/self/fd/{descriptor}"), path) if descriptor >= 0 else path


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    watch = Watch._active
    if watch is not None and (event == "open" or _WRITES.match(event) or _FORBIDDEN.match(event)):
        Watch._active = None  # what the hook itself does is nobody's
        try:
            watch.hear(event, arguments)
        finally:
            Watch._active = watch


def _stop(signum: int, frame: Any) -> None:
    raise TooSlow(f"more than {SECONDS} s of the processor")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _where(error: BaseException) -> str:
    """Return the kind of an error with the last places in this package, by which findings are told apart."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f"{Path(f.filename).name}:{f.name}" for f in frames if f"{os.sep}glot_hf{os.sep}" in f.filename][-3:]
    last = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "?"
    return json.dumps(f"{type(error).__name__} at {' > '.join(own)} .. {last}: {str(error)[:200]}")
