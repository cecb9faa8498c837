"""`glot-hf convert`: from a file of the released code to a head that loads and computes the same."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, safe_open
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
)

from glot_hf import GlotModel
from glot_hf.commands.main import main


GOLDEN = sorted((Path(__file__).parent.parent / "parity" / "golden").glob("*.safetensors"))
SIZES = {"vocab_size": 9, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}


@pytest.fixture
def save_backbone(tmp_path, monkeypatch):
    """Saves a random backbone with a tokenizer."""
    monkeypatch.chdir(tmp_path)

    def save(kind="bert", hidden_size=24):
        torch.manual_seed(0)
        if kind == "bert":
            backbone = BertModel(BertConfig(hidden_size=hidden_size, **SIZES))
        else:
            backbone = LlamaModel(LlamaConfig(hidden_size=hidden_size, **SIZES))
        backbone.save_pretrained(tmp_path / "backbone")
        vocabulary = {word: index for index, word in enumerate("[UNK] <eos> a b c d e f g".split())}
        backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        backend.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", eos_token="<eos>")
        tokenizer.save_pretrained(tmp_path / "backbone")

    return save


def golden(name):
    path = next(path for path in GOLDEN if path.stem == f"official_{name}")
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    return load_file(path), metadata


def write_checkpoint(name, path="pooler.pth"):
    """As the released code does: torch.save of the pooler's state dict."""
    tensors, metadata = golden(name)
    weights = {key.removeprefix("weight."): value for key, value in tensors.items() if key.startswith("weight.")}
    torch.save(weights, path)
    return weights, metadata


def convert(*options, checkpoint="pooler.pth"):
    return main(["convert", "--checkpoint", checkpoint, "--backbone", "backbone", "--output_dir", "head", *options])


@pytest.mark.parametrize("kind", ["bert", "llama"])
@pytest.mark.parametrize("name", [path.stem.removeprefix("official_") for path in GOLDEN])
def test_computes_what_the_released_code_computes(save_backbone, name, kind):
    save_backbone(kind)
    weights, metadata = write_checkpoint(name)
    options = ["--tau", metadata["tau"]] if "tau" in metadata else []
    if metadata.get("jk") in ("max", "mean"):
        options += ["--jumping_knowledge", metadata["jk"]]
    assert convert(*options) == 0

    model, tokenizer = AutoModel.from_pretrained("head"), AutoTokenizer.from_pretrained("head")
    assert type(model) is GlotModel and model.backbone.config.model_type == kind
    tensors, _ = golden(name)
    output = model.head(tensors["input.hidden_states"], tensors["input.attention_mask"])
    assert ((output - tensors["output.eval"]).norm() / tensors["output.eval"].norm()).item() < 1e-5
    assert model.encode(["a b c", "d"], tokenizer).shape == (2, tensors["output.eval"].shape[-1])
    if "gin" in name:
        norm = model.head.pooling.layers[1].norm
        assert torch.equal(norm.running_mean, weights["convs.1.nn.norms.0.module.running_mean"])
        assert torch.equal(norm.running_var, weights["convs.1.nn.norms.0.module.running_var"])


def test_says_what_it_found_and_records_how_to_load(save_backbone, capsys):
    save_backbone()
    write_checkpoint("gcn_cat")
    assert convert("--similarity_threshold", "0.8", "--backbone_load_kwargs", '{"dtype": "bfloat16"}') == 0
    output = capsys.readouterr().out
    assert "gnn_type: gcn\nnum_gnn_layers: 2\ngnn_hidden_size: 16\n" in output
    assert (
        "jumping_knowledge: cat\nsimilarity_threshold: 0.8" in output and "AutoModel.from_pretrained('head')" in output
    )
    config = json.loads(Path("head/config.json").read_text())
    assert config["similarity_threshold"] == 0.8 and config["backbone_load_kwargs"] == {"dtype": "bfloat16"}
    assert AutoModel.from_pretrained("head").backbone.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gat_cat", (), "--tau is missing: the checkpoint does not record its cosine threshold; the released README"),
        ("gat_cat", ("--tau", "0.3", "--jumping_knowledge", "max"), "the checkpoint joins its layers by cat"),
        ("gat_max", ("--tau", "0.3"), "--jumping_knowledge is missing: by its tensors"),
        ("gat_max", ("--tau", "0.3", "--jumping_knowledge", "cat"), "(choose from 'max', 'mean')"),
        ("gat_cat", ("--tau", "1.5"), "tau is a cosine threshold in [-1, 1), got 1.5"),
        ("adapool", ("--tau", "0.3"), "the checkpoint is an AdaPool"),
        ("gat_cat", ("--tau", "0.3", "--backbone_load_kwargs", "{'dtype'}"), "is not JSON"),
        ("gat_cat", ("--tau", "0.3", "--backbone", "nowhere/to-be-found"), "cannot be loaded"),
        ("gat_cat", ("--tau", "0.3", "--output_dir", "backbone"), "'backbone' already holds a model"),
        ("gat_cat", ("--tau", "0.3", "--output_dir", "pooler.pth"), "pooler.pth"),
    ],
)
def test_mistakes(save_backbone, error_line, name, options, message):
    save_backbone()
    write_checkpoint(name)
    assert message in error_line(convert(*options))
    assert not Path("head").exists()


