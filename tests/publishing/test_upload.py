"""Publishing a head to a Hub over HTTP: what arrives there, what never does, and what others make of it."""

import json

import pytest
import torch
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError
from peft import LoraConfig, get_peft_model
from safetensors.torch import load
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertModel,
    Trainer,
    pipeline,
)
from transformers import TrainingArguments as StockArguments

from glot_hf import GlotForSequenceClassification, GlotModel, GlotTextClassificationPipeline
from glot_hf.model.sentence_files_glot import SENTENCE_FILES
from glot_hf.publishing.card import Training


BACKBONE, HEAD = "tester/backbone", "tester/head"
SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "num_labels": 2}
TEXTS = ["a lovely film", "an awful film"]


@pytest.fixture
def tokenizer(minilm_path):
    return AutoTokenizer.from_pretrained(minilm_path)


@pytest.fixture
def backbone(tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).eval()


@pytest.fixture
def published_backbone(hub_here, backbone, tokenizer):
    backbone.push_to_hub(BACKBONE)
    tokenizer.push_to_hub(BACKBONE)
    return hub_here.commits(BACKBONE)[-1]


@pytest.fixture
def model(published_backbone):
    torch.manual_seed(1)
    return GlotForSequenceClassification.from_backbone(BACKBONE, **SMALL)


@pytest.fixture
def local(backbone, tokenizer, tmp_path):
    """A head on a backbone that only this machine has."""
    backbone.save_pretrained(tmp_path / "private_folder")
    tokenizer.save_pretrained(tmp_path / "private_folder")
    torch.manual_seed(1)
    return GlotForSequenceClassification.from_backbone(tmp_path / "private_folder", **SMALL)


def logits(model, tokenizer):
    with torch.no_grad():
        return model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits


def card(hub, repo=HEAD):
    return ModelCard(hub.files(repo)["README.md"].decode())


class TestWhatArrives:
    def test_files(self, model, hub_here):
        commit = model.push_to_hub(HEAD)
        files = hub_here.files(HEAD)
        code = {name for name in files if name.endswith(".py")}
        assert {"modeling_glot.py", "configuration_glot.py", "pipeline_glot.py"} <= code
        kept = {".gitattributes", "README.md", "config.json", "model.safetensors", *SENTENCE_FILES}
        assert set(files) - code == kept | {"tokenizer.json", "tokenizer_config.json"}
        assert not any("backbone" in name for name in load(files["model.safetensors"]))
        assert commit.oid == hub_here.commits(HEAD)[-1]

    def test_the_commit_of_the_backbone_is_pinned(self, model, hub_here, published_backbone, tokenizer):
        expected = logits(model, tokenizer)
        model.push_to_hub(HEAD)
        config = json.loads(hub_here.files(HEAD)["config.json"])
        assert (config["backbone_name_or_path"], config["backbone_revision"]) == (BACKBONE, published_backbone)
        with torch.no_grad():
            BertModel(BertConfig(**model.config.backbone_config.to_dict())).push_to_hub(BACKBONE)  # other weights
        assert hub_here.commits(BACKBONE)[-1] != published_backbone
        loaded = AutoModelForSequenceClassification.from_pretrained(HEAD)
        torch.testing.assert_close(logits(loaded, tokenizer), expected, rtol=1e-6, atol=1e-6)

    def test_another_commit_is_said(self, model, hub_here, published_backbone, caplog):
        model.push_to_hub(HEAD)
        BertModel(BertConfig(**model.config.backbone_config.to_dict())).push_to_hub(BACKBONE)
        other = hub_here.commits(BACKBONE)[-1]
        loaded = AutoModelForSequenceClassification.from_pretrained(HEAD, backbone_kwargs={"revision": "main"})
        assert f"trained on commit {published_backbone} of '{BACKBONE}', and runs on commit {other}" in caplog.text
        assert loaded.config.backbone_revision == other

    def test_a_second_push_replaces_the_first(self, model, hub_here):
        model.push_to_hub(HEAD)
        HfApi().upload_file(path_or_fileobj=b"old", path_in_repo="of_an_earlier_version_glot.py", repo_id=HEAD)
        HfApi().upload_file(path_or_fileobj=b"mine", path_in_repo="notes.txt", repo_id=HEAD)
        model.classifier.weight.data.zero_()
        model.push_to_hub(HEAD)
        files = hub_here.files(HEAD)
        assert "of_an_earlier_version_glot.py" not in files and files["notes.txt"] == b"mine"
        assert not load(files["model.safetensors"])["classifier.weight"].any()

    def test_saving_with_push_to_hub_is_the_same(self, model, local, hub_here, tmp_path):
        model.save_pretrained(tmp_path / "head", push_to_hub=True, repo_id=HEAD, commit_message="mine")
        assert {"README.md", "modeling_glot.py", "tokenizer.json"} < set(hub_here.files(HEAD))
        with pytest.raises(ValueError, match="private_folder.*backbone_id"):
            local.save_pretrained(tmp_path / "another", push_to_hub=True)
        assert not HfApi().repo_exists("tester/another")

    def test_a_branch_is_made(self, model, hub_here):
        model.push_to_hub(HEAD, revision="trial")
        assert "config.json" in hub_here.files(HEAD, "trial") and "config.json" not in hub_here.files(HEAD)

    def test_the_backbones_own_repository_is_refused(self, model, hub_here, published_backbone):
        with pytest.raises(ValueError, match="'tester/backbone' is the backbone's own repository"):
            model.push_to_hub("backbone")
        assert hub_here.commits(BACKBONE)[-1] == published_backbone

    def test_private(self, model, hub_here):
        model.push_to_hub(HEAD, private=True)
        assert HfApi().model_info(HEAD).private

    def test_a_process_without_glot_hf_loads_it(self, model, hub, tokenizer, tmp_path):
        model.push_to_hub(HEAD)
        expected = logits(model, tokenizer)
        code = f"""
            import json
            from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

            trust = {{"trust_remote_code": True}}
            model = AutoModelForSequenceClassification.from_pretrained({HEAD!r}, **trust)
            tokenizer = AutoTokenizer.from_pretrained({HEAD!r}, **trust)
            scores = model(**tokenizer({TEXTS!r}, padding=True, return_tensors="pt")).logits.tolist()
            print(json.dumps([scores, pipeline("text-classification", model={HEAD!r}, **trust)({TEXTS!r})]))
        """
        output = hub.run_python(code, without_glot_hf=True, HF_HOME=str(tmp_path / "another_machine"))
        scores, answers = json.loads(output.splitlines()[-1])
        torch.testing.assert_close(torch.tensor(scores), expected, rtol=1e-5, atol=1e-6)
        assert [answer["label"] for answer in answers] == [f"LABEL_{i}" for i in expected.argmax(-1).tolist()]


