"""Where nothing but torch and transformers is installed, a published head loads and classifies: its card says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from glot_hf import GlotForSequenceClassification


CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
TEXTS = ["a lovely film", "an awful film, all in all"]


@pytest.mark.slow
def test_a_pipeline_with_torch_and_transformers_alone(hub_here, minilm_path, tmp_path):
    """Needs a package registry, as `make test-slow` itself does."""
    tokenizer = AutoTokenizer.from_pretrained(minilm_path)
    AutoModel.from_pretrained(minilm_path).push_to_hub("tester/backbone")
    tokenizer.push_to_hub("tester/backbone")
    torch.manual_seed(0)
    model = GlotForSequenceClassification.from_backbone("tester/backbone", num_labels=2)
    model.push_to_hub("tester/head")

    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS]
    for package in ("torch", "transformers"):  # torch first, as in the Makefile: a build without CUDA may be at hand
        subprocess.run([*install, package], check=True)
    code = f"""
        import importlib.util, json
        from transformers import pipeline

        not_there = ["glot_hf", "accelerate", "peft", "datasets", "sklearn"]
        assert not any(map(importlib.util.find_spec, not_there))
        classify = pipeline("text-classification", model="tester/head", trust_remote_code=True)
        print(json.dumps(classify({TEXTS!r})))
    """
    output = hub_here.run_python(code, python=python, PYTHONPATH="", HF_HOME=str(tmp_path / "another_machine"))
    answers = json.loads(output.splitlines()[-1])
    with torch.no_grad():
        probabilities = model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits.softmax(-1)
    expected = probabilities.max(-1)
    assert [answer["label"] for answer in answers] == [f"LABEL_{index}" for index in expected.indices.tolist()]
    scores = torch.tensor([answer["score"] for answer in answers])
    torch.testing.assert_close(scores, expected.values, rtol=1e-5, atol=1e-6)
