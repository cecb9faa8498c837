"""A head in sentence-transformers: its vectors, training, saving and publishing, and what is refused."""

import json

import numpy as np
import pytest
import torch
from datasets import Dataset
from huggingface_hub import ModelCard
from peft import LoraConfig, get_peft_model
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import Transformer
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    EvalPrediction,
    GPT2Config,
    GPT2Model,
    T5Config,
    T5EncoderModel,
    T5Model,
    YosoConfig,
    YosoModel,
)

from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel
from glot_hf.sentence_transformer import GlotPooling, to_sentence_transformer
from glot_hf.system.errors import InputError
from glot_hf.training.metrics import metrics_for


SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "tau": 0.3}
TEXTS = ["a lovely film", "an awful film, all in all", "", "there is a kitten on a rug", "film"]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 37}


@pytest.fixture
def tokenizer(minilm_path):
    return AutoTokenizer.from_pretrained(minilm_path)


@pytest.fixture
def bert(tokenizer):
    torch.manual_seed(0)
    return BertModel(BertConfig(vocab_size=len(tokenizer), **SIZES)).eval()


@pytest.fixture
def gpt2(tokenizer):
    """A decoder with absolute positions."""
    torch.manual_seed(0)
    return GPT2Model(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2)).eval()


@pytest.fixture(params=["bert", "gpt2"])
def backbone(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def model(bert, tokenizer, tmp_path):
    """A head whose backbone is in a folder."""
    bert.save_pretrained(tmp_path / "backbone")
    tokenizer.save_pretrained(tmp_path / "backbone")
    torch.manual_seed(1)
    return GlotModel.from_backbone(tmp_path / "backbone", **SMALL)


def assert_same(actual, expected):
    torch.testing.assert_close(torch.as_tensor(actual), torch.as_tensor(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("padding_side", "options"),
    [
        ("left", {}),
        ("right", {"pooling": "last"}),
        ("right", {"backbone_layers": 1, "input_norm": "layer"}),
        ("left", {"backbone_layers": [0, -2, -1], "projection_size": 5}),
    ],
)
def test_vectors_are_those_of_encode(backbone, padding_side, options, tokenizer, tmp_path):
    """Also after saving and loading, twice."""
    tokenizer.padding_side = padding_side
    model = GlotModel.from_backbone(backbone, **SMALL, **options)
    expected = model.encode(TEXTS, tokenizer)
    converted = to_sentence_transformer(model, tokenizer)
    assert converted.get_embedding_dimension() == model.config.hidden_size
    assert_same(converted.encode(TEXTS), expected)
    assert_same(model.encode(TEXTS, tokenizer), expected)
    for name in ("first", "second"):
        converted.save(str(tmp_path / name))
        converted = SentenceTransformer(str(tmp_path / name), trust_remote_code=True)
        assert_same(converted.encode(TEXTS, batch_size=2), expected)


def test_modules_by_hand(model, tokenizer):
    """The stock Transformer, whatever its tokenizer's padding side, and a head of one's own."""
    torch.manual_seed(0)
    transformer = Transformer(model.config.backbone_name_or_path, processor_kwargs={"padding_side": "left"})
    pooling = GlotPooling(input_size=transformer.get_embedding_dimension(), backbone_layers=[1, 2], **SMALL)
    converted = SentenceTransformer(modules=[transformer, pooling])
    own = GlotModel.from_backbone(transformer.model, backbone_layers=[1, 2], **SMALL)
    own.head.load_state_dict(pooling.pooler.state_dict())
    assert_same(converted.encode(TEXTS), own.encode(TEXTS, tokenizer))


def test_a_head_by_its_folder(model, tokenizer, tmp_path):
    """With the tokenizer of that folder, or else of the backbone."""
    expected = model.encode(TEXTS, tokenizer)
    model.save_pretrained(tmp_path / "head")
    assert_same(to_sentence_transformer(tmp_path / "head").encode(TEXTS), expected)
    assert_same(to_sentence_transformer(model).encode(TEXTS), expected)
    tokenizer.model_max_length = 3
    tokenizer.save_pretrained(tmp_path / "head")
    cut = model.encode(TEXTS, tokenizer)
    assert_same(to_sentence_transformer(str(tmp_path / "head")).encode(TEXTS), cut)
    assert not torch.allclose(cut, expected)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (GlotModel, {"backbone_layers": [0, -1], "projection_size": 5}),
        (GlotForSequenceClassification, {"pooling": "mean", "num_labels": 3}),
        (GlotForSequenceClassification, {"pair_mode": "cosine", "projection_size": 5}),
        (GlotModel, {"backbone_in_checkpoint": True}),
    ],
)
def test_a_saved_head_is_a_sentence_transformer(model, tokenizer, tmp_path, kind, options):
    """Its own folder, without a conversion; also when it is saved again."""
    head = kind.from_backbone(model.config.backbone_name_or_path, **SMALL, **options)
    expected = head.encode(TEXTS, tokenizer)
    head.save_pretrained(tmp_path / "head")
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(tmp_path / "head")
    loaded = SentenceTransformer(str(tmp_path / "head"))
    assert_same(loaded.encode(TEXTS, batch_size=2), expected)
    assert loaded.get_embedding_dimension() == head.config.hidden_size
    loaded.save(str(tmp_path / "again"))
    assert_same(SentenceTransformer(str(tmp_path / "again")).encode(TEXTS), expected)


