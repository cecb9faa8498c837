"""The tables of options and poolings are complete, and say the defaults."""

import dataclasses
import re
from pathlib import Path

from transformers import PreTrainedConfig

from glot_hf import GlotConfig, GlotPooler
from glot_hf.model.pooling_glot import POOLINGS


CONCEPTS = Path(__file__).parents[2] / "docs/concepts"
PAGE = (CONCEPTS / "options.md").read_text(encoding="utf-8")
OWN_OPTIONS = {field.name for field in dataclasses.fields(GlotConfig)} - {
    field.name for field in dataclasses.fields(PreTrainedConfig)
}


def test_every_option_is_in_the_table():
    said_elsewhere = {
        "backbone_name_or_path",
        "backbone_revision",
        "backbone_config",
    }  # `--backbone` and what it brings
    rows = {
        name for row in re.findall(r"^\| (`.*?`) \|", PAGE, flags=re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert rows == (OWN_OPTIONS - said_elsewhere) | {"tau"}


def test_defaults_in_the_table_are_the_defaults():
    config = GlotConfig()
    for name, default in re.findall(r"^\| `(\w+)`(?:, `tau`)? \| `?([\w.-]+)`? \|", PAGE, flags=re.MULTILINE):
        value = getattr(config, name, None)
        if default != "none" and value is not None:
            assert str(value).lower() == default, name


def test_every_pooling_is_in_the_table_with_its_parameters():
    table = (CONCEPTS / "poolings.md").read_text(encoding="utf-8").split("## The poolings")[1]
    rows = re.findall(r"^\| (`\w.*?`) \| ([\d,]+) \| ([\d,]+) \|", table, flags=re.MULTILINE)
    listed = {name: counts for names, *counts in rows for name in re.findall(r"`(\w+)`", names)}
    assert set(listed) == set(POOLINGS)
    for name, counts in listed.items():
        for size, count in zip((384, 768), counts):
            pooler = GlotPooler(GlotConfig(input_size=size, pooling=name))
            assert f"{sum(parameter.numel() for parameter in pooler.parameters()):,}" == count, name