class TestCodeThatAHeadBrought:
    """It has no part in publishing, which is the package's."""

    def test_publishes_with_the_package(self, model, hub, hub_here, tmp_path):
        model.push_to_hub(HEAD)
        code = f"""
            from transformers import AutoModelForSequenceClassification

            model = AutoModelForSequenceClassification.from_pretrained({HEAD!r}, trust_remote_code=True)
            assert type(model).__module__.startswith("transformers_modules"), type(model)
            print(model.push_to_hub("tester/again").oid)
        """
        output = hub.run_python(code, HF_HOME=str(tmp_path / "another_machine"))
        assert output.split()[-1] == hub_here.commits("tester/again")[-1]
        first, again = hub_here.files(HEAD), hub_here.files("tester/again")
        assert set(first) == set(again) and {name for name in first if first[name] != again[name]} <= {"README.md"}

    def test_refuses_another_version_of_the_package(self, model, hub_here, monkeypatch):
        monkeypatch.setattr("glot_hf.__version__", "99.0")
        with pytest.raises(ImportError, match="push_to_hub needs glot_hf .*glot_hf 99.0 is installed.*without trust"):
            model.push_to_hub(HEAD)
        assert not HfApi().repo_exists(HEAD)


class TestCard:
    def test_written_without_typing(self, model, hub_here, published_backbone):
        model.push_to_hub(HEAD)
        data = card(hub_here).data
        assert (data.base_model, data.library_name) == (BACKBONE, "transformers")
        assert data.pipeline_tag == "text-classification" and "glot" in data.tags and data.license == "unknown"
        text = card(hub_here).text
        head_parameters = sum(p.numel() for n, p in model.named_parameters() if ".backbone." not in n)
        assert f"{head_parameters:,} parameters" in text and published_backbone in text
        assert f'pipeline("text-classification", model="{HEAD}", trust_remote_code=True)' in text
        assert "{" not in text.split("```bibtex")[0].replace('{"text', "")  # no field of the template is left

    def test_training_and_metrics(self, model, hub_here):
        training = Training(
            command=["glot-hf", "train", "--train_file", "my films.csv"],
            seed=7,
            dataset="my films.csv",
            hardware="an abacus",
            results={"eval_accuracy": 0.75, "eval_loss": 0.5},
        )
        model.push_to_hub(HEAD, training=training, license="mit")
        (result,) = card(hub_here).data.eval_results
        assert (result.metric_type, result.metric_value, result.dataset_split) == ("accuracy", 0.75, "validation")
        assert card(hub_here).data.license == "mit"
        text = card(hub_here).text
        assert "glot-hf train --train_file 'my films.csv'" in text and "seed 7" in text and "an abacus" in text

    def test_of_a_backbone_that_may_have_been_trained(self, model, hub_here):
        """It has its own weights now, and is still derived from the one it was."""
        model.config.backbone_in_checkpoint = True
        model.push_to_hub(HEAD)
        assert card(hub_here).data.base_model == BACKBONE and "frozen-backbone" not in card(hub_here).data.tags
        assert "frozen" not in card(hub_here).text
        assert model.config.backbone_name_or_path == BACKBONE

    def test_of_another_pooling(self, published_backbone, hub_here):
        model = GlotForSequenceClassification.from_backbone(BACKBONE, pooling="mean", input_norm="layer")
        model.push_to_hub(HEAD)
        assert "the pooling `mean`, in place of the graph" in card(hub_here).text
        assert "Head: pooling `mean`, input_norm `layer`;" in card(hub_here).text

    def test_licence_and_language_are_the_backbones(self, model, hub_here):
        HfApi().upload_file(
            path_or_fileobj=b"---\nlicense: apache-2.0\nlanguage: de\n---\n",
            path_in_repo="README.md",
            repo_id=BACKBONE,
        )
        model = GlotForSequenceClassification.from_backbone(BACKBONE, **SMALL)
        model.push_to_hub(HEAD)
        assert card(hub_here).data.license == "apache-2.0" and card(hub_here).data.language == "de"

    def test_its_code_runs(self, model, hub, tmp_path):
        """What the card says under "How to load", word for word but for a text that has to be cut."""
        pairs = GlotForSequenceClassification.from_backbone(BACKBONE, pair_mode="concat", **SMALL)
        codes = []
        for repo, published in ((HEAD, model), ("tester/pairs", pairs), ("tester/vectors", model.glot)):
            published.push_to_hub(repo)
            code = card(hub, repo).text.split("```python\n")[1].split("```")[0]
            codes.append(
                code.replace("a text", "a long text " * 300) + "\nassert vectors.shape == (2, 48)\ndel vectors\n"
            )
        codes[0] += "assert logits.shape == (1, 2)\n"
        line = next(line for line in card(hub).text.splitlines() if line.startswith("In sentence-transformers"))
        codes.append("from sentence_transformers import SentenceTransformer\n" + line.split("`")[1] + ".encode('a')\n")
        assert card(hub, "tester/vectors").data.pipeline_tag == "feature-extraction"
        hub.run_python("".join(codes), without_glot_hf=True, HF_HOME=str(tmp_path / "another_machine"))

    def test_trust_is_said_wherever_it_is_asked_for(self, model, hub_here):
        model.push_to_hub(HEAD)
        model.glot.push_to_hub("tester/vectors")
        for repo in (HEAD, "tester/vectors"):
            code = card(hub_here, repo).text.split("```python\n")[1].split("```")[0]
            assert code.count(repo) == code.count(f'"{repo}", trust_remote_code=True)') > 1

    def test_what_takes_the_place_of_trust(self, model, hub_here):
        """Where glot_hf is imported; of a head that brings its pipeline, the pipeline has to be named."""
        pairs = GlotForSequenceClassification.from_backbone(BACKBONE, pair_mode="concat", **SMALL)
        model.push_to_hub(HEAD)
        pairs.push_to_hub("tester/pairs")
        assert "`trust_remote_code=True` is not needed" in card(hub_here).text
        assert "`pipeline_class=glot_hf.GlotTextClassificationPipeline`" in card(hub_here, "tester/pairs").text
        assert pipeline("text-classification", model=HEAD)("a text", truncation=True)
        with pytest.raises(ValueError, match="trust_remote_code=True"):
            pipeline("text-classification", model="tester/pairs")
        options = {"model": "tester/pairs", "pipeline_class": GlotTextClassificationPipeline}
        assert pipeline("text-classification", **options)(("a text", "another"))