def test_a_saved_head_is_a_sentence_transformer_where_glot_hf_is_not_installed(model, tokenizer, tmp_path, hub):
    model.save_pretrained(tmp_path / "head")
    tokenizer.save_pretrained(tmp_path / "head")
    code = f"""
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer("{tmp_path}/head", trust_remote_code=True)
        print(model.encode({TEXTS!r}).tolist())
    """
    output = hub.run_python(code, without_glot_hf=True, HF_HUB_OFFLINE="1")
    assert_same(json.loads(output.splitlines()[-1]), model.encode(TEXTS, tokenizer))


def test_a_head_without_vectors_is_no_sentence_transformer(model, tokenizer, tmp_path):
    """Also where another head was saved in its folder before."""
    late = GlotForSequenceClassification.from_backbone(model.config.backbone_name_or_path, pair_mode="late")
    for head in (model, late):
        head.save_pretrained(tmp_path / "head")
    tokenizer.save_pretrained(tmp_path / "head")
    with pytest.raises(ValueError, match="compares the tokens of two texts .*, and has no vector of one"):
        SentenceTransformer(str(tmp_path / "head"))


def test_a_backbone_in_a_subfolder(bert, tokenizer, tmp_path):
    """Where its tokenizer is too."""
    bert.save_pretrained(tmp_path / "several/first")
    tokenizer.save_pretrained(tmp_path / "several/first")
    model = GlotModel.from_backbone(tmp_path / "several", backbone_kwargs={"subfolder": "first"}, **SMALL)
    assert_same(to_sentence_transformer(model).encode(TEXTS), model.encode(TEXTS, tokenizer))


@pytest.mark.parametrize("projection_size", [None, 5])
def test_cosines_of_a_cosine_head_are_its_scores(model, tokenizer, projection_size, tmp_path, caplog):
    """One vector, whoever is asked for it: the classifier, a GlotModel of its folder, sentence-transformers."""
    model = GlotForSequenceClassification.from_backbone(
        model.config.backbone_name_or_path, pair_mode="cosine", projection_size=projection_size, **SMALL
    )
    first, second = (tokenizer(texts, padding=True, return_tensors="pt") for texts in (TEXTS, TEXTS[::-1]))
    pair = {f"{name}_b": second[name] for name in ("input_ids", "attention_mask")}
    vectors = model.encode(TEXTS, tokenizer)
    scores = torch.nn.functional.cosine_similarity(vectors, model.encode(TEXTS[::-1], tokenizer))
    assert_same(scores, model(**first, **pair).logits[:, 0].detach())
    assert_same(to_sentence_transformer(model, tokenizer).encode(TEXTS), vectors)
    model.save_pretrained(tmp_path / "head")
    for joined in (GlotModel.from_pretrained(tmp_path / "head"), AutoModel.from_pretrained(tmp_path / "head")):
        assert_same(joined.encode(TEXTS, tokenizer), vectors)
    joined.save_pretrained(tmp_path / "joined")
    assert_same(AutoModel.from_pretrained(tmp_path / "joined").encode(TEXTS, tokenizer), vectors)
    assert "similarity_projection" not in caplog.text
    for take in (lambda part: part.encode(TEXTS, tokenizer), lambda part: to_sentence_transformer(part, tokenizer)):
        with pytest.raises(ValueError, match="before its similarity_projection"):
            take(model.glot)


