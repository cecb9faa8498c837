"""A config.json with any value under any key loads a head that works, or is refused in words that name the key."""

import copy
import json
import math

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError

from glot_hf import GlotConfig, GlotForSequenceClassification
from glot_hf.model.options_glot import HeadOptions


GOOD = {
    **GlotConfig(input_size=8, gnn_hidden_size=4, readout_hidden_size=4, num_labels=3, projection_size=3).to_dict(),
    "architectures": ["GlotForSequenceClassification"],
    "backbone_load_kwargs": {"dtype": "float32"},
}
OTHER_KEYS = [  # which transformers knows, or reads from any configuration
    *("auto_map", "custom_pipelines", "layer_types", "name_or_path", "num_labels", "output_attentions"),
    *("per_layer_config", "quantization_config", "rope_parameters", "tau", "tokenizer_class", "torch_dtype"),
    *("transformers_weights", "use_cache", "backbone_fingerprint", "text_config", "pruned_heads", "_new", "new"),
]
TAKEN = [  # by GlotConfig: properties, methods, attributes, what every object has
    *("hidden_size", "token_size", "vocab_size", "is_heterogeneous", "rope_scaling", "validate", "to_dict"),
    *("attribute_map", "sub_configs", "_auto_class", "_post_init_done", "__dict__", "__class__", "__deepcopy__"),
]
HOSTILE = [
    *(None, True, -1, 0, 1.5, 10**6, 10**90, math.nan, math.inf, "x", "", "/x", "bool", [], {}, [[]], [0, 0], ["x"]),
    *({"x": 1}, {"0": "x"}, {"x": []}, {"dtype": []}, {"subfolder": 3}),
]


@pytest.fixture(autouse=True)
def no_log(monkeypatch):
    """Loading describes the configuration for the log, which takes longer than all the rest."""
    monkeypatch.setattr(GlotConfig, "__repr__", object.__repr__)


@pytest.mark.parametrize("key", sorted({*GOOD, *OTHER_KEYS}))
def test_any_value(key):
    changes_model = hasattr(HeadOptions, key) or key in ("tau", "num_labels", "id2label", "problem_type")
    for value in HOSTILE:
        try:
            config = GlotConfig.from_dict(copy.deepcopy(GOOD | {key: value}))
        except (ValueError, StrictDataclassError) as error:
            named = {"torch_dtype": "dtype", "tau": "similarity_threshold", "model_type": "not of a GLOT head"}
            assert named.get(key, key) in str(error)
            continue
        json.dumps(config.to_dict())
        if changes_model and config.input_size is not None:
            model = GlotForSequenceClassification(config)
            model(hidden_states=torch.ones(2, 2, *model.glot.head.token_shape), labels=torch.zeros(2).long())
    GlotConfig.from_dict({other: value for other, value in GOOD.items() if other != key})


@pytest.mark.parametrize("key", TAKEN)
def test_a_key_that_is_a_part_of_the_class(key):
    for value in (3, None):
        with pytest.raises(ValueError, match=f"^'{key}' is a name that GlotConfig itself uses"):
            GlotConfig.from_dict(GOOD | {key: value})


@pytest.mark.parametrize("root", ["[]", "3", "null", '"x"'])
def test_a_file_that_is_no_mapping(root, tmp_path):
    (tmp_path / "config.json").write_text(root)
    with pytest.raises(ValueError, match="is a mapping, got"):
        GlotConfig.from_pretrained(tmp_path)


def test_layers_that_are_one_by_two_names():
    backbone = {"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2}
    with pytest.raises((ValueError, StrictDataclassError), match=r"\[2, -1\] names a layer twice"):
        GlotConfig(backbone_config=backbone, backbone_layers=[2, -1])
    for layers in ([1001], -1001, list(range(10**5))):
        with pytest.raises(StrictDataclassError, match="layers from -1,000 to 1,000, got"):
            GlotConfig(backbone_layers=layers)


@pytest.mark.parametrize("change", [{"dtype": "`x`"}, {"dtype": []}, {"hidden_size": "x"}, {"id2label": 3}])
def test_a_backbone_that_transformers_cannot_describe(change):
    backbone = {"model_type": "bert", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2}
    with pytest.raises((ValueError, StrictDataclassError), match=r"backbone_config cannot be read|hidden_size"):
        GlotConfig.from_dict({"backbone_config": backbone | change})