class TestLocalBackbone:
    def test_is_refused(self, local, hub_here, tmp_path):
        with pytest.raises(ValueError, match="private_folder.*backbone_id"):
            local.push_to_hub(HEAD)
        with pytest.raises(ValueError, match="is a folder of this machine: name where others find it"):
            local.push_to_hub(HEAD, backbone_id=str(tmp_path))
        assert not HfApi().repo_exists(HEAD)

    def test_is_published_under_its_name(self, local, hub_here, published_backbone, tokenizer, tmp_path):
        expected = logits(local, tokenizer)
        local.push_to_hub(HEAD, backbone_id=BACKBONE)
        for name, content in hub_here.files(HEAD).items():
            assert str(tmp_path).encode() not in content and b"private_folder" not in content, name
        config = json.loads(hub_here.files(HEAD)["config.json"])
        assert (config["backbone_name_or_path"], config["backbone_revision"]) == (BACKBONE, published_backbone)
        assert local.config.backbone_name_or_path.endswith("private_folder")  # the model itself is as it was
        torch.testing.assert_close(logits(GlotForSequenceClassification.from_pretrained(HEAD), tokenizer), expected)

    def test_of_another_kind(self, local, hub_here, tiny_llama):
        tiny_llama.push_to_hub("tester/llama")
        with pytest.raises(ValueError, match="type 'bert', not 'llama': backbone_id='tester/llama' is another"):
            local.push_to_hub(HEAD, backbone_id="tester/llama")
        wider = BertConfig(hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
        BertModel(wider).push_to_hub("tester/wider")
        with pytest.raises(ValueError, match="size 32, but the backbone's are of size 64: backbone_id='tester/wider'"):
            local.push_to_hub(HEAD, backbone_id="tester/wider")
        with pytest.raises(OSError, match="tester/nothing"):
            local.push_to_hub(HEAD, backbone_id="tester/nothing")
        assert not HfApi().repo_exists(HEAD)

    def test_an_adapter(self, published_backbone, hub_here, tokenizer, tmp_path):
        """Its configuration is that of its base, and its commit is pinned."""
        tuned = get_peft_model(AutoModel.from_pretrained(BACKBONE), LoraConfig(r=2, target_modules=["query"]))
        torch.nn.init.normal_(tuned.base_model.model.encoder.layer[0].attention.self.query.lora_B["default"].weight)
        tuned.save_pretrained(tmp_path / "adapter")
        tuned.push_to_hub("tester/adapter")
        first = hub_here.commits("tester/adapter")[-1]
        model = GlotForSequenceClassification.from_backbone(tmp_path / "adapter", **SMALL)
        with pytest.raises(ValueError, match="'tester/adapter' has no tokenizer that can be loaded"):
            model.push_to_hub(HEAD, backbone_id="tester/adapter")
        model.push_to_hub(HEAD, backbone_id="tester/adapter", tokenizer=tokenizer)
        torch.nn.init.normal_(tuned.base_model.model.encoder.layer[0].attention.self.query.lora_B["default"].weight)
        tuned.push_to_hub("tester/adapter")
        loaded = GlotForSequenceClassification.from_pretrained(HEAD)
        assert loaded.config.backbone_revision == first
        torch.testing.assert_close(logits(loaded, tokenizer), logits(model, tokenizer))

    def test_with_code_of_its_own(self, backbone, hub_here, tokenizer, tmp_path, monkeypatch):
        """It is neither run for the comparison nor for its tokenizer, and nobody is asked whether it may be."""
        monkeypatch.setattr("builtins.input", lambda *_: "y")
        backbone.save_pretrained(tmp_path / "own")
        tokenizer.save_pretrained(tmp_path / "own")
        ran = tmp_path / "ran"
        (tmp_path / "own" / "own.py").write_text(
            f"from transformers import BertConfig, BertModel\nopen({str(ran)!r}, 'w')\n"
            "class OwnConfig(BertConfig):\n    model_type = 'own'\n"
            "class OwnModel(BertModel):\n    config_class = OwnConfig\n"
        )
        config = json.loads((tmp_path / "own" / "config.json").read_text())
        config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}}
        (tmp_path / "own" / "config.json").write_text(json.dumps(config))
        trust = {"trust_remote_code": True}
        model = GlotForSequenceClassification.from_backbone(tmp_path / "own", backbone_kwargs=trust, **SMALL)
        HfApi().create_repo("tester/own")
        HfApi().upload_folder(repo_id="tester/own", folder_path=tmp_path / "own")
        ran.unlink()
        model.push_to_hub(HEAD, backbone_id="tester/own")
        with pytest.raises(OSError, match="backbone_kwargs={'trust_remote_code': True}"):
            GlotForSequenceClassification.from_pretrained(HEAD, trust_remote_code=True)
        assert not ran.exists() and "tokenizer.json" in hub_here.files(HEAD)
        loaded = GlotForSequenceClassification.from_pretrained(HEAD, backbone_kwargs=trust)
        torch.testing.assert_close(logits(loaded, tokenizer), logits(model, tokenizer))

    def test_in_the_checkpoint(self, local, hub_here, backbone, tokenizer):
        local.config.backbone_in_checkpoint = True
        local.push_to_hub(HEAD, tokenizer=tokenizer)
        loaded = GlotForSequenceClassification.from_pretrained(HEAD)
        torch.testing.assert_close(logits(loaded, tokenizer), logits(local, tokenizer))


