"""The endpoints that huggingface_hub calls for model repositories. Any other is answered with 501 and its name."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from urllib.parse import parse_qs, quote, unquote

import yaml

from hub_server.http_messages import HubError, Request, Response
from hub_server.repository import File, Repository, describe_tree, read_card_data


TOKEN = "hf_test"
USER = "tester"
LARGE_SUFFIXES = (".safetensors", ".bin", ".onnx", ".gguf")
LARGE_SIZE = 10_000_000

_REPO = "(?P<repo>[^/]+(?:/[^/]+)?)"
_REVISION = "(?P<revision>[^/]+)"
_PATH = "(?P<path>.+)"
_routes: list[tuple[str, re.Pattern[str], bool, Callable[..., Response]]] = []


def route(methods: str, pattern: str, needs_token: bool = False):
    """The method answers requests to a path that matches; the pattern's named groups are its arguments."""

    def register(answer: Callable[..., Response]) -> Callable[..., Response]:
        _routes.append((methods, re.compile(pattern), needs_token, answer))
        return answer

    return register


def content(data: bytes, request: Request, headers: dict[str, str]) -> Response:
    """The bytes of a file, or the range of them that is asked for."""
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if asked is None:
        return Response(data, 200, headers)
    start, end = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
    if start >= len(data):
        raise HubError(416, "The range begins after the end", headers={"Content-Range": f"bytes */{len(data)}"})
    return Response(data[start : end + 1], 206, headers | {"Content-Range": f"bytes {start}-{end}/{len(data)}"})


