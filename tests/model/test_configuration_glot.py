"""GlotConfig: what it takes, what it refuses and with which words, and that it survives a file."""

import copy
import json
import logging
from dataclasses import fields
from typing import get_args

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, BertConfig, GPT2Config, OPTConfig, PreTrainedConfig, T5Config

from glot_hf import GlotConfig, GlotPooler
from glot_hf.model.layers_glot import GNN_LAYERS
from glot_hf.model.options_glot import RECORDED_BACKBONE_KWARGS
from glot_hf.model.pooling_glot import POOLINGS


OWN_OPTIONS = {field.name: field for field in fields(GlotConfig)}
for inherited in fields(PreTrainedConfig):
    OWN_OPTIONS.pop(inherited.name, None)

# option -> values that are refused, each with what the error must say
REFUSED = {
    "backbone_name_or_path": [(3, "expected str, got int .value: 3")],
    "backbone_revision": [(1.5, "expected str, got float .value: 1.5")],
    "backbone_config": [("bert", "'bert'.*dict.*PreTrainedConfig"), ({}, "model_type"), ({"model_type": "x"}, ": x")],
    "backbone_load_kwargs": [
        ("float16", "expected a dict, got str"),
        ({"trust_remote_code": True}, "trust_remote_code.*" + ".*".join(RECORDED_BACKBONE_KWARGS)),
        ({"device_map": "auto", "dtype": "float16"}, "cannot hold .'device_map'.:"),
    ],
    "backbone_in_checkpoint": [(1, "expected bool, got int .value: 1"), ("yes", "yes"), (True, "backbone_config")],
    "input_size": [("8", "expected int, got str"), (8.0, "8.0"), (True, "bool"), (0, "positive"), (-8, "-8")],
    "backbone_layers": [
        ("last", "int.*list.*'last'|'last'.*int.*list"),
        (1.0, "1.0"),
        ((0, 1), "expected a list, got tuple"),
        ([0.5], "item at index 0"),
        ([True], "item at index 0"),
        ([], "empty list"),
        ([1, 2, 1], r"twice: \[1, 2, 1\]"),
        (None, "None"),
    ],
    "token_features": [
        ("surprisal", "expected a list, got str"),
        (["entropy"], "'surprisal'.*'entropy'"),
        ([], "name each feature once"),
        (["surprisal", "surprisal"], "once"),
    ],
    "input_norm": [("batch", "'none', 'layer', 'standard'.*batch"), (None, "None"), (True, "True")],
    "graph_type": [("knn", "'similarity', 'self'.*knn"), (None, "None")],
    "graph_block_size": [(64.0, "64.0"), ("64", "'64'"), (True, "bool"), (0, "positive"), (-2, "-2")],
    "num_latents": [(4.0, "4.0"), ("4", "'4'"), (True, "bool"), (0, "positive"), (-2, "-2")],
    "pooling": [("attention", "'glot', 'mean', 'max', 'cls', 'last', 'adapool'.*attention"), (None, "None"), (1, "1")],
    "gnn_type": [("transformer", "'gat', 'gcn', 'gin', 'gine', 'sage'.*transformer"), (None, "None"), ("GAT", "GAT")],
    "num_gnn_layers": [(2.0, "2.0"), ("2", "'2'"), (True, "bool"), (-1, "-1"), (None, "None")],
    "gnn_hidden_size": [(128.0, "128.0"), ("128", "'128'"), (0, "0"), (-4, "-4"), (None, "None")],
    "num_attention_heads": [(1.0, "1.0"), (0, "0"), (None, "None"), (3, r"\(3\) must divide gnn_hidden_size \(128\)")],
    "similarity_threshold": [
        ("0.6", "'0.6'.*float.*int"),
        (None, "None"),
        (True, "bool"),
        (1, r"\[-1, 1\), got 1"),
        (1.0, r"\[-1, 1\), got 1.0"),
        (-1.01, "-1.01"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
    "jumping_knowledge": [("lstm", "'cat', 'max', 'mean', 'last'.*lstm"), (None, "None"), (0, "0")],
    "readout_hidden_size": [(64.0, "64.0"), ("64", "'64'"), (0, "0"), (-1, "-1")],
    "projection_size": [(64.0, "64.0"), ("64", "'64'"), (0, "0"), (-1, "-1")],
    "layer_mix": [("sum", "'learned', 'concat'.*sum"), (None, "None")],
    "block": [("transformer", "'gnn', 'residual'.*transformer"), (None, "None")],
    "dropout": [("0.1", "'0.1'"), (1, r"\[0, 1\), got 1"), (-0.1, "-0.1")],
    "readout": [("sum", "'attention', 'mean', 'max'.*sum"), ([], "empty list"), (["max", "max"], "twice"), (3, "3")],
    "decision_threshold": [(0.0, "got 0.0"), (1.0, "got 1.0"), ("0.3", "'0.3'"), (float("nan"), "nan")],
    "pair_mode": [("sum", "'concat', 'interaction', 'cosine'.*sum"), (True, "True"), (0, "0")],
}


@pytest.fixture
def log(caplog):
    """What transformers and glot_hf log, at every level."""
    transformers_logger = logging.getLogger("transformers")
    transformers_logger.addHandler(caplog.handler)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="transformers")
    yield caplog
    transformers_logger.removeHandler(caplog.handler)


def bert_config(**options):
    return BertConfig(hidden_size=32, num_attention_heads=4, vocab_size=99, **options)


def full_config():
    """A configuration in which no option has its default."""
    return GlotConfig(
        backbone_name_or_path="someone/gpt2",
        backbone_revision="0123abc",
        backbone_config=GPT2Config(hidden_size=32, num_attention_heads=4, vocab_size=99),
        backbone_load_kwargs={"dtype": "bfloat16", "variant": "fp16"},
        backbone_in_checkpoint=True,
        input_size=32,
        backbone_layers=[0, -1],
        token_features=["surprisal"],
        input_norm="layer",
        pooling="adapool",
        graph_type="self",
        layer_mix="concat",
        block="residual",
        dropout=0.25,
        readout=["max", "mean"],
        gnn_type="sage",
        num_gnn_layers=3,
        gnn_hidden_size=24,
        num_attention_heads=4,
        graph_block_size=64,
        num_latents=3,
        similarity_threshold=-0.25,
        jumping_knowledge="max",
        readout_hidden_size=7,
        projection_size=5,
        pair_mode="cosine",
        decision_threshold=0.3,
        num_labels=4,
    )


def test_every_option_is_tested():
    assert set(REFUSED) == set(OWN_OPTIONS)
    changed = {name for name, field in OWN_OPTIONS.items() if getattr(full_config(), name) != field.default}
    assert changed == set(OWN_OPTIONS)


@pytest.mark.parametrize(
    "option, value, message", [(option, *case) for option, cases in REFUSED.items() for case in cases]
)
def test_refused(option, value, message):
    with pytest.raises((StrictDataclassError, ValueError), match="(?s)" + message) as error:
        GlotConfig(**{option: value})
    assert option in str(error.value) or "model identifier" in str(error.value)


# What concerns two options at once is looked at when the configuration is made, see below.
@pytest.mark.parametrize(
    "option, value, message",
    [
        (option, *case)
        for option, cases in REFUSED.items()
        for case in cases
        if not isinstance(case[0], dict) or option == "backbone_load_kwargs"
        if (option, case[0]) not in [("num_attention_heads", 3), ("backbone_in_checkpoint", True)]
    ],
)
def test_refused_on_assignment(option, value, message):
    config = GlotConfig()
    before = config.to_dict()
    with pytest.raises(StrictDataclassError, match="(?s)" + message):
        setattr(config, option, value)
    assert config.to_dict() == before


@pytest.mark.parametrize(
    "option, value",
    [
        ("similarity_threshold", 0),
        ("similarity_threshold", -1),
        ("similarity_threshold", 0.999),
        ("num_gnn_layers", 0),
        ("backbone_layers", 0),
        ("backbone_layers", [3]),
        ("backbone_load_kwargs", {}),
        ("backbone_load_kwargs", dict.fromkeys(RECORDED_BACKBONE_KWARGS, "x") | {"dtype": "bfloat16"}),
        ("pair_mode", None),
    ],
)
def test_accepted(option, value):
    assert getattr(GlotConfig(**{option: value}), option) == value


class TestTau:
    def test_alone(self):
        config = GlotConfig(tau=0.3)
        assert config.tau == config.similarity_threshold == 0.3
        assert "tau" not in config.to_dict()

    def test_beside_the_same_value(self):
        assert GlotConfig(tau=0.3, similarity_threshold=0.3).similarity_threshold == 0.3

    @pytest.mark.parametrize("threshold", [0.6, 0.4])
    def test_beside_another_value(self, threshold):
        """Also where the other value happens to be the default."""
        with pytest.raises(ValueError, match=f"tau=0.3 and similarity_threshold={threshold}"):
            GlotConfig(tau=0.3, similarity_threshold=threshold)

    def test_by_assignment(self):
        config = GlotConfig()
        config.tau = 0.1
        assert config.similarity_threshold == 0.1
        config.similarity_threshold = 0.2
        assert config.tau == 0.2
        assert "tau" not in vars(config)

    @pytest.mark.parametrize("value", [1, "0.3", None, float("nan")])
    def test_is_validated(self, value):
        with pytest.raises(StrictDataclassError, match="similarity_threshold"):
            GlotConfig(tau=value)
        with pytest.raises(StrictDataclassError, match="similarity_threshold"):
            GlotConfig().tau = value

    def test_through_from_pretrained(self, tmp_path):
        GlotConfig(similarity_threshold=0.5).save_pretrained(tmp_path)
        assert GlotConfig.from_pretrained(tmp_path).tau == 0.5
        assert GlotConfig.from_pretrained(tmp_path, tau=0.2).similarity_threshold == 0.2
        assert AutoConfig.from_pretrained(tmp_path, tau=0.2).similarity_threshold == 0.2
        with pytest.raises(StrictDataclassError, match="got 2"):
            GlotConfig.from_pretrained(tmp_path, tau=2)

    def test_beside_another_value_through_from_pretrained(self, tmp_path):
        GlotConfig().save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="tau=0.2 and similarity_threshold=0.4"):
            GlotConfig.from_pretrained(tmp_path, tau=0.2, similarity_threshold=0.4)

    def test_in_a_file(self, tmp_path):
        """Written by hand: a file may use the alias."""
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "glot", "tau": 0.2}))
        assert GlotConfig.from_pretrained(tmp_path).similarity_threshold == 0.2