class TestFailures:
    def test_a_wrong_token(self, model, hub_here):
        with pytest.raises((HfHubHTTPError, OSError), match="401"):
            model.push_to_hub(HEAD, token="hf_wrong")

    @pytest.mark.parametrize("part", ["/commit/", "/preupload/"])
    def test_a_hub_that_fails_midway(self, model, hub_here, part):
        model.push_to_hub(HEAD)
        before, commits = hub_here.files(HEAD), hub_here.commits(HEAD)
        model.classifier.weight.data.zero_()
        hub_here.fail_next("POST", part, status=403)
        with pytest.raises(HfHubHTTPError):
            model.push_to_hub(HEAD)
        assert (hub_here.files(HEAD), hub_here.commits(HEAD)) == (before, commits)

    @pytest.mark.parametrize(("method", "part"), [("PUT", HEAD), ("POST", f"{HEAD}/commit")])
    def test_a_push_that_is_cut_off(self, model, hub_here, method, part, monkeypatch):
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        hub_here.cut_next(method, part, after=100, times=6)
        with pytest.raises(ConnectionError, match=f"the Hub at {hub_here.url} cannot be reached, or broke off"):
            model.push_to_hub(HEAD)
        assert set(hub_here.files(HEAD)) == {".gitattributes"}
        hub_here._faults.clear()
        model.push_to_hub(HEAD)
        assert "model.safetensors" in hub_here.files(HEAD)

    def test_a_truncated_download(self, model, hub_here, tokenizer, tmp_path, monkeypatch):
        """An error, nothing half-written that a later load would take for whole, and the next attempt works."""
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        model.push_to_hub(HEAD)
        hub_here.cut_next("GET", "filename=model.safetensors", after=100, times=20)
        with pytest.raises(OSError, match=f"Can't load the model for '{HEAD}'"):
            GlotForSequenceClassification.from_pretrained(HEAD)
        assert not list((tmp_path / "hf_cache" / "models--tester--head").rglob("snapshots/*/model.safetensors"))
        hub_here._faults.clear()
        loaded = GlotForSequenceClassification.from_pretrained(HEAD)
        torch.testing.assert_close(logits(loaded, tokenizer), logits(model, tokenizer))

    def test_a_hub_that_is_down(self, model, hub_here, monkeypatch):
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        hub_here.stop()
        with pytest.raises(ConnectionError, match=f"the Hub at {hub_here.url} cannot be reached"):
            model.push_to_hub(HEAD)


