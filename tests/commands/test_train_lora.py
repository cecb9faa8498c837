"""`glot-hf train` with --lora_r or --full_finetuning: what it trains and writes, and that it comes back."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification, PeftModel
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertModel

from glot_hf.commands.main import main


FILMS = ("--train_file", "films.csv", "--validation_file", "films.csv", "--label_column", "mood")


@pytest.fixture
def tune(files, train, minilm_tokenizer):
    """`glot-hf train` on a tiny random encoder in the folder "tiny"."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(minilm_tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=37,
    )
    BertModel(config).save_pretrained("tiny")
    minilm_tokenizer.save_pretrained("tiny")

    def run(*options):
        return train("--backbone", "tiny", *FILMS, "--max_steps", "4", "--learning_rate", "1e-2", *options)

    return run


def logits(model):
    batch = AutoTokenizer.from_pretrained("tiny")(["a fine film", "an awful one"], padding=True, return_tensors="pt")
    with torch.no_grad():
        return model.eval()(**batch).logits


def read(file):
    return json.loads(Path(file).read_text(encoding="utf-8"))


def load(folder):
    return AutoModelForSequenceClassification.from_pretrained(folder)


def test_an_adapters_folder_comes_back_by_every_way(tune, capsys):
    assert tune("--lora_r", "4") == 0
    output = capsys.readouterr().out
    results = read("head/all_results.json")
    head, trained, all_ = (results[f"{name}_parameters"] for name in ("head", "backbone_trained", "backbone"))
    frozen = all_ - trained
    assert f"trains {head:,} head and {trained:,} LoRA parameters on {frozen:,} frozen ones" in output
    assert "no cache, as hidden states change in every step" in output
    assert frozen == sum(parameter.numel() for parameter in BertModel.from_pretrained("tiny").parameters()) - 1056
    assert trained == 2 * 4 * (4 * (32 + 32) + 2 * (32 + 37))  # 2 layers, r, attention and MLP: no pooler, no head
    stored = load_file("head/adapter_model.safetensors")
    assert sum(tensor.numel() for tensor in stored.values()) == head + trained
    assert os.path.getsize("head/adapter_model.safetensors") <= 4 * (head + trained) + 2**15
    config = read("head/adapter_config.json")
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (4, 8, 0.0)
    names = set(os.listdir("head"))
    assert {"base", "tokenizer.json", "training_record.json"} <= names
    assert not {"config.json", "model.safetensors", "training_args.bin"} & names

    expected = logits(AutoPeftModelForSequenceClassification.from_pretrained("head"))
    torch.testing.assert_close(logits(load("head")), expected)
    torch.testing.assert_close(logits(PeftModel.from_pretrained(load("head/base"), "head")), expected)
    assert not torch.allclose(logits(load("head/base")), expected, atol=1e-3)
    assert main(["evaluate", "head", "--validation_file", "films.csv", "--output_file", "scores.json"]) == 0
    results, scores = (read(name) for name in ("head/all_results.json", "scores.json"))
    assert scores["eval_loss"] == pytest.approx(results["eval_loss"], abs=1e-6)
    shutil.move("head", "moved")
    capsys.readouterr()
    assert main(["predict", "moved", "--text", "a fine film", "an awful one"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    scores = expected.softmax(dim=-1).max(dim=-1).values
    assert [line["score"] for line in lines] == pytest.approx(scores.tolist(), abs=1e-5)


def test_merged(tune):
    assert tune("--lora_r", "4") == 0
    expected = logits(load("head"))
    assert tune("--lora_r", "4", "--lora_merge", "--overwrite_output_dir") == 0
    shutil.rmtree("head/checkpoint-4")
    assert not {"base", "adapter_config.json", "adapter_model.safetensors"} & set(os.listdir("head"))
    os.rename("tiny", "elsewhere")
    merged = load("head")
    os.rename("elsewhere", "tiny")
    torch.testing.assert_close(logits(merged), expected, atol=1e-5, rtol=1e-5)
    assert main(["evaluate", "head", "--validation_file", "films.csv"]) == 0


def test_full_finetuning(tune, capsys):
    assert tune("--full_finetuning", "--activation_checkpointing") == 0
    assert "trains " in (output := capsys.readouterr().out) and " backbone parameters; no cache" in output
    before, after = AutoModel.from_pretrained("tiny"), load("head").glot.backbone
    weight = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(before.state_dict()[weight], after.state_dict()[weight])
    assert main(["evaluate", "head", "--validation_file", "films.csv", "--output_file", "scores.json"]) == 0
    results, scores = (read(name) for name in ("head/all_results.json", "scores.json"))
    assert scores["eval_loss"] == pytest.approx(results["eval_loss"], abs=1e-6)
    assert results["backbone_parameters"] == results["backbone_trained_parameters"] > 0


def test_resuming_gives_the_same_adapter(tune):
    """Dropout too is where it was."""
    steps = ("--lora_r", "4", "--lora_dropout", "0.1", "--save_strategy", "steps", "--save_steps", "2")
    assert tune(*steps) == 0
    checkpoint = set(os.listdir("head/checkpoint-2"))
    assert {"adapter_config.json", "adapter_model.safetensors"} <= checkpoint and "model.safetensors" not in checkpoint
    resume = ("--output_dir", "resumed", "--resume_from_checkpoint", "head/checkpoint-2")
    assert tune(*steps, *resume) == 0
    whole, resumed = (load_file(f"{folder}/adapter_model.safetensors") for folder in ("head", "resumed"))
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_resuming_with_other_adapters(tune, error_line):
    assert tune("--lora_r", "4") == 0
    resume = ("--output_dir", "other", "--resume_from_checkpoint", "head/checkpoint-4")
    assert "is of adapters with another r (4, not 8)" in error_line(tune("--lora_r", "8", *resume))
    assert "is of a run with LoRA" in error_line(tune(*resume))
    assert "another gnn_hidden_size" in error_line(tune("--lora_r", "4", "--gnn_hidden_size", "16", *resume))
    assert tune("--overwrite_output_dir") == 0
    assert "is of a run without LoRA" in error_line(tune("--lora_r", "4", *resume))


def test_one_kind_leaves_nothing_of_another(tune):
    assert tune("--lora_r", "4") == 0
    assert tune("--overwrite_output_dir") == 0
    assert not {"base", "adapter_config.json", "adapter_model.safetensors"} & set(os.listdir("head"))
    assert not any("lora" in name for name in load("head").state_dict())
    assert tune("--lora_r", "4", "--overwrite_output_dir") == 0
    assert not {"config.json", "model.safetensors"} & set(os.listdir("head"))


def test_a_run_that_fails_leaves_the_adapters_of_another(tune, monkeypatch):
    assert tune("--lora_r", "4") == 0
    expected = logits(load("head"))
    monkeypatch.setattr(PeftModel, "save_pretrained", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tune("--lora_r", "4", "--gnn_hidden_size", "16", "--overwrite_output_dir")
    assert torch.equal(logits(load("head")), expected)
    assert torch.equal(logits(load("head/checkpoint-4/base")), logits(load("head/base")))


def test_a_head_on_an_adapter(tune):
    """The backbone is frozen, with the adapter that the name brings."""
    from peft import LoraConfig, get_peft_model

    tuned = get_peft_model(AutoModel.from_pretrained("tiny"), LoraConfig(r=4, target_modules=["query"]))
    torch.nn.init.normal_(tuned.base_model.model.encoder.layer[0].attention.self.query.lora_B["default"].weight)
    tuned.save_pretrained("adapter")
    AutoTokenizer.from_pretrained("tiny").save_pretrained("adapter")
    assert tune("--backbone", "adapter") == 0
    backbone = load("head").glot.backbone
    batch = {"input_ids": torch.tensor([[101, 2023, 102]])}
    with torch.no_grad():
        states, expected = backbone(**batch).last_hidden_state, tuned.eval()(**batch).last_hidden_state
    torch.testing.assert_close(states, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lora_r", "0"), "--lora_r 0 is not positive"),
        (("--lora_r", "4", "--lora_alpha", "-1"), "--lora_alpha -1 is not positive"),
        (("--lora_r", "4", "--lora_dropout", "1"), "--lora_dropout 1.0 is not a probability"),
        (
            ("--lora_r", "4", "--lora_target_modules", "query", "nope"),
            "'nope': its linear layers are dense, key, query",
        ),
        (("--lora_r", "4", "--full_finetuning"), "give one"),
        (("--lora_alpha", "8"), "--lora_alpha is about LoRA adapters: ask for them with --lora_r"),
        (("--lora_merge",), "--lora_merge is about LoRA adapters"),
        (("--lora_r", "4", "--cache_dtype", "float16"), "--cache_dtype is about hidden states that stay the same"),
        (("--full_finetuning", "--cache"), "--cache is about hidden states"),
        (("--lora_r", "4", "--backbone_in_checkpoint"), "add --lora_merge"),
        (
            ("--full_finetuning", "--backbone_load_kwargs", '{"quantization_config": {"load_in_8bit": true}}'),
            "--full_finetuning needs a backbone that is not quantized",
        ),
    ],
)
def test_of_mistakes(tune, error_line, options, message):
    assert message in error_line(tune(*options))
    assert not os.path.exists("head/base")