class TestFiles:
    @pytest.mark.parametrize("make", [GlotConfig, full_config], ids=["default", "full"])
    def test_json_file(self, make, tmp_path):
        config = make()
        config.to_json_file(tmp_path / "config.json")
        assert GlotConfig.from_json_file(tmp_path / "config.json").to_dict() == config.to_dict()

    @pytest.mark.parametrize("make", [GlotConfig, full_config], ids=["default", "full"])
    @pytest.mark.parametrize("loader", [GlotConfig, AutoConfig])
    def test_save_pretrained(self, make, loader, tmp_path):
        config = make()
        config.save_pretrained(tmp_path)
        loaded = loader.from_pretrained(tmp_path)
        assert type(loaded) is GlotConfig
        # AutoConfig notes where it found the file, as it does for every model.
        assert loaded.to_dict() == config.to_dict() | {"_name_or_path": loaded.name_or_path}
        assert loaded.num_labels == config.num_labels
        assert type(loaded.backbone_config) is type(config.backbone_config)

    def test_dict(self):
        config = full_config()
        assert json.loads(config.to_json_string(use_diff=False)) == json.loads(json.dumps(config.to_dict()))
        assert GlotConfig.from_dict(config.to_dict()).to_dict() == config.to_dict()
        assert copy.deepcopy(config).to_dict() == config.to_dict()

    def test_for_model(self):
        config = AutoConfig.for_model("glot", tau=0.2)
        assert type(config) is GlotConfig and config.similarity_threshold == 0.2

    def test_options_given_on_loading(self, tmp_path):
        GlotConfig(input_size=32).save_pretrained(tmp_path)
        assert GlotConfig.from_pretrained(tmp_path, gnn_type="gcn", num_labels=7).gnn_type == "gcn"
        assert GlotConfig.from_pretrained(tmp_path, gnn_type="gcn", num_labels=7).num_labels == 7
        with pytest.raises(StrictDataclassError, match="transformer"):
            GlotConfig.from_pretrained(tmp_path, gnn_type="transformer")

    def test_options_given_on_loading_must_fit_the_others(self, tmp_path):
        GlotConfig(input_size=32).save_pretrained(tmp_path)
        with pytest.raises((StrictDataclassError, ValueError), match=r"num_attention_heads \(3\)"):
            GlotConfig.from_pretrained(tmp_path, num_attention_heads=3)

    @pytest.mark.parametrize("loader", [GlotConfig, AutoConfig])
    def test_a_key_of_a_newer_version_is_kept_with_one_warning(self, loader, tmp_path, log):
        config = GlotConfig(input_size=32).to_dict() | {"fancy_new_option": [1, 2], "another": "x"}
        (tmp_path / "config.json").write_text(json.dumps(config))
        loaded = loader.from_pretrained(tmp_path)
        warnings = [record.getMessage() for record in log.records if record.levelno >= logging.WARNING]
        assert len(warnings) == 1
        assert "['another', 'fancy_new_option']" in warnings[0]
        assert loaded.fancy_new_option == [1, 2]
        loaded.save_pretrained(tmp_path / "again")
        assert json.loads((tmp_path / "again/config.json").read_text())["fancy_new_option"] == [1, 2]

    def test_a_wrong_value_in_a_file(self, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "glot", "num_gnn_layers": "two"}))
        with pytest.raises(StrictDataclassError, match="'two'"):
            GlotConfig.from_pretrained(tmp_path)


