"""What the README shows works, and what it lists is complete."""

import dataclasses
import re
from pathlib import Path

from transformers import PreTrainedConfig

from glot_hf import GlotConfig, GlotPooler
from glot_hf.commands.main import COMMANDS
from glot_hf.model.pooling_glot import POOLINGS


README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
OWN_OPTIONS = {field.name for field in dataclasses.fields(GlotConfig)} - {
    field.name for field in dataclasses.fields(PreTrainedConfig)
}


def test_its_python_runs(tmp_path, monkeypatch, minilm_path):
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    scope = {}
    for code in blocks:
        exec(code.replace("bert-base-uncased", minilm_path), scope)
    assert type(scope["model"]).__name__ == "GlotForSequenceClassification"
    assert scope["model"].glot.backbone is not None
    assert scope["classifier"].predict(["a lovely film"]).tolist() == ["good"]


def test_every_option_is_in_the_table():
    table = README.split("## Options of a head")[1].split("\n## ")[0]
    said_elsewhere = {
        "backbone_name_or_path",
        "backbone_revision",
        "backbone_config",
    }  # `--backbone` and what it brings
    rows = {
        name
        for row in re.findall(r"^\| (`.*?`) \|", table, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert rows == (OWN_OPTIONS - said_elsewhere) | {"tau"}


def test_defaults_in_the_table_are_the_defaults():
    config = GlotConfig()
    for name, default in re.findall(r"^\| `(\w+)`(?:, `tau`)? \| `?([\w.-]+)`? \|", README, flags=re.MULTILINE):
        value = getattr(config, name, None)
        if default != "none" and value is not None:
            assert str(value).lower() == default, name


def test_every_pooling_is_in_the_table_with_its_parameters():
    table = README.split("## Poolings")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`\w.*?`) \| ([\d,]+) \| ([\d,]+) \|", table, flags=re.MULTILINE)
    listed = {name: counts for names, *counts in rows for name in re.findall(r"`(\w+)`", names)}
    assert set(listed) == set(POOLINGS)
    for name, counts in listed.items():
        for size, count in zip((384, 768), counts):
            pooler = GlotPooler(GlotConfig(input_size=size, pooling=name))
            assert f"{sum(parameter.numel() for parameter in pooler.parameters()):,}" == count, name


def test_every_command_that_it_names_exists():
    assert set(re.findall(r"glot-hf ([\w-]+)", README)) <= set(COMMANDS)
