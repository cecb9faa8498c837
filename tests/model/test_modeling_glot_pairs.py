"""Pairs: each text in a pass of its own, and the head that compares them."""

from unittest.mock import patch

import pytest
import torch
from datasets import Dataset
from transformers import Trainer, TrainingArguments

from glot_hf import GlotConfig, GlotForSequenceClassification
from glot_hf.data.examples import PairCollator, tokenize
from glot_hf.states.running import HiddenStateCollator, state_rows


SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "tau": 0.3}
MODES = ["concat", "interaction", "cosine", "late"]
LENGTHS, LENGTHS_B = [7, 4, 5], [6, 6, 2]  # valid tokens of each text


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(params=["tiny_bert", "tiny_llama"])
def backbone(request):
    return request.getfixturevalue(request.param)


def make(backbone, pair_mode="concat", **options):
    return GlotForSequenceClassification.from_backbone(backbone, pair_mode=pair_mode, **{**SMALL, **options})


def texts(lengths, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(5, 99, (length,), generator=generator) for length in lengths]


def pad(rows, side="right", extra=0):
    """Token ids of texts -> `(B, L)` ids and mask; `extra` columns of padding more than are needed."""
    length = max(map(len, rows)) + extra
    ids, mask = torch.zeros(2, len(rows), length, dtype=torch.long)
    for row, tokens in enumerate(rows):
        place = slice(0, len(tokens)) if side == "right" else slice(length - len(tokens), length)
        ids[row, place], mask[row, place] = tokens, 1
    return ids, mask


def pairs(side="right", side_b=None, extra=0, extra_b=0):
    ids, mask = pad(texts(LENGTHS, 1), side, extra)
    ids_b, mask_b = pad(texts(LENGTHS_B, 2), side_b or side, extra_b)
    return {"input_ids": ids, "attention_mask": mask, "input_ids_b": ids_b, "attention_mask_b": mask_b}


def run(model, **inputs):
    """Logits, and how often the backbone was run."""
    backbone = model.glot.backbone
    with patch.object(backbone, "forward", wraps=backbone.forward) as forward:
        logits = model(**inputs).logits
    return logits, forward.call_count


def assert_close(actual, expected, bound=1e-6):
    assert ((actual - expected).norm() / expected.norm()).item() < bound


class TestBothTexts:
    @pytest.mark.parametrize("absent", [[], ["attention_mask"], ["attention_mask_b"]], ids=str)
    def test_each_has_the_vector_that_it_has_alone(self, backbone, absent):
        """From a pass of its own: one over both would not be faster, and would pad the shorter ones."""
        model = make(backbone, backbone_layers=[0, -1])
        inputs = {name: tensor for name, tensor in pairs("left").items() if name not in absent}
        logits, calls = run(model, **inputs)
        assert calls == 2
        vectors = [
            model.glot(inputs[f"input_ids{suffix}"], inputs.get(f"attention_mask{suffix}")).pooler_output
            for suffix in ("", "_b")
        ]
        assert_close(logits, model.classifier(torch.cat(vectors, dim=-1)))

    @pytest.mark.parametrize("kind", [0, 1])
    def test_token_types(self, tiny_bert, kind):
        """Tokenizers like BERT's give them for the first text, all zeros."""
        model, inputs = make(tiny_bert), pairs()
        logits = model(token_type_ids=torch.full_like(inputs["input_ids"], kind), **inputs).logits
        separate = tiny_bert(inputs["input_ids"], inputs["attention_mask"], torch.full_like(inputs["input_ids"], kind))
        first = model.glot.head(separate.last_hidden_state, inputs["attention_mask"])
        second = model.glot(inputs["input_ids_b"], inputs["attention_mask_b"]).pooler_output
        assert_close(logits, model.classifier(torch.cat([first, second], dim=-1)))

    def test_states_or_embeddings_of_one(self, tiny_bert):
        """And the other as ids."""
        model, inputs = make(tiny_bert), pairs()
        expected = model(**inputs).logits
        for suffix in ("", "_b"):
            mixed = dict(inputs)
            ids = mixed.pop(f"input_ids{suffix}")
            mixed[f"hidden_states{suffix}"] = tiny_bert(ids, inputs[f"attention_mask{suffix}"]).last_hidden_state
            logits, calls = run(model, **mixed)
            assert calls == 1
            assert_close(logits, expected)
        embeddings = tiny_bert.get_input_embeddings()(inputs.pop("input_ids"))
        assert_close(model(inputs_embeds=embeddings, **inputs).logits, expected)

    def test_texts_without_a_token(self, tiny_llama):
        model, empty = make(tiny_llama), torch.zeros(2, 0, dtype=torch.long)
        assert run(model, input_ids=empty, input_ids_b=empty)[1] == 0
        assert run(model, input_ids=empty, input_ids_b=torch.randint(5, 99, (2, 3)))[1] == 1

    def test_details_are_of_the_first(self, tiny_bert):
        model, inputs = make(tiny_bert), pairs("left")
        output = model(**inputs, output_adjacency=True, output_readout_weights=True, output_hidden_states=True)
        expected = model.glot(inputs["input_ids"], inputs["attention_mask"], output_adjacency=True)
        assert torch.equal(output.adjacency, expected.adjacency)
        assert output.readout_weights.shape == (3, 7) and output.hidden_states[0].shape == (3, 7, 32)

    def test_batch_norm_sees_one_sentence_after_the_other(self, tiny_bert):
        """As in the released code: statistics of 2B rows at once would be others."""
        model = make(tiny_bert, gnn_type="gin").train()
        model(**pairs())
        assert model.glot.head.pooling.layers[0].norm.num_batches_tracked == 2

    def test_gradients(self, backbone):
        model = make(backbone, num_labels=3).train()
        labels = torch.tensor([0, 1, 2])
        model(**pairs(), labels=labels).loss.backward()
        for name, parameter in model.named_parameters():
            assert (parameter.grad is None) == name.startswith("glot.backbone."), name
            assert parameter.grad is None or parameter.grad.isfinite().all(), name
        backbone.requires_grad_(True)
        model(**pairs(), labels=labels).loss.backward()
        assert backbone.get_input_embeddings().weight.grad.any()