class TestBackboneConfig:
    def test_as_an_object(self):
        backbone_config = bert_config()
        config = GlotConfig(backbone_config=backbone_config)
        assert config.backbone_config is backbone_config
        assert (config.input_size, config.vocab_size) == (32, 99)
        assert config.get_text_config() is backbone_config

    def test_as_a_dict(self):
        given = bert_config().to_dict()
        config = GlotConfig(backbone_config=given)
        assert type(config.backbone_config) is BertConfig
        assert config.backbone_config.to_dict() == bert_config().to_dict()
        assert config.input_size == 32
        assert given["model_type"] == "bert"  # the caller's dict is left as it was

    def test_input_size_alone(self):
        config = GlotConfig(input_size=48)
        assert config.backbone_config is None and config.vocab_size is None
        assert config.input_size == 48
        assert config.get_text_config() is config

    def test_input_size_that_agrees(self):
        assert GlotConfig(backbone_config=bert_config(), input_size=32).input_size == 32

    def test_input_size_that_disagrees(self):
        with pytest.raises((StrictDataclassError, ValueError), match=r"input_size \(48\).*hidden size is 32"):
            GlotConfig(backbone_config=bert_config(), input_size=48)

    @pytest.mark.parametrize(
        "backbone_config, size",
        [(T5Config(d_model=24), 24), (OPTConfig(hidden_size=32, word_embed_proj_dim=16, num_attention_heads=4), 16)],
        ids=["t5", "opt"],
    )
    def test_names_of_the_hidden_size(self, backbone_config, size):
        """T5 calls it d_model; OPT projects its last state to the width of its embeddings."""
        assert GlotConfig(backbone_config=backbone_config).input_size == size

    @pytest.mark.parametrize("layers", [3, -4, [0, 3], [-4, 1]])
    def test_layers_that_it_does_not_have(self, layers):
        with pytest.raises((StrictDataclassError, ValueError), match=r"to 2, or -3 to -1 from the end") as error:
            GlotConfig(backbone_config=bert_config(num_hidden_layers=2), backbone_layers=layers)
        assert f"backbone_layers={layers}" in str(error.value)

    @pytest.mark.parametrize("layers", [0, 2, -3, [0, 1, 2], [-1, -3]])
    def test_layers_that_it_has(self, layers):
        config = GlotConfig(backbone_config=bert_config(num_hidden_layers=2), backbone_layers=layers)
        assert config.backbone_layers == layers

    def test_resizing_the_vocabulary(self):
        config = GlotConfig(backbone_config=bert_config())
        config.vocab_size = 120
        assert config.backbone_config.vocab_size == 120
        with pytest.raises(ValueError, match="120"):
            GlotConfig().vocab_size = 120


