"""What a saved head holds, and that it comes back the same: with its backbone, another one, or none."""

import copy
import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModel, AutoModelForSequenceClassification, BertConfig, BertModel

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel
from glot_hf.model.layers_glot import GNN_LAYERS
from glot_hf.model.pooling_glot import POOLINGS


SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "tau": 0.3}
IDS = torch.randint(5, 99, (3, 6), generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])
KINDS = {
    **{gnn: {"gnn_type": gnn} for gnn in GNN_LAYERS},
    **{name: {"pooling": name} for name in POOLINGS if name != "glot"},
}


def logits(model, **inputs):
    with torch.no_grad():
        return model(**(inputs or {"input_ids": IDS, "attention_mask": MASK})).logits


def assert_same_tensors(actual, expected):
    """To the bit. What models make of them is the same up to rounding: a weight that a file is mapped for lies
    elsewhere in memory, and the last bits of a product depend on where."""
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


def saved_tensors(folder):
    with safe_open(f"{folder}/model.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


class TestHeadOnly:
    @pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
    def test_holds_the_head_alone(self, tiny_bert, tmp_path, options):
        options = {"projection_size": 4, "backbone_layers": [0, -1], **SMALL, **options}
        model = GlotForSequenceClassification.from_backbone(tiny_bert, **options)
        model.save_pretrained(tmp_path)
        head = {f"glot.head.{name}" for name in model.glot.head.state_dict()}
        assert set(saved_tensors(tmp_path)) == head | {"classifier.weight", "classifier.bias"}
        parameters = sum(tensor.numel() for name, tensor in model.state_dict().items() if ".backbone." not in name)
        assert (tmp_path / "model.safetensors").stat().st_size <= 4 * parameters + 2**16
        names = {path.name for path in tmp_path.iterdir() if not path.name.endswith("_glot.py")}  # its code
        assert names == {"config.json", "model.safetensors"}

    def test_base_model(self, model, tmp_path):
        model.glot.save_pretrained(tmp_path)
        assert set(saved_tensors(tmp_path)) == {f"head.{name}" for name in model.glot.head.state_dict()}

    @pytest.mark.parametrize("loader", [GlotForSequenceClassification, AutoModelForSequenceClassification])
    def test_comes_back_bit_for_bit(self, model, head_path, loader):
        loaded, information = loader.from_pretrained(head_path, output_loading_info=True)
        assert not any(information.values())
        assert type(loaded) is GlotForSequenceClassification and not loaded.training
        assert not any(parameter.requires_grad for parameter in loaded.glot.backbone.parameters())
        assert_same_tensors(loaded.state_dict(), model.state_dict())
        torch.testing.assert_close(logits(loaded), logits(model))

    @pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
    @pytest.mark.parametrize("model_class", [GlotModel, GlotForSequenceClassification])
    def test_every_kind_comes_back(self, tiny_bert, tmp_path, options, model_class):
        """A pooling without parameters, too."""
        model = model_class.from_backbone(tiny_bert, **{**SMALL, **options})
        model.save_pretrained(tmp_path)
        loaded = model_class.from_pretrained(tmp_path, backbone=tiny_bert)
        torch.testing.assert_close(loaded(IDS, MASK)[0], model(IDS, MASK)[0])

    def test_in_a_fresh_process(self, tiny_bert, tiny_llama, tmp_path):
        """An encoder, a decoder, and one in bfloat16 whose checkpoint on disk is not."""
        expected = {}
        for name, backbone, dtype in (
            ("encoder", tiny_bert, None),
            ("decoder", tiny_llama, None),
            ("bfloat16", tiny_llama, torch.bfloat16),
        ):
            backbone.save_pretrained(tmp_path / name / "backbone")
            model = GlotForSequenceClassification.from_backbone(
                tmp_path / name / "backbone", backbone_kwargs={"dtype": dtype} if dtype else None, **SMALL
            )
            model.save_pretrained(tmp_path / name / "head")
            expected[name] = logits(model)
        torch.save({"ids": IDS, "mask": MASK, "threads": torch.get_num_threads()}, tmp_path / "inputs.pt")
        program = """if True:
            import sys, torch
            import glot_hf
            from transformers import AutoModelForSequenceClassification
            inputs = torch.load(sys.argv[1] + "/inputs.pt")
            torch.set_num_threads(inputs["threads"])
            logits = {}
            for name in ("encoder", "decoder", "bfloat16"):
                model = AutoModelForSequenceClassification.from_pretrained(f"{sys.argv[1]}/{name}/head")
                logits[name] = model(inputs["ids"], inputs["mask"]).logits.detach()
            torch.save(logits, sys.argv[1] + "/logits.pt")
        """
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=120)
        actual = torch.load(tmp_path / "logits.pt")
        for name, tolerance in {"encoder": 1e-5, "decoder": 1e-5, "bfloat16": 1e-2}.items():
            torch.testing.assert_close(actual[name], expected[name], rtol=0, atol=tolerance, msg=name)

    def test_saving_twice(self, model, tmp_path):
        """Changes nothing, neither in the files nor in the model."""
        before, configuration = logits(model), model.config.to_dict()
        for name in ("first", "second"):
            model.save_pretrained(tmp_path / name)
        for file in ("config.json", "model.safetensors"):
            assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
        assert torch.equal(logits(model), before)
        # The first notes the class, as for every model, where its code is, and the version.
        noted = ("architectures", "auto_map", "dtype", "glot_hf_version")
        assert model.config.to_dict() == configuration | {name: model.config.to_dict()[name] for name in noted}
        loaded = GlotForSequenceClassification.from_pretrained(tmp_path / "second")
        loaded.save_pretrained(tmp_path / "third")
        torch.testing.assert_close(logits(GlotForSequenceClassification.from_pretrained(tmp_path / "third")), before)

    def test_flags_of_the_configuration(self, tiny_bert, tmp_path):
        """Which attention the backbone runs decides whether it can return it: its own affair, not the head's."""
        tiny_bert.set_attn_implementation("eager")
        model = GlotForSequenceClassification.from_backbone(tiny_bert, output_attentions=True, **SMALL)
        model.save_pretrained(tmp_path)
        loaded = GlotForSequenceClassification.from_pretrained(tmp_path, backbone=tiny_bert)
        assert len(loaded(IDS, MASK).attentions) == 2

    def test_an_unfrozen_backbone_is_frozen_again(self, model, head_path):
        model.glot.backbone.requires_grad_(True)
        model.train().save_pretrained(head_path)
        assert not any("backbone" in name for name in saved_tensors(head_path))
        loaded = GlotForSequenceClassification.from_pretrained(head_path)
        assert not any(parameter.requires_grad for parameter in loaded.glot.backbone.parameters())