@pytest.mark.parametrize("pair_mode", MODES)
class TestInvariance:
    def test_padding(self, backbone, pair_mode):
        model = make(backbone, pair_mode)
        expected = model(**pairs()).logits
        for sides in (("left", "left"), ("left", "right"), ("right", "left")):
            for extra, extra_b in ((0, 0), (3, 0), (0, 3), (1, 30)):
                assert_close(model(**pairs(*sides, extra=extra, extra_b=extra_b)).logits, expected, bound=1e-5)

    def test_order_and_company(self, backbone, pair_mode):
        model, inputs = make(backbone, pair_mode), pairs("left")
        expected = model(**inputs).logits
        order = torch.tensor([2, 0, 1])
        actual = model(**{name: tensor[order] for name, tensor in inputs.items()}).logits
        assert_close(actual, expected[order], bound=1e-5)
        for row in range(3):
            alone = model(**{name: tensor[row : row + 1] for name, tensor in inputs.items()}).logits
            assert_close(alone, expected[row : row + 1], bound=1e-5)

    def test_swapping(self, backbone, pair_mode):
        model, inputs = make(backbone, pair_mode), pairs()
        swapped = {name: inputs[name[:-2] if name.endswith("_b") else f"{name}_b"] for name in inputs}
        logits, others = model(**inputs).logits, model(**swapped).logits
        if pair_mode in ("cosine", "late"):  # late, until training gives both directions different weights
            assert_close(others, logits, bound=1e-5)
        else:
            assert ((others - logits).norm() / logits.norm()).item() > 1e-3


class TestTrainer:
    @pytest.fixture
    def examples(self):
        return Dataset.from_dict(
            {
                "text": ["a man sleeps", "two dogs run in the park", "rain"] * 2,
                "text_pair": ["somebody is asleep now", "cats", "it is raining"] * 2,
                "labels": [1, 0, 1] * 2,
            }
        )

    def train(self, model, rows, collator, folder):
        arguments = TrainingArguments(
            folder, max_steps=3, per_device_train_batch_size=3, learning_rate=0.1, use_cpu=True, report_to=[]
        )
        arguments.optim = (
            "sgd"  # Adam makes a step of the rounding in a gradient that is zero, that of a softmax's bias
        )
        arguments.disable_tqdm = True
        trainer = Trainer(model, arguments, train_dataset=rows, data_collator=collator)
        trainer.train()
        return {name: tensor for name, tensor in model.state_dict().items() if "backbone" not in name}

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_on_text_and_on_states(self, minilm_path, minilm_tokenizer, examples, tmp_path, side, monkeypatch):
        """Both give one head."""
        monkeypatch.setattr(minilm_tokenizer, "padding_side", side)
        model = make(minilm_path, num_labels=2)
        start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        rows = tokenize(examples, minilm_tokenizer, max_length=32)
        on_text = self.train(model, rows, PairCollator(minilm_tokenizer), tmp_path)

        headless = GlotForSequenceClassification(GlotConfig(input_size=384, pair_mode="concat", num_labels=2, **SMALL))
        headless.load_state_dict({name: tensor for name, tensor in start.items() if "backbone" not in name})
        states = state_rows(model.glot.backbone, minilm_tokenizer, examples)
        on_states = self.train(headless, states, HiddenStateCollator(), tmp_path)
        torch.testing.assert_close(on_states, on_text, atol=1e-4, rtol=1e-3)
        assert not torch.equal(on_text["classifier.weight"], start["classifier.weight"])


@pytest.mark.parametrize("pair_mode", MODES)
def test_as_many_second_sentences_as_first(pair_mode):
    """One would be compared with all, without a word."""
    model = GlotForSequenceClassification(GlotConfig(input_size=8, pair_mode=pair_mode))
    with pytest.raises(ValueError, match="3 first and 1 second sentences"):
        model(hidden_states=torch.randn(3, 4, 8), hidden_states_b=torch.randn(1, 4, 8))
