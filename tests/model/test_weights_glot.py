"""A head is loaded with all of its weights, or refused: never with some that are random."""

import copy

import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel
from glot_hf.loading.adapter import load_adapter
from glot_hf.system.errors import InputError
from glot_hf.training.finetuning import BASE_FOLDER, lora_config, save_base


SMALL = {"input_size": 6, "gnn_hidden_size": 4, "readout_hidden_size": 4}
LOSSES = {  # what happens to the weights of a file, and which weight the message names
    "removed": (lambda w: w.pop("classifier.weight"), r"lacks weights of this head \(classifier.weight\)"),
    "renamed": (
        lambda w: w.update({"classifier.wight": w.pop("classifier.weight")}),
        r"lacks .*\(classifier.weight\) and holds weights that this head does not have \(classifier.wight\)",
    ),
    "of the head": (lambda w: w.pop("glot.head.pooling.layers.0.bias"), "glot.head.pooling.layers.0.bias"),
    "statistics": (lambda w: w.pop("glot.head.input_norm.mean"), "glot.head.input_norm.mean"),
    "all": (lambda w: w.clear(), "classifier.bias, classifier.weight, glot.head.* and 1. more"),
    "too many": (lambda w: w.update({"glot.head.more": torch.ones(2)}), r"not have \(glot.head.more\)"),
    "a backbone": (lambda w: w.update({"glot.backbone.a": torch.ones(2)}), r"not have \(glot.backbone.a\)"),
}


def rewrite(file, change):
    weights = load_file(file)
    change(weights)
    save_file(weights, file, metadata={"format": "pt"})


@pytest.mark.parametrize(("change", "message"), LOSSES.values(), ids=LOSSES)
def test_a_file_that_is_not_whole_is_refused(change, message, tmp_path):
    GlotForSequenceClassification(GlotConfig(input_norm="standard", **SMALL)).save_pretrained(tmp_path)
    rewrite(tmp_path / "model.safetensors", change)
    for loader in (GlotForSequenceClassification, AutoModelForSequenceClassification):
        with pytest.raises(ValueError, match=message):
            loader.from_pretrained(tmp_path, ignore_mismatched_sizes=True)
    if "classifier" not in message:  # nor as vectors
        with pytest.raises(ValueError, match=message.replace("glot.", "(glot.)?")):
            AutoModel.from_pretrained(tmp_path)


UNSOUND = {  # what a file has in place of a weight, and what the message says
    "int64": (lambda weight: weight.long(), "torch.int64 in the head's file, where a head has torch.float32"),
    "uint8": (lambda weight: weight.byte(), "torch.uint8"),
    "bool": (lambda weight: weight > 0, "torch.bool"),
    "nan": (lambda weight: weight * torch.nan, "holds NaN or infinity"),
    "inf in float16": (lambda weight: weight.half().fill_(torch.inf), "holds NaN or infinity"),
}


@pytest.mark.parametrize(("change", "message"), UNSOUND.values(), ids=UNSOUND)
@pytest.mark.parametrize("name", ["classifier.weight", "glot.head.pooling.layers.0.bias", "glot.head.input_norm.mean"])
def test_weights_that_are_none_are_refused(name, change, message, tmp_path):
    model = GlotForSequenceClassification(GlotConfig(input_norm="standard", **SMALL))
    model.save_pretrained(tmp_path)
    rewrite(tmp_path / "model.safetensors", lambda weights: weights.update({name: change(weights[name])}))
    for loader in (GlotForSequenceClassification, AutoModelForSequenceClassification):
        with pytest.raises(ValueError, match=f"^{name} (is )?{message}"):
            loader.from_pretrained(tmp_path)
    if name != "classifier.weight":
        with pytest.raises(ValueError, match=f"^{name} (is )?{message}"):
            AutoModel.from_pretrained(tmp_path)


