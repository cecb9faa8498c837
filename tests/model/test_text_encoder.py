"""Which part of a model reads text, and what is refused because none does."""

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    AutoConfig,
    AutoModel,
    BertForMaskedLM,
    LlamaForCausalLM,
    T5Config,
    T5EncoderModel,
    T5ForConditionalGeneration,
)

from glot_hf import GlotForSequenceClassification, GlotModel
from glot_hf.model.backbone_forward_glot import run_backbone
from glot_hf.model.backbone_glot import load_backbone, text_encoder


TEXT = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
DECODER = TEXT | {"num_key_value_heads": 2, "head_dim": 8}
VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 8,
    "patch_size": 4,
}
ROPE = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
QWEN_VISION = {"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "patch_size": 4}
OF_SEVERAL = {  # models that also see: their sizes, and what reads the text
    "clip": ({"text_config": TEXT, "vision_config": VISION, "projection_dim": 16}, "CLIPTextModel"),
    "gemma3": ({"text_config": DECODER, "vision_config": VISION, "mm_tokens_per_image": 4}, "Gemma3TextModel"),
    "qwen2_vl": (
        {"text_config": DECODER | {"rope_parameters": ROPE}, "vision_config": QWEN_VISION},
        "Qwen2VLTextModel",
    ),
    "siglip": ({"text_config": TEXT, "vision_config": VISION}, "SiglipTextModel"),
}
T5_GEMMA = {"encoder": DECODER, "decoder": DECODER | {"cross_attention_hidden_size": 32}}
REFUSED = {  # models that read no text
    "regnet": {"embedding_size": 8, "hidden_sizes": [8], "depths": [1], "groups_width": 4},
    "vit": VISION,
    "wav2vec2": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48},
    "whisper": {"d_model": 96, "encoder_layers": 1, "decoder_layers": 1},
}
IDS = torch.randint(3, 60, (2, 7), generator=torch.Generator().manual_seed(0))


def random_model(model_type, sizes):
    torch.manual_seed(0)
    return AutoModel.from_config(AutoConfig.for_model(model_type, **sizes)).eval()


def test_of_a_model_with_a_task_head(tiny_bert, tiny_llama):
    assert text_encoder(tiny_bert) is tiny_bert
    with_head = BertForMaskedLM(tiny_bert.config)
    assert text_encoder(with_head) is with_head.bert
    with_head = LlamaForCausalLM(tiny_llama.config)
    assert text_encoder(with_head) is with_head.model


def test_of_an_encoder_and_decoder():
    config = T5Config(vocab_size=99, d_model=32, d_ff=37, num_layers=1, num_heads=4, d_kv=8)
    with_head = T5ForConditionalGeneration(config)
    assert text_encoder(with_head) is with_head.encoder
    ids = torch.ones(1, 3, dtype=torch.long)
    assert text_encoder(T5EncoderModel(config))(input_ids=ids).last_hidden_state.shape == (1, 3, 32)


@pytest.mark.parametrize("model_type", ["big_bird", "bigbird_pegasus"])
def test_sparse_attention_that_is_left_at_the_first_short_text(model_type):
    """A long text gets the same states before a short one and after it."""
    sizes = {"block_size": 2, "num_random_blocks": 1, "attention_type": "block_sparse", "max_position_embeddings": 64}
    both = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 4}
    torch.manual_seed(0)
    backbone = text_encoder(random_model(model_type, {**(TEXT if model_type == "big_bird" else both), **sizes}))
    long_text = torch.randint(3, 60, (1, 40))
    with torch.no_grad():
        before = run_backbone(backbone, {"input_ids": long_text}).states
        run_backbone(backbone, {"input_ids": IDS})
        assert torch.equal(run_backbone(backbone, {"input_ids": long_text}).states, before)


