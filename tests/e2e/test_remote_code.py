"""A saved head carries its code: it loads where glot_hf is not installed, from a folder and from a Hub."""

import json
import re

import pytest
import torch
from huggingface_hub import HfApi
from small_decoders import make_decoder
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel, __version__


TEXTS = ["a lovely film", "an awful film, all in all"]


@pytest.fixture
def head(minilm_path, tmp_path):
    torch.manual_seed(0)
    model = GlotForSequenceClassification.from_backbone(minilm_path, num_labels=2, gnn_hidden_size=8)
    save(model, minilm_path, tmp_path / "head")
    return model


def save(model, backbone_path, folder):
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(backbone_path).save_pretrained(folder)


def logits(model, tokenizer):
    with torch.no_grad():
        return model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits


def test_a_process_without_glot_hf(head, hub, tmp_path, minilm_path):
    """Loads all three classes, saves them again, loads that again; pipelines too; and never asks what to trust."""
    save(head.glot, minilm_path, tmp_path / "base")
    code = f"""
        import json, sys
        import torch
        from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline

        trust = {{"trust_remote_code": True}}
        tokenizer = AutoTokenizer.from_pretrained({str(tmp_path / "head")!r}, **trust)
        found = {{"logits": [], "vectors": []}}
        for source, target in (("head", "again"), ("again", "third")):
            source, target = "{tmp_path}/" + source, "{tmp_path}/" + target
            config = AutoConfig.from_pretrained(source, **trust)
            assert type(config).__module__.startswith("transformers_modules"), type(config)
            model = AutoModelForSequenceClassification.from_pretrained(source, **trust)
            inputs = tokenizer({TEXTS!r}, padding=True, return_tensors="pt")
            found["logits"].append(model(**inputs).logits.tolist())
            found["vectors"].append(AutoModel.from_pretrained(source, **trust)(**inputs).pooler_output.tolist())
            model.save_pretrained(target)
            tokenizer.save_pretrained(target)
        classify = pipeline("text-classification", model="{tmp_path}/third", **trust)
        found["labels"] = classify({TEXTS!r}, batch_size=2)
        extract = pipeline("feature-extraction", model="{tmp_path}/base", **trust)
        found["features"] = extract({TEXTS!r})
        assert "glot_hf" not in [name for name, module in sys.modules.items() if module is not None]
        print(json.dumps(found))
    """
    found = json.loads(hub.run_python(code, without_glot_hf=True, HF_HUB_OFFLINE="1").splitlines()[-1])
    tokenizer = AutoTokenizer.from_pretrained(minilm_path)
    expected = logits(head, tokenizer)
    vectors = head.glot.encode(TEXTS, tokenizer)
    for again in found["logits"]:
        torch.testing.assert_close(torch.tensor(again), expected, rtol=1e-5, atol=1e-6)
    for again in found["vectors"]:
        torch.testing.assert_close(torch.tensor(again), vectors, rtol=1e-5, atol=1e-6)
    best = expected.softmax(-1).max(-1)
    assert [answer["label"] for answer in found["labels"]] == [f"LABEL_{index}" for index in best.indices.tolist()]
    torch.testing.assert_close(torch.tensor([answer["score"] for answer in found["labels"]]), best.values)
    torch.testing.assert_close(torch.tensor(found["features"])[:, 0], vectors, rtol=1e-5, atol=1e-6)


def test_pair_heads_bring_their_pipeline(hub, tmp_path, minilm_path):
    models = {
        mode: GlotForSequenceClassification.from_backbone(minilm_path, pair_mode=mode, gnn_hidden_size=8)
        for mode in ("concat", "cosine", "late")
    }
    for mode, model in models.items():
        save(model, minilm_path, tmp_path / mode)
    code = f"""
        from transformers import pipeline

        for mode in ("concat", "cosine", "late"):
            classify = pipeline(model="{tmp_path}/" + mode, trust_remote_code=True)
            pairs = [{{"text": "a b", "text_pair": "c"}}] * 3
            print(mode, type(classify).__name__, classify(pairs, batch_size=2)[0]["score"])
    """
    output = hub.run_python(code, without_glot_hf=True, HF_HUB_OFFLINE="1")
    tokenizer = AutoTokenizer.from_pretrained(minilm_path)
    first, second = (tokenizer(text, return_tensors="pt") for text in ("a b", "c"))
    second = {f"{name}_b": second[name] for name in ("input_ids", "attention_mask")}
    for line in output.splitlines()[-3:]:
        mode, name, score = line.split()
        assert name == "GlotTextClassificationPipeline"
        with torch.no_grad():
            scores = models[mode](**first, **second).logits[0]
        expected = scores.item() if mode == "cosine" else scores.softmax(-1).max().item()
        assert float(score) == pytest.approx(expected, abs=1e-5)


