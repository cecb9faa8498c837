"""A backbone with code of its own: its head loads with the trust of the caller, and never without."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModel, BertConfig, BertModel

from glot_hf import GlotForSequenceClassification
from glot_hf.commands.main import main


CODE = """
from transformers import BertConfig, BertModel

class OwnConfig(BertConfig):
    model_type = "bert_of_our_own"

class OwnModel(BertModel):
    config_class = OwnConfig
"""


@pytest.fixture
def backbone_path(tmp_path, minilm_tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = BertConfig(vocab_size=len(minilm_tokenizer), **sizes)
    path = tmp_path / "backbone"
    minilm_tokenizer.save_pretrained(path)
    BertModel(config).save_pretrained(path)
    (path / "own.py").write_text(CODE)
    stored = json.loads((path / "config.json").read_text())
    stored |= {
        "model_type": "bert_of_our_own",
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"},
    }
    (path / "config.json").write_text(json.dumps(stored))
    return path


def test_trust_is_asked_for_each_time(backbone_path, tmp_path):
    with pytest.raises(OSError, match="trust_remote_code"):
        GlotForSequenceClassification.from_backbone(backbone_path)
    trust = {"trust_remote_code": True}
    model = GlotForSequenceClassification.from_backbone(backbone_path, backbone_kwargs=trust, gnn_hidden_size=8)
    model.save_pretrained(tmp_path / "head")
    with pytest.raises(OSError, match="trust_remote_code"):
        GlotForSequenceClassification.from_pretrained(tmp_path / "head", trust_remote_code=True)
    reloaded = GlotForSequenceClassification.from_pretrained(tmp_path / "head", backbone_kwargs=trust)
    batch = {"input_ids": torch.tensor([[3, 4, 5]])}
    with torch.no_grad():
        torch.testing.assert_close(model(**batch).logits, reloaded(**batch).logits)
    reloaded.save_pretrained(tmp_path / "again")
    assert AutoConfig.from_pretrained(tmp_path / "again").backbone_config.model_type == "bert_of_our_own"
    assert AutoModel.from_pretrained(tmp_path / "again", load_backbone=False).backbone is None


@pytest.mark.parametrize("options", [("--cache_dir", "states"), ("--lora_r", "2")], ids=["head", "adapter"])
def test_on_the_command_line(backbone_path, tmp_path, monkeypatch, capsys, options):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films.csv").write_text("text,label\n" + "a lovely film,good\nan awful film,bad\n" * 9)
    train = ["train", "--backbone", str(backbone_path), "--train_file", "films.csv", "--output_dir", "head", *options]
    trust = "--trust_remote_code"
    for command in (train, ["predict", "head", "--text", "a"], ["evaluate", "head", "--validation_file", "films.csv"]):
        assert main(command) == 2 and f"line {trust})" in capsys.readouterr().err
        assert main([*command, trust]) == 0
    assert not any(trust[2:] in path.read_text() for path in (tmp_path / "head").rglob("*config.json"))


def test_a_record_of_vectors_gives_no_trust(backbone_path, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("one\ntwo\n")
    index = str(tmp_path / "vectors.npy")
    embed = ["embed", "--backbone", str(backbone_path), "--input", str(tmp_path / "texts.txt"), "--output", index]
    search, trust = ["search", "one", "--index", index], "--trust_remote_code"
    assert main(embed) == 2 and trust in capsys.readouterr().err
    assert main([*embed, trust]) == 0
    record = tmp_path / "vectors.npy.json"
    stored = json.loads(record.read_text())
    assert trust not in record.read_text() and "trust_remote_code" not in stored["encoder"]
    assert main(search) == 2
    assert main([*search, trust]) == 0