def test_an_integer_stays_one(tmp_path):
    """It counts the tokens that the statistics are of."""
    GlotModel(GlotConfig(input_norm="standard", **SMALL)).save_pretrained(tmp_path)
    name = "head.input_norm.num_tokens"
    rewrite(tmp_path / "model.safetensors", lambda weights: weights.update({name: torch.tensor(7)}))
    assert GlotModel.from_pretrained(tmp_path).state_dict()[name] == 7
    rewrite(tmp_path / "model.safetensors", lambda weights: weights.update({name: torch.tensor(7.5)}))
    with pytest.raises(ValueError, match=f"^{name} is torch.float32"):
        GlotModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("options", [{"pooling": "mean"}, {"pooling": "mean", "pair_mode": "cosine"}])
def test_a_pooling_without_parameters(options, tmp_path):
    """Its task's layer is all that there is to miss."""
    GlotForSequenceClassification(GlotConfig(**SMALL, **options)).save_pretrained(tmp_path)
    GlotModel.from_pretrained(tmp_path)
    rewrite(tmp_path / "model.safetensors", dict.clear)
    with pytest.raises(ValueError, match=r"lacks weights of this head \((classifier|similarity_projection).bias"):
        GlotForSequenceClassification.from_pretrained(tmp_path)


def test_options_that_ask_for_weights_which_the_file_does_not_have(tmp_path):
    GlotForSequenceClassification(GlotConfig(**SMALL)).save_pretrained(tmp_path)
    for options in ({"backbone_layers": [0, -1]}, {"input_norm": "standard"}):
        with pytest.raises(ValueError, match="lacks weights of this head"):
            GlotForSequenceClassification.from_pretrained(tmp_path, **options)
    with pytest.raises(ValueError, match="similarity_projection.*not have .classifier"):
        GlotForSequenceClassification.from_pretrained(tmp_path, pair_mode="cosine")
    other = GlotForSequenceClassification.from_pretrained(tmp_path, num_labels=5, ignore_mismatched_sizes=True)
    assert other.classifier.weight.shape[0] == 5  # as for any model, where it is asked for


def test_a_new_classifier_on_saved_vectors(tmp_path):
    """As transformers does with a base model; the head itself must be whole all the same."""
    GlotModel(GlotConfig(**SMALL)).save_pretrained(tmp_path)
    model, information = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert information["missing_keys"] == {"classifier.weight", "classifier.bias"}
    GlotForSequenceClassification.from_pretrained(tmp_path, config=GlotConfig(**SMALL))
    rewrite(tmp_path / "model.safetensors", lambda weights: weights.pop("head.pooling.layers.0.bias"))
    with pytest.raises(ValueError, match=r"lacks weights of this head \(glot.head.pooling.layers.0.bias\)"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path)


def test_a_caller_who_sees_to_it(tmp_path):
    """As he passes the weights himself, or asks which were missing."""
    GlotModel(GlotConfig(**SMALL)).save_pretrained(tmp_path)
    rewrite(tmp_path / "model.safetensors", lambda weights: weights.pop("head.pooling.layers.0.bias"))
    _, information = GlotModel.from_pretrained(tmp_path, output_loading_info=True)
    assert information["missing_keys"] == {"head.pooling.layers.0.bias"}
    model = GlotForSequenceClassification.from_pretrained(None, config=GlotConfig(**SMALL), state_dict={})
    assert model.classifier.weight.isfinite().all()


@pytest.mark.parametrize("name", ["classifier.weight", "glot.head.pooling.layers.0.bias", "lora_A"])
def test_an_adapters_file_that_is_not_whole_is_refused(name, tiny_bert, tmp_path):
    """The head and its classifier are in it too."""
    tiny_bert.save_pretrained(tmp_path / "backbone")
    model = GlotForSequenceClassification.from_backbone(tmp_path / "backbone", gnn_hidden_size=8)
    tuned = get_peft_model(model, lora_config(2))
    save_base(tuned, tmp_path)
    tuned.save_pretrained(tmp_path)
    base = GlotForSequenceClassification.from_pretrained(tmp_path / BASE_FOLDER)
    load_adapter(copy.deepcopy(base), str(tmp_path))
    weights = load_file(tmp_path / "adapter_model.safetensors")
    kept = {each: weight for each, weight in weights.items() if name not in each}
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "adapter_model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"lacks weights .*{name.split('.')[-1]}"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with pytest.raises(InputError, match=f"(?s)lacks weights .*{name}"):
        load_adapter(base, str(tmp_path))
