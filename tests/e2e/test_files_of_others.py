"""What is downloaded can name files, options and code: nothing of it is run, whatever is typed at a prompt."""

import json

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from peft import get_peft_model
from transformers import BertConfig, BertModel

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel
from glot_hf.commands.main import main
from glot_hf.loading.adapter import base_of_adapter, load_adapter
from glot_hf.sentence_transformer import to_sentence_transformer
from glot_hf.system.errors import InputError
from glot_hf.training.finetuning import lora_config
from glot_hf.training.record import TrainingRecord


TRUST = "--trust_remote_code"
TOKENIZER = """
from transformers import BertTokenizer

open({ran!r}, "w").close()

class OwnTokenizer(BertTokenizer):
    pass
"""


class Payload:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt").write_text("one\ntwo\n")
    (tmp_path / "films.csv").write_text("text,label\na fine film,good\na poor film,bad\n")
    return tmp_path


@pytest.fixture
def backbone_path(folder, minilm_tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=len(minilm_tokenizer), **sizes)).save_pretrained(folder / "backbone")
    minilm_tokenizer.save_pretrained(folder / "backbone")
    return str(folder / "backbone")


@pytest.fixture
def head_path(folder, backbone_path, minilm_tokenizer):
    """Of `glot-hf train`, with a tokenizer that brings code, which leaves a file where it runs."""
    options = {"problem_type": "single_label_classification", "id2label": {0: "bad", 1: "good"}}
    model = GlotForSequenceClassification.from_backbone(backbone_path, gnn_hidden_size=8, **options)
    model.save_pretrained(folder / "head")
    minilm_tokenizer.save_pretrained(folder / "head")
    TrainingRecord(["glot-hf", "train"], seed=0, max_length=8, text_column="text", label_column="label").save("head")
    (folder / "head/own.py").write_text(TOKENIZER.format(ran=str(folder / "ran")))
    change(
        folder / "head/tokenizer_config.json",
        tokenizer_class="OwnTokenizer",
        auto_map={"AutoTokenizer": ["own.OwnTokenizer", None]},
    )
    return "head"


@pytest.fixture
def asked(monkeypatch):
    """What somebody is asked at a prompt, who always says yes."""
    questions = []
    monkeypatch.setattr("builtins.input", lambda question="": questions.append(question) or "y")
    return questions


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_record_beside_vectors(folder, backbone_path, capsys):
    """A pickle in the place of the backbone's weights, and a record that asks for it to be read as one."""
    search = ["search", "one", "--index", "vectors.npy"]
    options = {"dtype": "float32", "attn_implementation": "eager"}
    embed = ["embed", "--backbone", backbone_path, "--input", "texts.txt", "--output", "vectors.npy"]
    assert main([*embed, "--backbone_load_kwargs", json.dumps(options)]) == 0 and main(search) == 0
    record = folder / "vectors.npy.json"
    stored = json.loads(record.read_text())
    assert json.loads(stored["encoder"]["backbone_load_kwargs"]) == {"dtype": "float32"}

    torch.save({"evil": Payload(folder / "ran")}, folder / "backbone/pytorch_model.bin")
    (folder / "backbone/model.safetensors").unlink()
    change(folder / "backbone/config.json", dtype=None)  # transformers then reads the weights to learn it
    for forged, named in (
        ({"backbone_load_kwargs": '{"weights_only": false}'}, "weights_only"),
        ({"backbone_load_kwargs": '{"attn_implementation": "owner/kernel"}'}, "attn_implementation"),
        ({"backbone_load_kwargs": '{"subfolder": "../elsewhere"}'}, "subfolder '../elsewhere' leaves"),
        ({"backbone_load_kwargs": '{"gguf_file": "/elsewhere/model.gguf"}'}, "gguf_file '/elsewhere/model.gguf'"),
        ({"backbone_load_kwargs": '{"trust_remote_code": true}'}, "trust_remote_code"),
        ({"trust_remote_code": True}, "trust_remote_code"),
        ({"code_revision": "main"}, "code_revision"),
    ):
        record.write_text(json.dumps(stored | {"encoder": stored["encoder"] | forged}))
        capsys.readouterr()
        assert main(search) == 2
        error = capsys.readouterr().err
        assert "vectors.npy.json" in error and named in error
    record.write_text(json.dumps(stored | {"files": stored["files"] | {"reader": "pickle"}}))
    assert main(search) == 2 and "['reader']" in capsys.readouterr().err
    record.write_text(json.dumps(stored))
    assert main(search) == 2  # a pickle is never read as more than tensors
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights_only", False),
        ("trust_remote_code", True),
        ("attn_implementation", "owner/kernel"),
        ("subfolder", "../elsewhere"),
        ("gguf_file", "C:\\elsewhere\\model.gguf"),
        ("variant", "/../../elsewhere"),
    ],
)
def test_the_configuration_of_a_head(folder, backbone_path, name, value):
    """Of a model, and of a module of sentence-transformers, which is read by the same function."""
    GlotModel.from_backbone(backbone_path, gnn_hidden_size=8).save_pretrained("head")
    change(folder / "head/config.json", backbone_load_kwargs={name: value})
    with pytest.raises(StrictDataclassError, match=name):
        GlotModel.from_pretrained("head")