class TestGlotModel:
    def test_without_a_backbone(self, hub_here):
        """A head made for hidden states alone."""
        from glot_hf import GlotConfig

        model = GlotModel(GlotConfig(input_size=6, gnn_hidden_size=4)).eval()
        model.push_to_hub(HEAD)
        states = torch.randn(2, 3, 6)
        loaded = GlotModel.from_pretrained(HEAD)
        torch.testing.assert_close(loaded(hidden_states=states), model(hidden_states=states))
        assert "hidden_states=states" in card(hub_here).text

    def test_a_classifier_without_a_backbone(self, hub_here):
        """Its card does not offer a pipeline, which has text alone to give."""
        from glot_hf import GlotConfig

        GlotForSequenceClassification(GlotConfig(input_size=6, gnn_hidden_size=4)).push_to_hub(HEAD)
        text = card(hub_here).text
        assert "logits = model(hidden_states=states" in text and "pipeline(" not in text


def test_a_stock_trainer_pushes_too(model, hub_here, tokenizer, tmp_path):
    """Its own way: the whole output_dir but checkpoints."""
    from datasets import Dataset

    data = Dataset.from_dict({"text": TEXTS * 4, "labels": [1, 0] * 4})
    data = data.map(lambda row: tokenizer(row["text"]), remove_columns="text")
    arguments = StockArguments(
        str(tmp_path / "out"), max_steps=2, push_to_hub=True, hub_model_id=HEAD, report_to="none", use_cpu=True
    )
    trainer = Trainer(model, arguments, train_dataset=data, processing_class=tokenizer)
    trainer.train()
    trainer.push_to_hub()
    loaded = AutoModelForSequenceClassification.from_pretrained(HEAD)
    torch.testing.assert_close(logits(loaded, tokenizer), logits(model, tokenizer))