@pytest.mark.parametrize("model_type", OF_SEVERAL)
def test_of_a_model_that_also_sees(model_type, tmp_path):
    """The text part alone is held, and its head comes back from the folder of the whole."""
    sizes, part = OF_SEVERAL[model_type]
    random_model(model_type, sizes).save_pretrained(tmp_path / "backbone")
    model = GlotForSequenceClassification.from_backbone(tmp_path / "backbone", gnn_hidden_size=8)
    assert type(model.glot.backbone).__name__ == part
    model.save_pretrained(tmp_path / "head")
    reloaded = GlotForSequenceClassification.from_pretrained(tmp_path / "head")
    with torch.no_grad():
        torch.testing.assert_close(reloaded(IDS).logits, model(IDS).logits)


@pytest.mark.parametrize("model_type", ["gemma3", "qwen2_vl"])
def test_the_text_part_says_what_the_whole_says_of_a_text(model_type):
    model = random_model(model_type, OF_SEVERAL[model_type][0])
    with torch.no_grad():
        expected = model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
        states = GlotModel.from_backbone(model)(IDS, output_hidden_states=True).hidden_states[-1]
    torch.testing.assert_close(states, expected)


def test_a_loaded_model_is_recorded_by_its_own_name(tmp_path):
    """A part of it has none."""
    random_model("gemma3", OF_SEVERAL["gemma3"][0]).save_pretrained(tmp_path)
    model = GlotModel.from_backbone(AutoModel.from_pretrained(tmp_path))
    assert model.config.backbone_name_or_path == str(tmp_path)


def test_a_part_with_a_configuration_of_its_own(tmp_path):
    """T5Gemma's encoder is of a type that transformers does not build alone: its head comes back all the same."""
    random_model("t5gemma", T5_GEMMA).save_pretrained(tmp_path / "backbone")
    model = GlotForSequenceClassification.from_backbone(tmp_path / "backbone", gnn_hidden_size=8)
    model.save_pretrained(tmp_path / "head")
    reloaded = GlotForSequenceClassification.from_pretrained(tmp_path / "head")
    with torch.no_grad():
        torch.testing.assert_close(reloaded(IDS).logits, model(IDS).logits)
    with pytest.raises(StrictDataclassError, match="backbone_in_checkpoint=True needs .* 't5_gemma_module' is not"):
        GlotForSequenceClassification.from_backbone(
            tmp_path / "backbone", gnn_hidden_size=8, backbone_in_checkpoint=True
        ).save_pretrained(tmp_path / "complete")


class TestRefused:
    @pytest.mark.parametrize("model_type", REFUSED)
    def test_before_its_weights_are_loaded(self, model_type, tmp_path):
        """There are none here."""
        AutoConfig.for_model(model_type, **REFUSED[model_type]).save_pretrained(tmp_path)
        with pytest.raises(ValueError, match=f"a '{model_type}' model reads .* choose a text model"):
            load_backbone(str(tmp_path))

    @pytest.mark.parametrize("model_type", REFUSED)
    def test_a_loaded_model(self, model_type):
        model = random_model(model_type, REFUSED[model_type])
        with pytest.raises(ValueError, match=f"'{model_type}' model reads .* choose a text model"):
            GlotModel.from_backbone(model)

    def test_text_that_is_read_only_together_with_a_picture(self):
        sizes = {**TEXT, "input_size": 8, "patch_size": 4, "coordinate_size": 4, "shape_size": 4}
        with pytest.raises(ValueError, match="'layoutlmv3' model reads image and text, and no part of it text alone"):
            text_encoder(random_model("layoutlmv3", sizes))

    def test_an_encoder_that_cannot_be_run_alone(self):
        sizes = {"d_model": 32, "langs": ["en", "de"], "src_vocab_size": 9, "tgt_vocab_size": 9}
        with pytest.raises(ValueError, match="encoder of a 'fsmt' model cannot be run alone"):
            text_encoder(random_model("fsmt", sizes))

    def test_a_model_that_hashes_at_random(self, tmp_path):
        config = AutoConfig.for_model("reformer", attn_layers=["local", "lsh"])
        config.save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="'reformer' model with lsh attention hashes at random"):
            load_backbone(str(tmp_path))

    def test_not_a_model(self):
        with pytest.raises(TypeError, match="not Linear"):
            text_encoder(torch.nn.Linear(2, 2))
