"""Which options of `from_pretrained` go to the backbone, which to the head, and which nowhere by themselves."""

import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, Trainer, TrainingArguments

from glot_hf import GlotForSequenceClassification, GlotModel


SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "tau": 0.3}
IDS = torch.randint(5, 99, (3, 6), generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])


def logits(model):
    with torch.no_grad():
        return model(IDS, MASK).logits


class TestOptions:
    """`dtype`, `device_map`, `attn_implementation` are the backbone's; trust is never passed on by itself."""

    LOADERS = [GlotModel, GlotForSequenceClassification, AutoModel, AutoModelForSequenceClassification]

    @pytest.mark.parametrize("loader", LOADERS)
    @pytest.mark.filterwarnings("ignore:.*trust_remote_code")
    def test_trust_is_not_passed_on(self, head_path, backbone_calls, loader):
        loader.from_pretrained(head_path, trust_remote_code=True)
        assert len(backbone_calls) == 1
        assert backbone_calls[0]["trust_remote_code"] is False  # and nobody is asked at a prompt

    def test_trust_is_passed_on_where_it_is_meant(self, head_path, backbone_path, backbone_calls):
        options = {"trust_remote_code": True}
        GlotModel.from_pretrained(head_path, backbone_kwargs=options)
        GlotModel.from_backbone(backbone_path, backbone_kwargs=options, **SMALL)
        assert [call["trust_remote_code"] for call in backbone_calls] == [True, True]

    @pytest.mark.parametrize("loader", LOADERS)
    @pytest.mark.parametrize(
        "option, value",
        [
            ("attn_implementation", "eager"),
            ("dtype", torch.bfloat16),
            ("device_map", "cpu"),
            ("device_map", "auto"),
        ],
    )
    def test_options_of_the_backbone(self, head_path, backbone_calls, loader, option, value):
        model = loader.from_pretrained(head_path, **{option: value})
        assert backbone_calls[-1][option] == value
        backbone = model.base_model.backbone
        assert backbone.config._attn_implementation == ("eager" if option == "attn_implementation" else "sdpa")
        assert backbone.dtype == (torch.bfloat16 if option == "dtype" else torch.float32)
        assert model.dtype == torch.float32
        assert {parameter.dtype for parameter in model.base_model.head.parameters()} == {torch.float32}

    def test_how_to_reach_the_hub_is_said_once(self, head_path, backbone_calls):
        GlotModel.from_pretrained(head_path, token="hf_x", local_files_only=True)
        assert backbone_calls[-1] == {"token": "hf_x", "local_files_only": True, "trust_remote_code": False}

    def test_backbone_kwargs_come_first(self, head_path, backbone_calls):
        GlotModel.from_pretrained(head_path, dtype=torch.bfloat16, backbone_kwargs={"dtype": torch.float16})
        assert backbone_calls[-1] == {"dtype": torch.float16, "trust_remote_code": False}

    def test_options_of_the_head(self, head_path):
        model = GlotForSequenceClassification.from_pretrained(head_path, tau=0.9)
        assert model.config.similarity_threshold == model.glot.head.pooling.threshold == 0.9
        with pytest.raises(TypeError, match="tua"):
            GlotForSequenceClassification.from_pretrained(head_path, tua=0.9)


@pytest.mark.parametrize("attn_implementation", ["eager", "sdpa"])
@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float32, 1e-5), (torch.float16, 5e-3), (torch.bfloat16, 4e-2)], ids=str
)
def test_attention_and_precision(backbone_path, tmp_path, attn_implementation, dtype, tolerance):
    """The same vectors, within what the backbone's dtype can tell apart."""
    torch.manual_seed(0)  # all tokens are joined: no cosine can cross the threshold
    model = GlotModel.from_backbone(backbone_path, **SMALL | {"tau": -1.0})
    model.save_pretrained(tmp_path / "head")
    other = GlotModel.from_pretrained(tmp_path / "head", dtype=dtype, attn_implementation=attn_implementation)
    assert (other.backbone.dtype, other.backbone.config._attn_implementation) == (dtype, attn_implementation)
    with torch.no_grad():
        expected, vectors = (model(IDS, MASK).pooler_output for model in (model, other))
    assert vectors.dtype == torch.float32
    assert ((vectors - expected).norm(dim=-1) / expected.norm(dim=-1)).max() < tolerance