def test_bare_configuration_is_silent(log, recwarn, capsys):
    config = GlotConfig()
    assert (config.input_size, config.hidden_size, config.pooled_size) == (None, None, None)
    assert not log.records and not recwarn.list and capsys.readouterr() == ("", "")


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("num_layers", [0, 1, 3])
@pytest.mark.parametrize("jumping_knowledge", ["cat", "max", "mean", "last"])
@pytest.mark.parametrize("projection_size", [None, 5])
def test_sizes(pooling, num_layers, jumping_knowledge, projection_size):
    config = GlotConfig(
        input_size=32,
        pooling=pooling,
        num_gnn_layers=num_layers,
        gnn_hidden_size=8,
        jumping_knowledge=jumping_knowledge,
        projection_size=projection_size,
    )
    pooled_size = 4 * 32 if pooling == "multi_query" else 32
    if pooling in ("glot", "deepsets") and num_layers > 0:
        pooled_size = 32 + 8 * num_layers if jumping_knowledge == "cat" else 8
    assert config.pooled_size == pooled_size
    assert config.hidden_size == (projection_size or pooled_size)


@pytest.mark.parametrize(
    "misspelt, meant",
    [
        ("gnn_hidden_sise", "gnn_hidden_size"),
        ("jumping_knowlege", "jumping_knowledge"),
        ("similarity_treshold", "similarity_threshold"),
        ("hidden_size", "gnn_hidden_size"),
        ("tua", "tau"),
    ],
)
def test_a_misspelt_option_is_refused_with_a_suggestion(misspelt, meant):
    with pytest.raises(TypeError, match=f"`{misspelt}`. Did you mean `{meant}`"):
        GlotConfig(**{misspelt: 0.5})


