"""The notebooks run from top to bottom, in an empty folder, and their outputs are committed."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
from huggingface_hub import HfApi
from nbclient import NotebookClient


FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
QUICKSTART = FOLDER / "01_quickstart.ipynb"
STRESS = FOLDER / "02_stress_test.ipynb"
EMBEDDINGS = FOLDER / "03_embeddings.ipynb"
# What is replaced in a notebook for a quick run of all of its cells: one seed, fewer texts and steps.
QUICK = {
    STRESS: {
        "seeds=[0, 1]": "seeds=[0]",
        "train_size=320": "train_size=60",
        "test_size=200": "test_size=40",
        "steps=[160]": "steps=[16]",
        "ratios=[0.0, 0.5, 0.8, 0.9]": "ratios=[0.0, 0.9]",
        "num_surroundings = [0.0, 0.2, 0.5, 0.8, 0.9, 0.95], 6": "num_surroundings = [0.0, 0.9], 2",
    },
    EMBEDDINGS: {"for seed in range(3)": "for seed in range(1)"},
}


def run(path, folder, replaced=None):
    """Raises on the first cell that does, or that takes longer."""
    notebook = nbformat.read(path, as_version=4)
    for code, quick in (replaced or {}).items():
        (cell,) = (cell for cell in notebook.cells if cell.cell_type == "code" and code in cell.source)
        cell.source = cell.source.replace(code, quick)
    resources = {"metadata": {"path": folder}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the other tests need a core, too


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path):
    run(path, tmp_path)


def test_the_quickstart_publishes_where_there_is_a_hub(hub_here, tmp_path, minilm_path):
    backbone = "sentence-transformers/all-MiniLM-L6-v2"
    HfApi().create_repo(backbone)
    HfApi().upload_folder(folder_path=minilm_path, repo_id=backbone)
    run(QUICKSTART, tmp_path)
    assert {"config.json", "model.safetensors", "tokenizer.json"} < set(hub_here.files("tester/desk-head"))
    assert hub_here.commits(backbone)[-1] in hub_here.files("tester/desk-head")["config.json"].decode()


@pytest.mark.slow
def test_the_stress_test_runs(tmp_path):
    run(STRESS, tmp_path, QUICK[STRESS])


@pytest.mark.slow
def test_the_embeddings_find_more_than_the_mean_does(tmp_path):
    """By MTEB's own numbers, on packages that were not trained on; and every one of them is in the file of vectors."""
    run(EMBEDDINGS, tmp_path, QUICK[EMBEDDINGS])
    found = {}
    for path in tmp_path.glob("mteb_results/**/PythonDocs.json"):
        (found[path.parent.parent.name],) = json.loads(path.read_text())["scores"]["test"]
    mean, glot = (found[f"python-docs__{name}"] for name in ("mean", "glot"))
    assert glot["mrr_at_1000"] > mean["mrr_at_1000"] + 0.15 and glot["recall_at_10"] > mean["recall_at_10"] + 0.15
    ids = [json.loads(line)["id"] for line in (tmp_path / "functions.jsonl").read_text().splitlines()]
    vectors = np.load(tmp_path / "vectors.npy")
    assert vectors.shape == (len(set(ids)), 256) and np.isfinite(vectors).all()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_outputs_are_committed(path):
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