def test_kernels_are_named_by_no_file():
    names = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")
    kernels = dict.fromkeys(names, "owner/kernel")
    text_config = {"model_type": "gemma3_text", **kernels}
    config = GlotConfig.from_dict(
        {"backbone_config": {"model_type": "gemma3", "text_config": text_config, **kernels}, **kernels}
    )
    for part in (config, config.backbone_config, config.get_text_config()):
        assert "owner/kernel" not in (part._attn_implementation, part._experts_implementation)


@pytest.mark.parametrize("key", ["peft_type", "megatron_config"])
def test_the_configuration_of_adapters(folder, key):
    """One kind of them loads another model, whose code peft asks for."""
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", key: "SHADOW"}))
    with pytest.raises(InputError, match=f"adapter_config.json' names {key} 'SHADOW'"):
        base_of_adapter(str(folder))


@pytest.mark.parametrize("change", [{"r": "8"}, {"target_modules": 3}, {"lora_alpha": {}}])
def test_a_configuration_of_adapters_that_peft_cannot_read(folder, backbone_path, change):
    model = GlotForSequenceClassification.from_backbone(backbone_path, gnn_hidden_size=8)
    get_peft_model(model, lora_config(2)).save_pretrained("adapters")
    values = json.loads((folder / "adapters/adapter_config.json").read_text()) | change
    (folder / "adapters/adapter_config.json").write_text(json.dumps(values))
    fresh = GlotForSequenceClassification.from_backbone(backbone_path, gnn_hidden_size=8)
    with pytest.raises(InputError, match="adapter_config.json of 'adapters' holds what peft cannot read"):
        load_adapter(fresh, "adapters")


def test_the_code_of_a_tokenizer_is_run_for_nobody_who_does_not_ask_for_it(head_path, folder, asked, capsys):
    predict = ["predict", head_path, "--text", "one"]
    for command in (
        predict,
        ["evaluate", head_path, "--validation_file", "films.csv"],
        ["embed", "--model", head_path, "--input", "texts.txt", "--output", "vectors.npy"],
        ["export", head_path, "--to", "torch"],
        ["publish", head_path, "tester/head"],
    ):
        assert main(command) == 2, command
        assert "trust_remote_code" in capsys.readouterr().err, command
    with pytest.raises(ValueError, match="trust_remote_code"):
        to_sentence_transformer(head_path)
    assert not asked and not (folder / "ran").exists()
    assert main([*predict, TRUST]) == 0
    assert not asked and (folder / "ran").exists()


def test_nor_that_of_a_backbone(folder, backbone_path, asked, capsys):
    GlotModel.from_backbone(backbone_path, gnn_hidden_size=8).save_pretrained("head")
    (folder / "backbone/own.py").write_text(TOKENIZER.format(ran=str(folder / "ran")))
    code = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    change(folder / "backbone/config.json", model_type="own", auto_map=code)
    for trust in ({}, {"trust_remote_code": None}):
        with pytest.raises(OSError, match="trust_remote_code"):
            GlotModel.from_pretrained("head", backbone_kwargs=trust, trust_remote_code=True)
    for command in (
        ["embed", "--model", "head", "--input", "texts.txt", "--output", "vectors.npy"],
        ["export", "head", "--to", "torch"],
        ["benchmark", "finetune", "--backbone", backbone_path],
    ):
        assert main(command) == 2, command
        assert "trust_remote_code" in capsys.readouterr().err, command
    assert not asked and not (folder / "ran").exists()