def test_token_features_without_glot_hf(hub, tmp_path):
    make_decoder("gpt2").save_pretrained(tmp_path / "backbone")
    options = {"token_features": ["surprisal"], "gnn_hidden_size": 8, "backbone_layers": 1}
    model = GlotForSequenceClassification.from_backbone(tmp_path / "backbone", **options)
    model.save_pretrained(tmp_path / "head")
    code = f"""
        import torch
        from transformers import AutoModelForSequenceClassification

        model = AutoModelForSequenceClassification.from_pretrained("{tmp_path}/head", trust_remote_code=True)
        print(model(torch.tensor([[3, 4, 5]])).logits.tolist()[0])
    """
    output = hub.run_python(code, without_glot_hf=True, HF_HUB_OFFLINE="1")
    found = torch.tensor(json.loads(output.splitlines()[-1]))
    torch.testing.assert_close(found, model(torch.tensor([[3, 4, 5]])).logits[0], rtol=1e-5, atol=1e-6)


def test_where_it_is_imported_no_trust_is_needed(head, tmp_path):
    folder = str(tmp_path / "head")
    assert type(AutoModelForSequenceClassification.from_pretrained(folder)) is GlotForSequenceClassification
    assert type(AutoModel.from_pretrained(folder)) is GlotModel
    assert len(pipeline("text-classification", model=folder)(TEXTS)) == 2


def test_too_old_a_transformers_is_named(head, hub, tmp_path):
    """Before anything that it lacks is imported."""
    code = f"""
        import importlib.metadata

        version = importlib.metadata.version
        importlib.metadata.version = lambda name: "4.57.1" if name == "transformers" else version(name)
        from transformers import AutoConfig

        AutoConfig.from_pretrained({str(tmp_path / "head")!r}, trust_remote_code=True)
    """
    with pytest.raises(RuntimeError, match="(?s)transformers>=5.4 is required.*4.57.1.*pip install -U transformers"):
        hub.run_python(code, without_glot_hf=True, HF_HUB_OFFLINE="1")


def test_publishing_without_glot_hf_says_what_to_install(head, hub_here, tmp_path):
    """What publishes is the package's and not part of what a head carries."""
    code = f"""
        from transformers import AutoModelForSequenceClassification

        model = AutoModelForSequenceClassification.from_pretrained({str(tmp_path / "head")!r}, trust_remote_code=True)
        model.push_to_hub("tester/again")
    """
    message = f"ImportError: push_to_hub needs glot_hf {re.escape(__version__)}.*install it from its repository"
    with pytest.raises(RuntimeError, match=message):
        hub_here.run_python(code, without_glot_hf=True)
    assert not HfApi().repo_exists("tester/again")


def test_versions_are_recorded(head, tmp_path):
    saved = json.loads((tmp_path / "head" / "config.json").read_text())
    assert saved["glot_hf_version"] and saved["transformers_version"]


def test_keys_that_come_and_go(head, tmp_path, caplog, minilm_path):
    """A head of a version with more options, and one of a version with fewer."""
    file = tmp_path / "head" / "config.json"
    saved = json.loads(file.read_text())
    expected = logits(head, AutoTokenizer.from_pretrained(minilm_path))
    for name in ("graph_block_size", "input_norm", "glot_hf_version", "auto_map", "jumping_knowledge", "num_latents"):
        saved.pop(name, None)
    file.write_text(json.dumps(saved | {"an_option_of_the_future": [1, 2]}))
    loaded = GlotForSequenceClassification.from_pretrained(tmp_path / "head")
    assert "an_option_of_the_future" in caplog.text
    torch.testing.assert_close(logits(loaded, AutoTokenizer.from_pretrained(minilm_path)), expected)
    loaded.save_pretrained(tmp_path / "again")
    assert GlotConfig.from_pretrained(tmp_path / "again").an_option_of_the_future == [1, 2]