def test_a_head_is_not_quantized_because_its_backbone_is(tiny_bert, tmp_path):
    """transformers looks for a quantization in the nested configuration too, and Trainer then refuses the head."""
    tiny_bert.config.quantization_config = {"quant_method": "gguf", "gguf_file": "x.gguf"}
    model = GlotForSequenceClassification.from_backbone(tiny_bert, **SMALL)
    model.save_pretrained(tmp_path)
    reloaded = GlotForSequenceClassification.from_pretrained(tmp_path, load_backbone=False)
    assert getattr(reloaded, "hf_quantizer", None) is None and not getattr(reloaded, "is_quantized", False)
    assert tiny_bert.config.quantization_config["gguf_file"] == "x.gguf"  # the live one is left as it was


class TestDtype:
    @pytest.fixture
    def bf16_head(self, backbone_path, tmp_path):
        """A bfloat16 backbone whose checkpoint is float32."""
        model = GlotForSequenceClassification.from_backbone(
            backbone_path, backbone_kwargs={"dtype": torch.bfloat16}, **SMALL
        )
        model.save_pretrained(tmp_path / "bf16_head")
        return model, str(tmp_path / "bf16_head")

    @pytest.mark.parametrize("loader", [GlotForSequenceClassification, AutoModelForSequenceClassification])
    def test_is_recorded(self, bf16_head, loader):
        model, path = bf16_head
        loaded = loader.from_pretrained(path)
        assert (loaded.glot.backbone.dtype, loaded.dtype) == (torch.bfloat16, torch.float32)
        assert loaded.config.backbone_load_kwargs == {"dtype": "bfloat16"}
        torch.testing.assert_close(logits(loaded), logits(model), rtol=0, atol=1e-2)  # its weights lie elsewhere

    @pytest.mark.parametrize("option", ["dtype", "torch_dtype"])
    def test_another_one_is_honoured(self, bf16_head, option):
        """Under its old name, too."""
        loaded = GlotForSequenceClassification.from_pretrained(bf16_head[1], **{option: torch.float32})
        assert loaded.glot.backbone.dtype == torch.float32

    def test_auto_is_the_recorded_one(self, bf16_head):
        """`pipeline()` always passes dtype="auto": it must not change what the head computes."""
        loaded = GlotForSequenceClassification.from_pretrained(bf16_head[1], dtype="auto")
        assert loaded.glot.backbone.dtype == torch.bfloat16


class TestDevices:
    def test_the_head_follows_the_backbone(self, backbone_path, head_path, monkeypatch):
        """Also a new one. There is one device here; "meta" stands for another."""
        monkeypatch.setattr("glot_hf.model.backbone_holder_glot.device_of", lambda backbone: torch.device("meta"))
        for model in (GlotModel.from_backbone(backbone_path, **SMALL), GlotModel.from_pretrained(head_path)):
            assert {parameter.device.type for parameter in model.head.parameters()} == {"meta"}
            assert {parameter.device.type for parameter in model.backbone.parameters()} == {"cpu"}

    def test_an_offloaded_backbone(self, model, backbone_path, head_path, tmp_path):
        """Its first parameters lie on no device."""
        first, *others = dict.fromkeys(
            name.split(".")[0] for name in AutoModel.from_pretrained(backbone_path).state_dict()
        )
        device_map = {first: "disk"} | dict.fromkeys(others, "cpu")
        options = {"device_map": device_map, "offload_folder": str(tmp_path / "offload")}
        loaded = GlotForSequenceClassification.from_pretrained(head_path, **options)
        assert loaded.glot.backbone.device.type == "meta"
        assert {parameter.device.type for parameter in loaded.glot.head.parameters()} == {"cpu"}
        torch.testing.assert_close(logits(loaded), logits(model))
        loaded.save_pretrained(tmp_path / "again")
        again = GlotForSequenceClassification.from_pretrained(tmp_path / "again")
        torch.testing.assert_close(logits(again), logits(model))

    def test_trainer_leaves_a_backbone_over_several_devices_where_it_is(self, tiny_bert, tmp_path):
        tiny_bert.hf_device_map = {"embeddings": 0, "encoder.layer.0": 1, "encoder.layer.1": "cpu"}
        model = GlotForSequenceClassification.from_backbone(tiny_bert, **SMALL)
        trainer = Trainer(model, TrainingArguments(str(tmp_path), use_cpu=True, report_to="none"))
        assert trainer.is_model_parallel and not trainer.place_model_on_device
        model.save_pretrained(tmp_path / "head")  # without the warning that offloaded modules will be loaded

    def test_on_one_device_nothing_is_said_of_several(self, head_path):
        assert not hasattr(GlotModel.from_pretrained(head_path, device_map="cpu"), "hf_device_map")
