"""A model repository: commits that hold whole trees of files, and the branches and tags that name them."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml

from hub_server.http_messages import HubError


def git_sha(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()


@dataclass(frozen=True)
class File:
    """A file of a commit: in git itself, or `large` and beside it in the large file storage (LFS)."""

    data: bytes
    large: bool

    @property
    def etag(self) -> str:
        return hashlib.sha256(self.data).hexdigest() if self.large else git_sha("blob", self.data)

    @property
    def metadata(self) -> dict[str, Any]:
        """As in the entries of a tree (oid) and as in a model's siblings (blobId, sha256)."""
        size = len(self.data)
        if not self.large:
            return {"size": size, "oid": self.etag, "blobId": self.etag}
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.etag}\nsize {size}\n".encode()
        lfs = {"size": size, "oid": self.etag, "sha256": self.etag, "pointerSize": len(pointer)}
        return {"size": size, "oid": git_sha("blob", pointer), "blobId": git_sha("blob", pointer), "lfs": lfs}


@dataclass
class Repository:
    """`commits` (id -> path -> file) are in the order of their making; `announced` large files may be uploaded."""

    id: str
    private: bool
    commits: dict[str, dict[str, File]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    large_files: dict[str, bytes] = field(default_factory=dict)
    announced: dict[str, int] = field(default_factory=dict)

    def resolve(self, revision: str) -> str:
        """The id of the commit that a branch, a tag or a full id names."""
        names = {sha: sha for sha in self.commits} | self.tags | self.branches
        if revision not in names:
            raise HubError(404, f"Invalid rev id: {revision}", code="RevisionNotFound")
        return names[revision]

    def tree(self, revision: str) -> dict[str, File]:
        return self.commits[self.resolve(revision)]

    def commit(self, branch: str, tree: dict[str, File], message: str) -> str:
        """The id of the new tip of the branch: it depends on what is committed and on all before, not on time."""
        described = {path: file.etag for path, file in sorted(tree.items())}
        sha = git_sha("commit", json.dumps([self.id, self.branches.get(branch), message, described]).encode())
        self.commits[sha], self.branches[branch] = tree, sha
        return sha

    def apply(self, tree: dict[str, File], kind: str, value: dict[str, Any]) -> None:
        """Changes `tree` by one line of a commit."""
        path = value["path"]
        if kind == "file":
            tree[path] = File(base64.b64decode(value["content"]), large=False)
        elif kind == "lfsFile":
            if value["oid"] not in self.large_files:
                raise HubError(400, f"LFS pointer pointed to a file that does not exist: {path}")
            tree[path] = File(self.large_files[value["oid"]], large=True)
        elif kind in ("deletedFile", "deletedFolder"):
            inside = path.rstrip("/") + "/"
            gone = [name for name in tree if (name.startswith(inside) if kind == "deletedFolder" else name == path)]
            if not gone:
                raise HubError(404, f"A file with this name doesn't exist: {path}", code="EntryNotFound")
            for name in gone:
                del tree[name]
        else:
            raise HubError(501, f"tests/hub_server does not implement {kind} in a commit")


def describe_tree(tree: dict[str, File]) -> list[dict[str, Any]]:
    """The entries of all files, and of the folders that hold them."""
    folders = {str(folder) for path in tree for folder in PurePosixPath(path).parents if folder.name}
    described = [{"type": "directory", "path": path, "oid": git_sha("tree", path.encode())} for path in folders]
    described += [{"type": "file", "path": path, **file.metadata} for path, file in tree.items()]
    return sorted(described, key=lambda entry: entry["path"])


def read_card_data(card: str) -> dict[str, Any]:
    """The YAML block at the head of a README.md."""
    block = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", card, re.DOTALL)
    return (yaml.safe_load(block[1]) if block else None) or {}