def test_its_own_evaluator_gives_our_number(model, tokenizer):
    texts, scores = [f"{text} {word}" for text in TEXTS for word in ("cat", "dog")], np.arange(10) % 7 / 6
    converted = to_sentence_transformer(model)
    theirs = converted.evaluate(EmbeddingSimilarityEvaluator(texts, texts[::-1], scores))
    a, b = (model.encode(batch, tokenizer) for batch in (texts, texts[::-1]))
    logits = torch.nn.functional.cosine_similarity(a, b)[:, None].numpy()
    ours = metrics_for("regression")(EvalPrediction(predictions=logits, label_ids=scores))
    assert theirs["spearman_cosine"] == pytest.approx(ours["spearman"], abs=1e-6)
    assert theirs["pearson_cosine"] == pytest.approx(ours["pearson"], abs=1e-6)


def test_prompts_and_normalisation(model, tokenizer):
    converted = to_sentence_transformer(model, normalize=True, prompts={"query": "find a "})
    expected = model.encode([f"find a {text}" for text in TEXTS], tokenizer)
    vectors = converted.encode(TEXTS, prompt_name="query")
    assert_same(vectors, torch.nn.functional.normalize(expected, dim=-1))
    assert_same(converted.encode_query(TEXTS), vectors)


def test_cut_vectors_are_of_length_one(model, tokenizer, tmp_path):
    converted = to_sentence_transformer(model, normalize=True, truncate_dim=8)
    assert converted.get_embedding_dimension() == 8
    expected = torch.nn.functional.normalize(model.encode(TEXTS, tokenizer)[:, :8], dim=-1)
    assert_same(converted.encode(TEXTS), expected)
    converted.save(str(tmp_path / "saved"))
    assert_same(SentenceTransformer(str(tmp_path / "saved"), trust_remote_code=True).encode(TEXTS), expected)
    with pytest.raises(ValueError, match=f"truncate_dim 9999 is not between 1 and {model.config.hidden_size}"):
        to_sentence_transformer(model, normalize=True, truncate_dim=9999)


def test_a_prompt_can_be_left_out_of_the_vectors(model, tokenizer, tmp_path):
    """The backbone reads it, the head does not; saved and loaded too."""
    converted = to_sentence_transformer(model, prompts={"query": "find a "})
    whole = converted.encode(TEXTS, prompt_name="query")
    converted.set_pooling_include_prompt(False)
    converted.save(str(tmp_path / "saved"))
    inputs = tokenizer([f"find a {text}" for text in TEXTS], padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model.backbone(**inputs).last_hidden_state
        inputs["attention_mask"][:, :3] = 0  # [CLS] find a
        expected = model.head(states, inputs["attention_mask"])
    for each in (converted, SentenceTransformer(str(tmp_path / "saved"), trust_remote_code=True)):
        assert_same(each.encode(TEXTS, prompt_name="query"), expected)
        assert_same(each.encode(TEXTS), model.encode(TEXTS, tokenizer))  # without a prompt all tokens count
    assert not np.allclose(whole, expected)


def test_a_live_model_stays_as_it_is(bert, tokenizer):
    """Its backbone's weights are not copied, but no module or option of it is set."""
    model = GlotForSequenceClassification.from_backbone(bert, backbone_layers=[0, -1], **SMALL)
    before, modules = bert.config.to_dict(), repr(bert)
    converted = to_sentence_transformer(model, tokenizer)
    converted[0].requires_grad_(True)
    converted.train()
    assert repr(bert) == modules and bert.pooler is not None and bert.config.to_dict() == before
    assert not any(parameter.requires_grad for parameter in bert.parameters())
    assert not any(module.training for module in bert.modules())
    of_words = converted.transformers_model.embeddings.word_embeddings.weight
    assert of_words.data_ptr() == bert.embeddings.word_embeddings.weight.data_ptr()


def test_a_chat_template_is_left_out(model, tokenizer):
    """Of itself sentence-transformers would make a chat of each text, which no head was trained on."""
    tokenizer.chat_template = "{% for message in messages %}chat {{ message['content'] }}{% endfor %}"
    converted = to_sentence_transformer(model, tokenizer)
    assert_same(converted.encode(TEXTS), model.encode(TEXTS, tokenizer))


def test_the_head_stays_in_float32(bert, tokenizer, tmp_path):
    model = GlotModel.from_backbone(bert.bfloat16(), **SMALL)
    expected = model.encode(TEXTS, tokenizer, batch_size=1)  # what else is in a batch changes bfloat16
    converted = to_sentence_transformer(model, tokenizer)
    assert_same(converted.encode(TEXTS, batch_size=1), expected)
    converted.save(str(tmp_path))
    again = SentenceTransformer(str(tmp_path), trust_remote_code=True)
    assert (again.transformers_model.dtype, next(again[1].parameters()).dtype) == (torch.bfloat16, torch.float32)
    assert_same(again.encode(TEXTS, batch_size=1), expected)


@pytest.mark.parametrize("frozen", [True, False])
def test_training(model, frozen, tmp_path):
    """By its own Trainer and loss; a frozen Transformer keeps its weights, and drops nothing out."""
    converted = to_sentence_transformer(model)
    if not frozen:
        converted[0].requires_grad_(True)
    before = {name: tensor.clone() for name, tensor in converted.state_dict().items()}
    pairs = {"anchor": TEXTS * 4, "positive": TEXTS[::-1] * 4}
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path),
        num_train_epochs=2,
        learning_rate=1e-3,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        report_to="none",
        disable_tqdm=True,
    )
    data, loss = Dataset.from_dict(pairs), MultipleNegativesRankingLoss(converted)
    trainer = SentenceTransformerTrainer(converted, arguments, train_dataset=data, eval_dataset=data, loss=loss)
    trainer.train()
    changed = {name for name, tensor in converted.state_dict().items() if not torch.equal(tensor, before[name])}
    assert any(name.startswith("1.pooler") for name in changed)
    assert any(name.startswith("0.model") for name in changed) is not frozen
    vectors = [converted.train()(converted.preprocess(TEXTS))["sentence_embedding"] for _ in range(2)]
    assert torch.equal(*vectors) is frozen