def test_an_unknown_option_is_refused_with_a_list():
    with pytest.raises(TypeError, match="`zzz`") as error:
        GlotConfig(zzz=1)
    for option in OWN_OPTIONS:
        assert option in str(error.value)


def test_options_that_stopped_fitting_each_other_are_refused_by_the_head():
    """Each assignment is fine by itself; a head made from both would compute nonsense, or fail in its forward."""
    config = GlotConfig(input_size=32)
    config.num_attention_heads = 3
    with pytest.raises((StrictDataclassError, ValueError), match=r"num_attention_heads \(3\)"):
        GlotPooler(config)


def test_choices_are_what_the_registries_hold():
    assert set(get_args(OWN_OPTIONS["pooling"].type)) == set(POOLINGS)
    assert set(get_args(OWN_OPTIONS["gnn_type"].type)) == set(GNN_LAYERS)


@pytest.mark.parametrize("option", OWN_OPTIONS)
def test_every_option_has_a_help_text(option):
    assert OWN_OPTIONS[option].metadata["help"].endswith(".")


def test_a_file_cannot_choose_an_attention_kernel(tmp_path):
    """A name such as "someone/kernel" makes transformers fetch and run code: only the caller may give one."""
    config = GlotConfig(backbone_config={"model_type": "bert", "hidden_size": 32, "num_attention_heads": 4}).to_dict()
    config["attn_implementation"] = config["backbone_config"]["attn_implementation"] = "someone/kernel"
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert loaded._attn_implementation is None and loaded.backbone_config._attn_implementation is None
    assert AutoConfig.from_pretrained(tmp_path, attn_implementation="eager")._attn_implementation == "eager"