def test_a_backbone_of_another_size(save_backbone, error_line):
    save_backbone(hidden_size=32)
    write_checkpoint("gat_cat")
    line = error_line(convert("--tau", "0.3"))
    assert "input_size (24) does not fit the backbone, whose hidden size is 32" in line
    assert "choose the backbone that the head was made for" in line


def test_what_is_missing_on_the_command_line(error_line):
    assert "--checkpoint, --output_dir" in error_line(main(["convert"]))
    line = error_line(main(["convert", "--checkpoint", "x", "--output_dir", "y"]))
    assert "--backbone is missing" in line


class Surprise:
    def __reduce__(self):
        return Path.write_text, (Path("ran"), "code of the checkpoint")


def write_bytes(content):
    Path("pooler.pth").write_bytes(content)


def write_truncated(length):
    write_checkpoint("gat_cat")
    write_bytes(Path("pooler.pth").read_bytes()[:length])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: None, "there is no file 'pooler.pth'"),
        (lambda: Path("pooler.pth").mkdir(), "there is no file 'pooler.pth'"),
        (lambda: write_bytes(b""), "cannot be read (EOFError)"),
        (lambda: write_truncated(-1), "cannot be read"),
        (lambda: write_truncated(1000), "cannot be read"),
        (lambda: write_truncated(3), "cannot be read"),
        (lambda: write_bytes(b"not a pickle at all\n" * 9), "cannot be read"),
        (lambda: write_bytes(bytes(range(256)) * 4), "cannot be read"),
        (lambda: write_bytes(pickle.dumps(Surprise())), "cannot be read"),
        (lambda: torch.save({"weights": Surprise()}, "pooler.pth"), "could run code"),
        (lambda: torch.save(torch.nn.Linear(2, 2), "pooler.pth"), "cannot be read"),
        (
            lambda: torch.save(torch.zeros(3), "pooler.pth"),
            "does not hold a state dict (tensors by name) but Tensor",
        ),
        (lambda: torch.save({"epoch": 3, "model": {}}, "pooler.pth"), "does not hold a state dict"),
        (lambda: torch.save({}, "pooler.pth"), "these are not the tensors of a released glot or adapool pooler"),
        (lambda: torch.save({0: torch.zeros(3)}, "pooler.pth"), "does not hold a state dict"),
        (lambda: torch.save(BertModel(BertConfig(**SIZES)).state_dict(), "pooler.pth"), "these are not the tensors"),
    ],
)
def test_files_of_another_kind(save_backbone, error_line, write, message):
    save_backbone()
    write()
    assert message in error_line(convert("--tau", "0.3"))
    assert not Path("ran").exists() and not Path("head").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("convs.1.bias"), "pooling.layers.1.bias"),
        (lambda weights: weights.update({"convs.0.extra": torch.zeros(1)}), "`convs.0.extra` is not a parameter"),
        (lambda weights: weights.update({"convs.1.bias": torch.zeros(3)}), "size mismatch"),
    ],
)
def test_tensors_that_do_not_fit(save_backbone, error_line, change, message):
    save_backbone()
    weights, _ = write_checkpoint("gat_cat")
    change(weights)
    torch.save(weights, "pooler.pth")
    assert message in error_line(convert("--tau", "0.3"))
    assert not Path("head").exists()