def test_a_process_without_glot_hf(model, tokenizer, hub, tmp_path):
    """Loads it, encodes also in other processes, saves and loads it again."""
    to_sentence_transformer(model).save(str(tmp_path / "first"))
    code = f"""
        import json, sys
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer("{tmp_path}/first", trust_remote_code=True)
        pool = model.start_multi_process_pool(["cpu"])
        found = [model.encode({TEXTS!r}), model.encode({TEXTS!r}, pool=pool)]
        model.stop_multi_process_pool(pool)
        model.save("{tmp_path}/again")
        found.append(SentenceTransformer("{tmp_path}/again", trust_remote_code=True).encode({TEXTS!r}))
        assert "glot_hf" not in [name for name, module in sys.modules.items() if module is not None]
        print(json.dumps([vectors.tolist() for vectors in found]))
    """
    output = hub.run_python(code, without_glot_hf=True, HF_HUB_OFFLINE="1")
    for vectors in json.loads(output.splitlines()[-1]):
        assert_same(vectors, model.encode(TEXTS, tokenizer))


def test_several_processes(bert, tokenizer):
    """With states of several layers, which this process has asked for before."""
    model = GlotModel.from_backbone(bert, backbone_layers=[0, 1, -1], **SMALL)
    converted = to_sentence_transformer(model, tokenizer)
    expected = model.encode(TEXTS, tokenizer)
    for _ in range(2):
        assert_same(converted.encode(TEXTS), expected)
    assert_same(converted.encode(TEXTS, device=["cpu", "cpu"], chunk_size=3), expected)
    assert_same(converted.encode(TEXTS), expected)


def test_publishing(model, tokenizer, hub_here, tmp_path):
    """Its own push: what arrives is complete, and names no path of this machine."""
    converted = to_sentence_transformer(model)
    converted.push_to_hub("tester/sentences")
    files = hub_here.files("tester/sentences")
    assert {"model.safetensors", "1_GlotPooling/model.safetensors", "sentence_transformer_glot.py"} <= set(files)
    assert not [name for name, data in files.items() if str(tmp_path).encode() in data or b"/tmp/" in data]
    code = f"""
        import json
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer("tester/sentences", trust_remote_code=True)
        print(json.dumps(model.encode({TEXTS!r}).tolist()))
    """
    vectors = json.loads(hub_here.run_python(code, without_glot_hf=True).splitlines()[-1])
    assert_same(vectors, model.encode(TEXTS, tokenizer))