class TestBaseAndClassifier:
    def test_base_from_classifier(self, model, head_path):
        loaded = GlotModel.from_pretrained(head_path)
        torch.testing.assert_close(loaded(IDS, MASK).pooler_output, model.glot(IDS, MASK).pooler_output)
        torch.testing.assert_close(
            AutoModel.from_pretrained(head_path)(IDS, MASK).pooler_output, loaded(IDS, MASK).pooler_output
        )

    def test_classifier_from_base(self, model, tmp_path):
        model.glot.save_pretrained(tmp_path)
        loaded, information = GlotForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
        assert set(information["missing_keys"]) == {"classifier.weight", "classifier.bias"}
        torch.testing.assert_close(loaded.glot(IDS, MASK).pooler_output, model.glot(IDS, MASK).pooler_output)
        assert logits(loaded).isfinite().all() and loaded.classifier.weight.any()


class TestAnotherBackbone:
    def test_live(self, model, head_path):
        live = model.glot.backbone
        loaded = GlotForSequenceClassification.from_pretrained(head_path, backbone=live)
        assert loaded.glot.backbone is live
        torch.testing.assert_close(logits(loaded), logits(model))
        loaded = AutoModelForSequenceClassification.from_pretrained(head_path, load_backbone=False)
        assert loaded.glot.backbone is None
        loaded.attach_backbone(live.train().requires_grad_(True))
        torch.testing.assert_close(logits(loaded), logits(model))
        assert not live.training and not any(parameter.requires_grad for parameter in live.parameters())

    def test_path(self, model, head_path, backbone_path, tmp_path):
        """As when the recorded folder is on another machine."""
        shutil.move(backbone_path, tmp_path / "moved")
        for backbone in (str(tmp_path / "moved"), tmp_path / "moved"):
            loaded = GlotForSequenceClassification.from_pretrained(head_path, backbone=backbone)
            torch.testing.assert_close(logits(loaded), logits(model))

    def test_the_recorded_revision(self, head_path, backbone_path, backbone_calls):
        """It belongs to the recorded repository, and to no other."""
        config = GlotConfig.from_pretrained(head_path)
        config.backbone_revision = "0123abc"
        config.save_pretrained(head_path)
        GlotForSequenceClassification.from_pretrained(head_path)
        GlotForSequenceClassification.from_pretrained(head_path, backbone=backbone_path)
        other = shutil.copytree(backbone_path, f"{backbone_path}_copied")
        GlotForSequenceClassification.from_pretrained(head_path, backbone=other)
        assert [call.get("revision") for call in backbone_calls] == ["0123abc", "0123abc", None]

    def test_another_revision(self, head_path, backbone_path, backbone_calls):
        for backbone in (None, backbone_path):
            options = {"backbone": backbone, "backbone_kwargs": {"revision": "v2"}}
            GlotForSequenceClassification.from_pretrained(head_path, **options)
            assert backbone_calls[-1]["revision"] == "v2"

    def test_none(self, model, head_path):
        loaded = GlotForSequenceClassification.from_pretrained(head_path, load_backbone=False)
        assert loaded.glot.backbone is None
        with torch.no_grad():
            states = model.glot(IDS, MASK, output_hidden_states=True).hidden_states[-1]
        torch.testing.assert_close(logits(loaded, hidden_states=states, attention_mask=MASK), logits(model))

    def test_none_for_several_layers(self, tiny_bert, tmp_path):
        model = GlotForSequenceClassification.from_backbone(tiny_bert, backbone_layers=[0, 2], **SMALL)
        model.save_pretrained(tmp_path)
        loaded = GlotForSequenceClassification.from_pretrained(tmp_path, load_backbone=False)
        states = model.glot(IDS, MASK, output_hidden_states=True).hidden_states
        states = torch.stack([states[0], states[2]], dim=2)
        torch.testing.assert_close(logits(loaded, hidden_states=states, attention_mask=MASK), logits(model))

    def test_missing(self, head_path, backbone_path):
        shutil.rmtree(backbone_path)
        with pytest.raises(OSError, match=f"{backbone_path}.*pass a loaded model as `backbone`"):
            GlotForSequenceClassification.from_pretrained(head_path)
        assert GlotForSequenceClassification.from_pretrained(head_path, load_backbone=False)

    def test_of_another_architecture(self, head_path, backbone_path, request, tmp_path):
        """Live or by its name: told is the one that the head was trained on."""
        with open(f"{backbone_path}/config.json") as file:
            model_type = json.load(file)["model_type"]
        other = {"bert": "llama", "llama": "bert"}[model_type]
        live = request.getfixturevalue(f"tiny_{other}")
        live.save_pretrained(tmp_path / "other")
        for backbone in (live, tmp_path / "other"):
            with pytest.raises(ValueError, match=f"backbone of type '{model_type}', not '{other}'.*{backbone_path}"):
                GlotForSequenceClassification.from_pretrained(head_path, backbone=backbone)

    def test_of_another_size(self, tiny_bert, tmp_path):
        GlotModel.from_backbone(tiny_bert, **SMALL).save_pretrained(tmp_path / "head")
        config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
        for other in (BertModel(config), str(tmp_path / "other")):
            BertModel(config).save_pretrained(tmp_path / "other")
            with pytest.raises(ValueError, match="size 32, but the backbone's are of size 16"):
                GlotModel.from_pretrained(tmp_path / "head", backbone=other)

    def test_of_another_depth(self, tiny_bert, tmp_path):
        """As all-MiniLM-L12 for all-MiniLM-L6: of the same type and width, and its states mean something else."""
        GlotModel.from_backbone(tiny_bert, **SMALL).save_pretrained(tmp_path)
        deeper = copy.deepcopy(tiny_bert.config)
        deeper.num_hidden_layers = 3
        with pytest.raises(ValueError, match="backbone of 2 layers, not 3"):
            GlotModel.from_pretrained(tmp_path, backbone=BertModel(deeper))

    def test_a_head_for_cached_states(self, tmp_path):
        """Made from `input_size` alone, it knows no backbone."""
        model = GlotForSequenceClassification(GlotConfig(input_size=32, **SMALL)).eval()
        model.save_pretrained(tmp_path)
        loaded = GlotForSequenceClassification.from_pretrained(tmp_path)
        states = torch.randn(2, 3, 32)
        torch.testing.assert_close(logits(loaded, hidden_states=states), logits(model, hidden_states=states))
