"""Heads that somebody else saved: config.json, model.safetensors, training_record.json, adapter_config.json."""

import json
from pathlib import Path
from random import Random

import torch
from single_words import make_tokenizer
from transformers import BertConfig, BertModel

from fuzz.mutations import HOSTILE, change_json, change_safetensors, to_json
from fuzz.targets import Target
from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel
from glot_hf.commands import predict
from glot_hf.loading.encoder import load_encoder
from glot_hf.loading.saved_head import forget_code
from glot_hf.training.record import TrainingRecord


_SMALL = {"gnn_hidden_size": 4, "readout_hidden_size": 4}
_CLASSIFIERS = [
    {"num_labels": 3, "projection_size": 3},
    {"pair_mode": "cosine", "num_gnn_layers": 1},
    {"pair_mode": "late", "pooling": "glot"},
    {"block": "residual", "readout": ["mean", "attention"], "problem_type": "multi_label_classification"},
    {"pooling": "multi_query", "num_latents": 2, "input_norm": "standard"},
    {"pooling": "deepsets", "backbone_layers": [0, 1]},
]
_KEYS = (
    *sorted(GlotConfig(input_size=8).to_dict()),
    *(
        "tau",
        "num_labels",
        "torch_dtype",
        "hidden_size",
        "quantization_config",
        "custom_pipelines",
        "_attn_implementation",
    ),
    *(
        "peft_type",
        "base_model_name_or_path",
        "auto_mapping",
        "target_modules",
        "modules_to_save",
        "trainable_token_indices",
    ),
)


class Heads(Target):
    """
    Args:
        changed (`str`): the file that is changed.
    """

    changed = "config.json"

    def __init__(self, root: Path):
        super().__init__(root)
        torch.manual_seed(0)
        sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
        BertModel(BertConfig(vocab_size=99, **sizes)).save_pretrained(root / "backbone")
        make_tokenizer().save_pretrained(root / "backbone")
        for number, options in enumerate(_CLASSIFIERS):
            model = GlotForSequenceClassification.from_backbone(root / "backbone", **{**_SMALL, **options})
            self._save(model, root / f"head{number}")
        self._save(GlotModel.from_backbone(root / "backbone", **_SMALL), root / "encoder")
        self._heads = [_read_files(folder) for folder in sorted(root.glob("head*"))] + [_read_files(root / "encoder")]

    def _save(self, model, folder: Path) -> None:
        model.save_pretrained(folder)
        make_tokenizer().save_pretrained(folder)
        TrainingRecord(["glot-hf", "train"], seed=0, max_length=8, text_column="text", label_column="label").save(
            folder
        )
        forget_code(folder)

    def good(self) -> list[dict[str, bytes]]:
        return self._heads

    def draw(self, generator: Random) -> dict[str, bytes]:
        files = dict(generator.choice(self._heads))
        if generator.random() < 0.3:  # one key with a hostile value, and all else as it was
            described = json.loads(files[self.changed]) | {generator.choice(_KEYS): generator.choice(HOSTILE)}
        else:
            described = change_json(json.loads(files[self.changed]), generator, _KEYS)
        return files | {self.changed: to_json(described, generator)}

    def use(self, folder: Path) -> None:
        described = (folder / "config.json").read_text(encoding="utf-8", errors="replace")
        if '"GlotModel"' in described:
            model, tokenizer = load_encoder(str(folder), None, None, "mean", {}, None)
            model.encode(["w1 w2", ""], tokenizer)
            return
        pair = ["--text_pair", "w3"] if '"pair_mode": "' in described else []
        predict.run([str(folder), "--text", "w1 w2", *pair])


class Weights(Heads):
    changed = "model.safetensors"

    def draw(self, generator: Random) -> dict[str, bytes]:
        files = dict(generator.choice(self._heads))
        return files | {self.changed: change_safetensors(files[self.changed], generator)}


class TrainingRecords(Heads):
    changed = "training_record.json"

    def good(self) -> list[dict[str, bytes]]:
        return self._heads[:1]

    def use(self, folder: Path) -> None:
        (folder / "texts.csv").write_text("text,label,other\nw1 w2,w3,w4\nw5,w6,w7\n")
        predict.run(
            [str(folder), "--test_file", str(folder / "texts.csv"), "--output_file", str(folder / "out.jsonl")]
        )


class Adapters(Heads):
    """LoRA adapters, as `glot-hf train --lora_r` saves them."""

    changed = "adapter_config.json"

    def __init__(self, root: Path):
        super().__init__(root)
        from peft import get_peft_model

        from glot_hf.training.finetuning import lora_config, save_base

        model = GlotForSequenceClassification.from_backbone(root / "backbone", **_SMALL)
        tuned = get_peft_model(model, lora_config(2))
        save_base(tuned, root / "adapters")
        tuned.save_pretrained(root / "adapters")
        make_tokenizer().save_pretrained(root / "adapters")
        self._heads = [_read_files(root / "adapters")]

    def use(self, folder: Path) -> None:
        predict.run([str(folder), "--text", "w1 w2"])


def _read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