def test_loading_says_nothing(model, tmp_path, caplog, capfd):
    """Of weights that are missing, above all."""
    to_sentence_transformer(model).save(str(tmp_path))
    capfd.readouterr()
    caplog.clear()
    SentenceTransformer(str(tmp_path), trust_remote_code=True)
    output = capfd.readouterr()
    assert "MISSING" not in output.out + output.err and not caplog.records


@pytest.mark.parametrize(("prompts", "examples"), [({}, "sentences = ["), ({"query": "find: "}, "queries = [")])
def test_the_model_card(model, tokenizer, tmp_path, prompts, examples):
    """Of a head and of modules made by hand; the example is one that loads."""
    model.config.backbone_name_or_path = "tester/bert"
    whole = to_sentence_transformer(model, tokenizer, prompts=prompts)
    for each, base in ((whole, "tester/bert"), (SentenceTransformer(modules=[*whole], prompts=prompts), None)):
        each.save(str(tmp_path / "saved"))
        card = ModelCard.load(tmp_path / "saved" / "README.md")
        assert 'model = SentenceTransformer("sentence_transformers_model_id", trust_remote_code=True)' in card.text
        assert examples in card.text
        assert "glot" in card.data.tags and card.data.base_model == base


def test_a_folder_of_this_machine_is_not_in_the_card(model, tokenizer, tmp_path):
    to_sentence_transformer(model, tokenizer).save(str(tmp_path / "saved"))
    assert str(tmp_path) not in (tmp_path / "saved" / "README.md").read_text()


def test_code_is_not_run_unasked(model, tmp_path):
    to_sentence_transformer(model).save(str(tmp_path))
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        SentenceTransformer(str(tmp_path))


def test_left_padding_is_refused(bert, tokenizer):
    converted = to_sentence_transformer(GlotModel.from_backbone(bert, **SMALL), tokenizer)
    converted.tokenizer.padding_side = "left"
    with pytest.raises(ValueError, match='padding_side = "right"'):
        converted.encode(TEXTS)


def test_layers_that_are_not_there():
    features = {"token_embeddings": torch.zeros(1, 2, 32), "attention_mask": torch.ones(1, 2)}
    with pytest.raises(ValueError, match="output_hidden_states = True"):
        GlotPooling(input_size=32, backbone_layers=0)(features)


def test_a_backbone_that_sees_padding(tokenizer):
    yoso = YosoModel(YosoConfig(vocab_size=len(tokenizer), **SIZES)).eval()
    with pytest.raises(ValueError, match="'yoso' backbone.*GlotModel.encode"):
        to_sentence_transformer(GlotModel.from_backbone(yoso, **SMALL), tokenizer)


def test_a_part_of_a_model(tokenizer, tmp_path):
    """It would not be found again. The way that the message names is as good."""
    config = T5Config(vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = GlotModel.from_backbone(tmp_path, **SMALL)
    with pytest.raises(ValueError, match="GlotPooling.from_head"):
        to_sentence_transformer(model, tokenizer)
    transformer = Transformer(str(tmp_path))
    assert isinstance(transformer.model, T5EncoderModel)
    converted = SentenceTransformer(modules=[transformer, GlotPooling.from_head(model)])
    assert_same(converted.encode(TEXTS), model.encode(TEXTS, tokenizer))


def test_adapters(bert, tokenizer):
    adapted = get_peft_model(bert, LoraConfig(target_modules=["query"]))
    with pytest.raises(ValueError, match="merge_and_unload"):
        to_sentence_transformer(GlotModel.from_backbone(adapted, **SMALL), tokenizer)


def test_no_tokenizer(bert):
    with pytest.raises(ValueError, match="pass the backbone's tokenizer"):
        to_sentence_transformer(GlotModel.from_backbone(bert, **SMALL))


def test_no_backbone(tokenizer):
    with pytest.raises(ValueError, match="without a backbone"):
        to_sentence_transformer(GlotModel(GlotConfig(input_size=32)), tokenizer)


def test_a_folder_of_something_else(bert, tmp_path):
    GlotConfig(input_size=32, architectures=["Another"]).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="Another"):
        to_sentence_transformer(tmp_path)
