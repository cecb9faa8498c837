"""The running Hub, and what tests ask of it."""

import os
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable
from functools import partial
from http.server import ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hub_server.endpoints import TOKEN, Endpoints
from hub_server.http_messages import Fault, Handler, Request, Response


def constants_of(url: str) -> dict[str, Any]:
    """Return what points huggingface_hub at a Hub in a process that has imported it already: its own constants."""
    return {
        "ENDPOINT": url,
        "HUGGINGFACE_CO_URL_TEMPLATE": url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
    }


class Hub:
    """A Hub at `url`, with no repository; every holder of `token` may write.

    `environment` points another process at it, with `home` as HF_HOME (a process with a fresh one is like another
    machine). `requests` is the log of (method, path) of what was answered, faults left out.
    """

    def __init__(self, home: Path):
        self.token = TOKEN
        self.requests: list[tuple[str, str]] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._servers: list[ThreadingHTTPServer] = []
        self._endpoints = Endpoints()
        self.url = self._endpoints.url = self._start(self._endpoints.respond)
        self._endpoints.storage_url = self._start(self._endpoints.respond_storage)
        same_glot_hf = str(Path(find_spec("glot_hf").origin).parents[1])  # as this process, also where not installed
        self.environment = {
            "PYTHONPATH": os.pathsep.join(filter(None, [same_glot_hf, os.environ.get("PYTHONPATH")])),
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token,
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "DISABLE_SAFETENSORS_CONVERSION": "1",  # it asks a service at an address of its own
            "NO_PROXY": "127.0.0.1",
        }

    def _start(self, respond: Callable[[Request], Response]) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, partial(self._log, respond), self._next_fault))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self._servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    def _log(self, respond: Callable[[Request], Response], request: Request) -> Response:
        with self._lock:  # a commit is made whole before anything else is answered
            self.requests.append((request.method, request.path))
            return respond(request)

    def _next_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.takes(method, path):
                    fault.times -= 1
                    return fault
        return None

    def stop(self) -> None:
        """The Hub is down: connections are refused. May be called twice."""
        while self._servers:
            server = self._servers.pop()
            server.shutdown()
            server.server_close()

    def fail_next(self, method: str, path_part: str, *, status: int, times: int = 1) -> None:
        """The next such requests get this status.

        After a 5xx huggingface_hub never repeats a commit, but the upload of a large file five times. It waits 23 s in
        all, unless `time.sleep` is replaced.
        """
        self._faults.append(Fault(method, path_part, times, status=status))

    def cut_next(self, method: str, path_part: str, *, after: int, times: int = 1) -> None:
        """The next such connections close after this many bytes of the body: the request's if it has one.

        A large file's upload is a PUT to `.../<sha256>`, and repeated as after a 5xx. Its download is a GET of
        `.../<sha256>?filename=<path>`; any download is repeated five times, 5 s in all.
        """
        self._faults.append(Fault(method, path_part, times, cut_after=after))

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        return {path: file.data for path, file in self._endpoints.repositories[repo].tree(revision).items()}

    def commits(self, repo: str) -> list[str]:
        """The ids of all commits, oldest first. The first is the Hub's own, with a .gitattributes."""
        return list(self._endpoints.repositories[repo].commits)

    def run_python(
        self, code: str, *, python: str = sys.executable, without_glot_hf: bool = False, **environment: str
    ) -> str:
        """What `code` prints in a process of its own, in an empty folder, with `environment` after the hub's own.

        `python` is the interpreter. With `without_glot_hf`, `import glot_hf` fails there as where it is not installed.
        Raises `RuntimeError` with the stderr of a process that fails.
        """
        code = textwrap.dedent(code)
        if without_glot_hf:
            code = 'import sys; sys.modules["glot_hf"] = None\n' + code
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(
                [python, "-c", code],
                cwd=folder,
                env=os.environ | self.environment | environment,
                capture_output=True,
                text=True,
                timeout=300,
            )
        if result.returncode != 0:
            raise RuntimeError(f"Exit code {result.returncode}\n{result.stderr}")
        return result.stdout
