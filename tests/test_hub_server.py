"""The Hub of the tests, against the clients that know the real one: huggingface_hub's and transformers' own."""

import hashlib
import json
import socket
import time
from pathlib import Path

import pytest
import torch
from huggingface_hub import (
    HfApi,
    HfFileSystem,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    snapshot_download,
)
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel
from transformers.utils.hub import cached_file, is_offline_mode

import glot_hf


REPO = "tester/model"


@pytest.fixture
def folder(tmp_path):
    """What is pushed: text, a large file, another one in a folder."""
    path = tmp_path / "folder"
    (path / "more").mkdir(parents=True)
    (path / "config.json").write_text('{"size": 1}')
    (path / "README.md").write_text("---\nlicense: apache-2.0\ntags:\n- glot\n---\n# A card\n")
    save_file({"weight": torch.zeros(30, 100)}, path / "model.safetensors")
    save_file({"weight": torch.ones(3)}, path / "more" / "model.safetensors")
    return path


@pytest.fixture
def pushed(hub_here, folder):
    """The id of the commit in which the folder came to the Hub."""
    HfApi().create_repo(REPO)
    return HfApi().upload_folder(repo_id=REPO, folder_path=folder).oid


@pytest.fixture
def no_waiting(monkeypatch):
    """The client repeats what failed without its seconds of waiting."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def uploads(hub):
    return [path for method, path in hub.requests if method == "PUT"]


def test_what_is_pushed_comes_back(hub_here, folder, pushed):
    attributes = {".gitattributes": hub_here.files(REPO)[".gitattributes"]}
    assert hub_here.files(REPO) == contents(folder) | attributes
    assert hub_here.files(REPO, hub_here.commits(REPO)[0]) == attributes
    assert hub_here.commits(REPO)[-1] == pushed
    assert contents(snapshot_download(REPO)) == hub_here.files(REPO)
    assert Path(hf_hub_download(REPO, "config.json")).read_bytes() == hub_here.files(REPO)["config.json"]


def test_what_the_hub_tells_of_a_repository(hub_here, folder, pushed):
    api = HfApi()
    info = api.model_info(REPO, files_metadata=True)
    assert (info.sha, info.private, info.card_data.license, info.tags) == (pushed, False, "apache-2.0", ["glot"])
    sizes = {path: len(content) for path, content in hub_here.files(REPO).items()}
    assert {sibling.rfilename: sibling.size for sibling in info.siblings} == sizes
    assert [sibling.rfilename for sibling in info.siblings if sibling.lfs] == [
        "model.safetensors",
        "more/model.safetensors",
    ]
    assert api.model_info(REPO, revision=hub_here.commits(REPO)[0]).card_data is None
    assert sorted(api.list_repo_files(REPO)) == sorted(sizes)
    top = {"README.md", "config.json", "model.safetensors", "more", ".gitattributes"}
    assert {entry.path for entry in api.list_repo_tree(REPO)} == top
    assert [entry.path for entry in api.list_repo_tree(REPO, "more")] == ["more/model.safetensors"]
    assert [entry.path for entry in api.get_paths_info(REPO, ["more", "none"])] == ["more"]
    (folder / ".gitattributes").write_bytes(hub_here.files(REPO)[".gitattributes"])
    verified = api.verify_repo_checksums(REPO, local_dir=folder)
    assert (verified.checked_count, verified.mismatches, verified.missing_paths) == (5, [], [])


def test_large_files_lie_elsewhere(hub_here, folder, pushed):
    weights = (folder / "model.safetensors").read_bytes()
    metadata = get_hf_file_metadata(hf_hub_url(REPO, "model.safetensors", revision="main"))
    assert (metadata.commit_hash, metadata.size) == (pushed, len(weights))
    assert metadata.etag == hashlib.sha256(weights).hexdigest()
    assert not metadata.location.startswith(hub_here.url)
    assert httpx.get(metadata.location).content == weights
    assert httpx.get(metadata.location, headers={"Authorization": f"Bearer {hub_here.token}"}).status_code == 400
    assert httpx.put(metadata.location, content=b"other").status_code == 400
    assert hub_here.files(REPO)["model.safetensors"] == weights


def test_parts_of_files(hub_here, folder, pushed):
    metadata = HfApi().parse_safetensors_file_metadata(REPO, "model.safetensors")
    assert metadata.tensors["weight"].shape == [30, 100]
    weights = (folder / "model.safetensors").read_bytes()
    with HfFileSystem(endpoint=hub_here.url).open(f"{REPO}/model.safetensors", block_size=64) as file:
        file.seek(1000)
        assert file.read(10) == weights[1000:1010]


def test_a_second_push_sends_what_has_changed(hub_here, folder, pushed):
    assert len(uploads(hub_here)) == 2
    api = HfApi()
    assert api.upload_folder(repo_id=REPO, folder_path=folder).oid == pushed
    save_file({"weight": torch.ones(4)}, folder / "more" / "model.safetensors")
    (folder / "config.json").write_text('{"size": 2}')
    second = api.upload_folder(repo_id=REPO, folder_path=folder).oid
    assert len(uploads(hub_here)) == 3
    assert hub_here.commits(REPO)[1:] == [pushed, second]
    for sha, size in ((pushed, 1), (second, 2)):
        assert json.loads(Path(hf_hub_download(REPO, "config.json", revision=sha)).read_text()) == {"size": size}
    assert contents(snapshot_download(REPO, revision=second)) == hub_here.files(REPO)
    assert contents(snapshot_download(REPO, revision=pushed)) == hub_here.files(REPO, pushed)


def test_branches_tags_and_deletions(hub_here, folder, pushed):
    api = HfApi()
    api.create_tag(REPO, tag="v1")
    api.create_branch(REPO, branch="trial/1")
    api.delete_file("config.json", REPO, revision="trial/1")
    trial = api.delete_folder("more", REPO, revision="trial/1").oid
    refs = api.list_repo_refs(REPO)
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": pushed, "trial/1": trial}
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1": pushed}
    assert set(hub_here.files(REPO, "trial/1")) == {".gitattributes", "README.md", "model.safetensors"}
    assert hf_hub_download(REPO, "config.json", revision="v1") == hf_hub_download(REPO, "config.json")
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download(REPO, "config.json", revision="trial/1")
    with pytest.raises(RemoteEntryNotFoundError):
        api.delete_file("none.json", REPO)
    for again in (lambda: api.create_branch(REPO, branch="trial/1"), lambda: api.create_tag(REPO, tag="v1")):
        with pytest.raises(HfHubHTTPError, match="409"):
            again()


def test_ids_are_the_same_each_time(hub_here, folder, pushed, tmp_path):
    other = type(hub_here)(tmp_path / "other")
    try:
        api = HfApi(endpoint=other.url)
        api.create_repo(REPO)
        assert api.upload_folder(repo_id=REPO, folder_path=folder).oid == pushed
    finally:
        other.stop()


def test_a_stale_parent_and_a_second_creation_are_refused(hub_here, pushed):
    api = HfApi()
    api.create_repo(REPO, exist_ok=True)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo(REPO)
    with pytest.raises(HfHubHTTPError, match="412"):
        api.delete_file("config.json", REPO, parent_commit=hub_here.commits(REPO)[0])
    with pytest.raises(ValueError, match="Invalid metadata in README.md"):
        api.upload_file(path_or_fileobj=b"---\na: [\n---\n", path_in_repo="README.md", repo_id=REPO)
    with pytest.raises(HfHubHTTPError, match="501"):
        api.delete_repo(REPO)
    assert hub_here.commits(REPO)[-1] == pushed


def test_what_is_not_there(hub_here, pushed):
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("tester/none", "config.json")
    with pytest.raises(RepositoryNotFoundError):
        HfApi().model_info("none")
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download(REPO, "config.json", revision="0" * 40)
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download(REPO, "none.json")
    with pytest.raises(OSError, match="is not a valid git identifier"):
        AutoConfig.from_pretrained(REPO, revision="none")
    with pytest.raises(OSError, match="is not a local folder and is not a valid model identifier"):
        AutoConfig.from_pretrained("tester/none")


def test_tokens(hub_here, folder):
    owner, stranger, nobody = (HfApi(token=token) for token in (hub_here.token, "hf_wrong", False))
    owner.create_repo(REPO)
    owner.create_repo("tester/private", private=True)
    assert owner.whoami()["name"] == "tester"
    assert owner.model_info("tester/private").private
    for refused in (
        stranger.whoami,
        lambda: stranger.model_info(REPO),
        lambda: stranger.create_repo("tester/new"),
        lambda: nobody.create_repo("tester/new"),
        lambda: nobody.upload_folder(repo_id=REPO, folder_path=folder),
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            refused()
        assert caught.value.response.status_code == 401
    assert nobody.model_info(REPO).sha == hub_here.commits(REPO)[0]
    with pytest.raises(RepositoryNotFoundError):
        nobody.model_info("tester/private")
    with pytest.raises(RepositoryNotFoundError):
        nobody.hf_hub_download("tester/private", ".gitattributes")
    assert len(hub_here.commits(REPO)) == 1


def test_a_push_that_breaks_off_leaves_the_repository_as_it_was(hub_here, folder, no_waiting):
    api = HfApi()
    api.create_repo(REPO)
    hub_here.cut_next("PUT", REPO, after=1000, times=6)
    with pytest.raises(RuntimeError, match="Error while uploading"):
        api.upload_folder(repo_id=REPO, folder_path=folder, allow_patterns="model.safetensors")
    assert uploads(hub_here) == []
    hub_here.cut_next("POST", f"{REPO}/commit", after=100)
    with pytest.raises(httpx.TransportError):
        api.upload_folder(repo_id=REPO, folder_path=folder)
    hub_here.fail_next("POST", f"{REPO}/commit", status=403)
    with pytest.raises(HfHubHTTPError, match="403"):
        api.upload_folder(repo_id=REPO, folder_path=folder)
    assert len(hub_here.commits(REPO)) == 1
    assert set(hub_here.files(REPO)) == {".gitattributes"}
    api.upload_folder(repo_id=REPO, folder_path=folder)
    assert set(hub_here.files(REPO)) - set(contents(folder)) == {".gitattributes"}


def test_a_commit_whose_client_dies_is_not_made(hub_here, pushed):
    lines = [{"key": "header", "value": {"summary": "half"}}, {"key": "deletedFile", "value": {"path": "README.md"}}]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    head = f"POST /api/models/{REPO}/commit/main HTTP/1.1\r\nAuthorization: Bearer {hub_here.token}\r\n"
    url = httpx.URL(hub_here.url)
    for missing, commits in ((1, 2), (0, 3)):
        with socket.create_connection((url.host, url.port)) as connection:
            connection.sendall(f"{head}Content-Length: {len(body) + missing}\r\n\r\n{body}".encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1024):
                pass
        assert len(hub_here.commits(REPO)) == commits


def test_an_upload_that_breaks_off_once_is_repeated(hub_here, folder, no_waiting):
    HfApi().create_repo(REPO)
    hub_here.cut_next("PUT", REPO, after=1000)
    hub_here.fail_next("PUT", REPO, status=500)
    HfApi().upload_folder(repo_id=REPO, folder_path=folder)
    assert hub_here.files(REPO)["model.safetensors"] == (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("path", ["model.safetensors", "config.json"])
def test_nothing_of_a_download_that_breaks_off_is_kept(hub_here, folder, pushed, no_waiting, path):
    hub_here.cut_next("GET", path, after=5, times=6)
    with pytest.raises(httpx.TransportError):
        hf_hub_download(REPO, path)
    assert not list(Path(constants.HF_HUB_CACHE).rglob(f"snapshots/*/{path}"))
    assert Path(hf_hub_download(REPO, path)).read_bytes() == (folder / path).read_bytes()


def test_a_hub_that_is_down(hub_here, pushed, no_waiting):
    config = hf_hub_download(REPO, "config.json")
    hub_here.stop()
    assert hf_hub_download(REPO, "config.json") == config
    assert cached_file(REPO, "config.json") == config
    with pytest.raises(LocalEntryNotFoundError):
        hf_hub_download(REPO, "README.md")


def test_only_those_processes_that_are_pointed_at_it_see_the_hub(hub):
    assert is_offline_mode()
    with pytest.raises(OfflineModeIsEnabled):
        HfApi(endpoint=hub.url, token=hub.token).whoami()
    assert hub.requests == []
    name = hub.run_python("from huggingface_hub import whoami; print(whoami()['name'])")
    assert name == "tester\n"
    with pytest.raises(RuntimeError, match="Invalid user token"):
        hub.run_python("from huggingface_hub import whoami; whoami()", HF_TOKEN="hf_wrong")


def test_a_process_without_glot_hf(hub):
    find = "from importlib.util import find_spec; print(getattr(find_spec('glot_hf'), 'origin', None))"
    assert hub.run_python(find).strip() == glot_hf.__file__
    assert hub.run_python(find, without_glot_hf=True).strip() == "None"
    for statement in ("import glot_hf", "import glot_hf.system.errors", "from glot_hf import GlotModel"):
        with pytest.raises(RuntimeError, match="ModuleNotFoundError"):
            hub.run_python(statement, without_glot_hf=True)


def test_transformers_in_this_process(hub_here, tiny_bert):
    tiny_bert.push_to_hub(REPO)
    first = HfApi().model_info(REPO).sha
    with torch.no_grad():
        tiny_bert.embeddings.word_embeddings.weight.zero_()
    tiny_bert.push_to_hub(REPO)
    assert hub_here.commits(REPO)[1] == first
    assert not is_offline_mode()
    sums = [
        AutoModel.from_pretrained(REPO, revision=sha).embeddings.word_embeddings.weight.abs().sum().item()
        for sha in hub_here.commits(REPO)[1:]
    ]
    assert sums[0] > 0 and sums[1] == 0
    assert uploads(hub_here)[0] != uploads(hub_here)[1]


def test_transformers_in_a_fresh_process(hub_here, tiny_bert):
    tiny_bert.push_to_hub(REPO)
    program = f"""
        from transformers import AutoModel
        model = AutoModel.from_pretrained({REPO!r}, revision={hub_here.commits(REPO)[1]!r})
        print(model.push_to_hub("copy").oid)
    """
    assert hub_here.run_python(program).split() == hub_here.commits("tester/copy")[1:]
    for path in ("model.safetensors", "config.json"):
        assert hub_here.files("tester/copy")[path] == hub_here.files(REPO)[path]
