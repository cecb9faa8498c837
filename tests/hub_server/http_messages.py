"""HTTP on loopback: reads requests, sends answers, and fails where a test wants it."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: Any
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> "Response":
        return Response(json.dumps(value).encode(), status, {"Content-Type": "application/json"} | (headers or {}))


class HubError(Exception):
    """An answer other than success. huggingface_hub chooses its exception by `code`: RepoNotFound, EntryNotFound..."""

    def __init__(self, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None):
        named = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.response = Response.json({"error": message}, status, named | (headers or {}))


@dataclass
class Fault:
    """What goes wrong with the next `times` requests of this method to a path with this part.

    Either they are answered with `status`, or the connection closes after `cut_after` bytes of the request's body or,
    where it has none, of the response's.
    """

    method: str
    path_part: str
    times: int
    status: int | None = None
    cut_after: int | None = None

    def takes(self, method: str, path: str) -> bool:
        return self.times > 0 and self.method == method and self.path_part in path


class Handler(BaseHTTPRequestHandler):
    """One connection, and in HTTP/1.0 one request. `respond` sees only requests that arrived whole."""

    def __init__(self, respond: Callable[[Request], Response], next_fault: Callable[..., Fault | None], *connection):
        self.respond, self.next_fault = respond, next_fault
        super().__init__(*connection)

    def serve(self) -> None:
        fault = self.next_fault(self.command, unquote(self.path))
        cut_after = fault.cut_after if fault else None
        length = int(self.headers.get("Content-Length", 0))
        if cut_after is not None and length > 0:
            self.rfile.read(min(cut_after, length))
            return
        body = self.rfile.read(length)
        if len(body) < length:
            return
        url = urlsplit(self.path)
        try:
            if "Transfer-Encoding" in self.headers:
                raise HubError(411, "Content-Length is required")
            if fault and fault.status is not None:
                raise HubError(fault.status, "A fault that the test has switched on")
            response = self.respond(Request(self.command, url.path, parse_qs(url.query), self.headers, body))
        except HubError as error:
            response = error.response
        with suppress(ConnectionError):  # the client may be gone, or killed by the test
            self.send(response, cut_after)

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def send(self, response: Response, cut_after: int | None) -> None:
        self.send_response(response.status)
        for name, value in {"Content-Length": str(len(response.body)), **response.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body[:cut_after])

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing on stderr: `Hub.requests` is the log."""