class Endpoints:
    """`respond` is the Hub's API. `respond_storage` keeps the large files, at an origin of its own as the real Hub:
    it knows the addresses that the API hands out, and refuses a token."""

    url: str
    storage_url: str

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}

    def respond(self, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", TOKEN):
            raise HubError(401, "Invalid credentials in Authorization header")
        for methods, pattern, needs_token, answer in _routes:
            match = pattern.fullmatch(request.path)
            if match is None or request.method not in methods.split("|"):
                continue
            arguments = {name: unquote(value) for name, value in match.groupdict().items() if value is not None}
            if "repo" in arguments:
                repo = self.repositories.get(arguments["repo"])
                if repo is None or (repo.private and not token):
                    raise HubError(404, "Repository not found", code="RepoNotFound")
                arguments["repo"] = repo
            if needs_token and not token:
                raise HubError(401, "Invalid username or password.")
            return answer(self, request, **arguments)
        raise HubError(501, f"tests/hub_server does not implement {request.method} {request.path}")

    def respond_storage(self, request: Request) -> Response:
        repo_id, oid = unquote(request.path).strip("/").rsplit("/", 1)
        repo = self.repositories[repo_id]
        if "Authorization" in request.headers:
            raise HubError(400, "Only one auth mechanism allowed")
        if request.method in ("GET", "HEAD"):
            return content(repo.large_files[oid], request, {"ETag": f'"{oid}"'})
        if (len(request.body), hashlib.sha256(request.body).hexdigest()) != (repo.announced.get(oid), oid):
            raise HubError(400, "Not the object that was announced")
        repo.large_files[oid] = request.body
        return Response()

    @route("GET", "/api/agent-harnesses")
    def agent_harnesses(self, request: Request) -> Response:
        return Response.json({"standardEnvVars": [], "harnesses": {}})

    @route("GET", "/api/whoami-v2", needs_token=True)
    def whoami(self, request: Request) -> Response:
        return Response.json({"type": "user", "name": USER, "fullname": USER, "orgs": []})

    @route("POST", "/api/validate-yaml")
    def validate_yaml(self, request: Request) -> Response:
        try:
            card_data = read_card_data(request.json["content"])
        except yaml.YAMLError as error:
            return Response.json({"errors": [{"message": str(error)}], "warnings": []}, 400)
        warnings = [] if card_data else [{"message": "empty or missing yaml metadata in repo card"}]
        return Response.json({"errors": [], "warnings": warnings})

    @route("POST", "/api/repos/create", needs_token=True)
    def create_repo(self, request: Request) -> Response:
        asked = request.json
        if asked.get("type", "model") != "model":
            raise HubError(501, f"tests/hub_server has no repositories of type {asked['type']}")
        repo_id = f"{asked.get('organization') or USER}/{asked['name']}"
        created = {"url": f"{self.url}/{repo_id}", "name": repo_id}
        if repo_id in self.repositories:
            return Response.json(created | {"error": "You already created this model repo"}, 409)
        repo = self.repositories[repo_id] = Repository(repo_id, private=asked.get("visibility") == "private")
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE_SUFFIXES)
        repo.commit("main", {".gitattributes": File(attributes.encode(), large=False)}, "initial commit")
        return Response.json(created)

    @route("GET", f"/api/models/{_REPO}/refs")
    def list_refs(self, request: Request, repo: Repository) -> Response:
        def described(kind: str, names: dict[str, str]) -> list[dict[str, str]]:
            return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": sha} for name, sha in names.items()]

        branches, tags = described("heads", repo.branches), described("tags", repo.tags)
        return Response.json({"branches": branches, "tags": tags, "converts": [], "pullRequests": []})

    @route("POST", f"/api/models/{_REPO}/branch/(?P<branch>[^/]+)", needs_token=True)
    def create_branch(self, request: Request, repo: Repository, branch: str) -> Response:
        if branch in repo.branches:
            raise HubError(409, "Reference already exists")
        repo.branches[branch] = repo.resolve(request.json.get("startingPoint", "main"))
        return Response.json({})

    @route("POST", f"/api/models/{_REPO}/tag/{_REVISION}", needs_token=True)
    def create_tag(self, request: Request, repo: Repository, revision: str) -> Response:
        if request.json["tag"] in repo.tags:
            raise HubError(409, "Tag already exists")
        repo.tags[request.json["tag"]] = repo.resolve(revision)
        return Response.json({})

    @route("GET", f"/api/models/{_REPO}(?:/revision/{_REVISION})?")
    def model_info(self, request: Request, repo: Repository, revision: str = "main") -> Response:
        tree = repo.tree(revision)
        card_data = read_card_data(tree["README.md"].data.decode()) if "README.md" in tree else {}
        with_metadata = "blobs" in request.query
        siblings = [{"rfilename": path} | (file.metadata if with_metadata else {}) for path, file in tree.items()]
        info = {"id": repo.id, "author": repo.id.split("/")[0], "sha": repo.resolve(revision), "private": repo.private}
        info |= {"gated": False, "disabled": False, "siblings": siblings, "cardData": card_data}
        return Response.json(info | {name: card_data.get(name) for name in ("tags", "library_name", "pipeline_tag")})

    @route("GET", f"/api/models/{_REPO}/tree/{_REVISION}(?:/{_PATH})?")
    def list_tree(self, request: Request, repo: Repository, revision: str, path: str = "") -> Response:
        folder, recursive = PurePosixPath(path), request.query.get("recursive") == ["true"]
        entries = []
        for entry in describe_tree(repo.tree(revision)):
            parents = PurePosixPath(entry["path"]).parents
            if folder == parents[0] or (recursive and folder in parents):
                entries.append(entry)
        if path and not entries:
            raise HubError(404, f"{path} does not exist on {revision}", code="EntryNotFound")
        return Response.json(entries)

    @route("POST", f"/api/models/{_REPO}/paths-info/{_REVISION}")
    def paths_info(self, request: Request, repo: Repository, revision: str) -> Response:
        asked = parse_qs(request.body.decode()).get("paths", [])
        return Response.json([entry for entry in describe_tree(repo.tree(revision)) if entry["path"] in asked])

    @route("POST", f"/api/models/{_REPO}/preupload/{_REVISION}", needs_token=True)
    def preupload(self, request: Request, repo: Repository, revision: str) -> Response:
        tree, files = repo.tree(revision), []
        for asked in request.json["files"]:
            path = asked["path"]
            mode = "lfs" if path.endswith(LARGE_SUFFIXES) or asked["size"] >= LARGE_SIZE else "regular"
            oid = tree[path].etag if path in tree else None
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return Response.json({"files": files})

    @route("POST", rf"/{_REPO}\.git/info/lfs/objects/batch", needs_token=True)
    def lfs_batch(self, request: Request, repo: Repository) -> Response:
        objects = [{"oid": asked["oid"], "size": asked["size"]} for asked in request.json["objects"]]
        for item in objects:
            if item["oid"] not in repo.large_files:  # without actions, the client knows that the Hub has it
                repo.announced[item["oid"]] = item["size"]
                upload = {"href": f"{self.storage_url}/{repo.id}/{item['oid']}"}
                verify = {"href": f"{self.url}/{repo.id}.git/info/lfs/objects/verify"}
                item["actions"] = {"upload": upload, "verify": verify}
        return Response.json({"transfer": "basic", "objects": objects})

    @route("POST", rf"/{_REPO}\.git/info/lfs/objects/verify", needs_token=True)
    def lfs_verify(self, request: Request, repo: Repository) -> Response:
        if request.json["oid"] not in repo.large_files:
            raise HubError(404, "Object not found")
        return Response.json({})

    @route("POST", f"/api/models/{_REPO}/commit/{_REVISION}", needs_token=True)
    def create_commit(self, request: Request, repo: Repository, revision: str) -> Response:
        header, *operations = [json.loads(line) for line in request.body.splitlines()]
        if "create_pr" in request.query:
            raise HubError(501, "tests/hub_server has no pull requests")
        if revision not in repo.branches:
            raise HubError(404, f"Invalid rev id: {revision}", code="RevisionNotFound")
        if not repo.branches[revision].startswith(header["value"].get("parentCommit", "")):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        tree = dict(repo.tree(revision))
        for operation in operations:
            repo.apply(tree, operation["key"], operation["value"])
        sha = repo.commit(revision, tree, header["value"]["summary"])
        return Response.json({"commitUrl": f"{self.url}/{repo.id}/commit/{sha}", "commitOid": sha})

    @route("GET|HEAD", f"/{_REPO}/resolve/{_REVISION}/{_PATH}")
    def resolve(self, request: Request, repo: Repository, revision: str, path: str) -> Response:
        sha = repo.resolve(revision)
        headers = {"X-Repo-Commit": sha}
        file = repo.commits[sha].get(path)
        if file is None:
            raise HubError(404, "Entry not found", code="EntryNotFound", headers=headers)
        headers["ETag"] = f'"{file.etag}"'
        if not file.large:
            return content(file.data, request, headers)
        address = f"{self.storage_url}/{repo.id}/{file.etag}?filename={quote(path)}"
        headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(file.data)), "Location": address}
        return Response(b"", 302, headers)
