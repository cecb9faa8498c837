"""Late interaction: tokens of two texts compared, against a loop over pairs and tokens in float64."""

import math

import pytest
import torch
from datasets import Dataset
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor

import glot_hf.model.late_glot as late_glot
from glot_hf import GlotConfig, GlotForSequenceClassification, GlotModel
from glot_hf.data.examples import PairCollator, tokenize
from glot_hf.model.late_glot import LateInteraction
from glot_hf.states.running import HiddenStateCollator, compute_hidden_states
from glot_hf.training.linear_fit import is_linear


SIZE, MODES = 12, ["late", "late_mean"]
LENGTHS, LENGTHS_B = [5, 3, 1], [2, 6, 4]


def make(trained=True, **options):
    """A module in which every parameter has an effect, or one as it is before training."""
    torch.manual_seed(0)
    late = LateInteraction(GlotConfig(input_size=SIZE, **{"pair_mode": "late", "num_labels": 3} | options))
    if trained:
        for name, parameter in late.named_parameters():
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter) * (0.05 if name in ("weight", "bias") else 0.5))
    return late


def texts(lengths, seed, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(length, SIZE, generator=generator) for length in lengths]


def pad(rows, left=False, extra=0, fill=math.nan):
    length = max(map(len, rows)) + extra
    states, mask = torch.full((len(rows), length, SIZE), fill), torch.zeros(len(rows), length, dtype=torch.bool)
    for row, tokens in enumerate(rows):
        place = slice(length - len(tokens), length) if left else slice(0, len(tokens))
        states[row, place], mask[row, place] = tokens, True
    return states, mask


def pairs(**options):
    return *pad(texts(LENGTHS, 1), **options), *pad(texts(LENGTHS_B, 2), **options)


def unit(vector: Tensor) -> Tensor:
    return vector / vector.norm()


def oracle(late: LateInteraction, a: Tensor, b: Tensor) -> Tensor:
    """Logits of one pair `(L_a, d)`, `(L_b, d)` as the definition reads, one token at a time."""
    p = {name: parameter.detach().double() for name, parameter in late.named_parameters()}
    a, b = a.double(), b.double()
    e, f = ([unit(unit(x) + p["up"] @ (p["down"] @ unit(x))) for x in text] for text in (a, b))

    def side(own, other, states):
        if late.against_mean:
            other = [unit(torch.stack(other).mean(0))]
        matches = []
        for token in own:
            cosines = torch.stack([token @ each for each in other])
            matches.append(
                (torch.exp(p["sharpness"] * cosines) * cosines).sum() / torch.exp(p["sharpness"] * cosines).sum()
            )
        weights = torch.exp(torch.stack([p["token_scorer"] @ x for x in states]))
        return (weights / weights.sum()) @ torch.stack(matches)

    means = [text.mean(0) + p["mean_map"] @ text.mean(0) for text in (a, b)]
    features = torch.stack([unit(means[0]) @ unit(means[1]), side(e, f, a), side(f, e, b)])
    scale = 1 if late.is_regression else 10
    return scale * 10 * p["weight"] @ (features - 0.7) + 10 * p["bias"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [
        {"num_labels": 1},
        {"num_labels": 2},
        {"num_labels": 3},
        {"num_labels": 3, "problem_type": "multi_label_classification"},
        {"num_labels": 2, "problem_type": "regression"},
    ],
    ids=str,
)
@pytest.mark.parametrize("trained", [False, True])
def test_as_the_definition_reads(mode, options, trained):
    late = make(trained, pair_mode=mode, **options)
    expected = torch.stack([oracle(late, a, b) for a, b in zip(texts(LENGTHS, 1), texts(LENGTHS_B, 2))])
    torch.testing.assert_close(late(*pairs()).double(), expected, atol=1e-4, rtol=1e-5)


class TestBeforeTraining:
    def score(self, **options):
        """z of the definition, by the head for regression."""
        return make(False, num_labels=1, **options)(*pairs())[:, 0]

    def test_a_score_of_equal_texts(self):
        late, (states, mask, *_) = make(False, num_labels=1), pairs()
        assert (late(states, mask, states, mask) > 0.9).all()

    def test_two_classes(self):
        """Cross-entropy is the binary one of the logit 10 (z - 0.7)."""
        logits = make(False, num_labels=2)(*pairs())
        torch.testing.assert_close(logits[:, 1] - logits[:, 0], 10 * (self.score() - 0.7))
        torch.testing.assert_close(logits.sum(dim=1), torch.zeros(3), atol=1e-5, rtol=0)

    def test_several_labels(self):
        logits = make(False, num_labels=4, problem_type="multi_label_classification")(*pairs())
        torch.testing.assert_close(logits, 10 * (self.score() - 0.7)[:, None].expand(3, 4))

    def test_more_classes(self):
        """From the least alike to the most."""
        logits = make(False, num_labels=3)(*pairs())
        torch.testing.assert_close(logits[:, 2] - logits[:, 0], 10 * (self.score() - 0.7))
        assert not logits[:, 1].any()

    def test_the_control_has_the_same_parameters(self):
        late, control = make(False), make(False, pair_mode="late_mean")
        assert all(torch.equal(a, b) for a, b in zip(late.parameters(), control.parameters(), strict=True))
        assert not torch.allclose(late(*pairs()), control(*pairs()))


@pytest.mark.parametrize("mode", MODES)
class TestInvariance:
    def test_padding(self, mode):
        late = make(pair_mode=mode)
        expected = late(*pairs(fill=0.0))
        for options in ({}, {"left": True}, {"extra": 4}, {"left": True, "extra": 30}, {"fill": 1e30}):
            torch.testing.assert_close(late(*pairs(**options)), expected, atol=1e-5, rtol=1e-5)

    def test_company_and_order_of_texts(self, mode):
        late, inputs = make(pair_mode=mode), pairs()
        expected = late(*inputs)
        for row in range(3):
            alone = late(*(each[row : row + 1] for each in inputs))
            torch.testing.assert_close(alone, expected[row : row + 1], atol=1e-5, rtol=1e-5)
        order = torch.tensor([2, 0, 1])
        torch.testing.assert_close(late(*(each[order] for each in inputs)), expected[order], atol=1e-5, rtol=1e-5)

    def test_order_of_tokens(self, mode):
        late = make(pair_mode=mode)
        flipped = *pad([text.flip(0) for text in texts(LENGTHS, 1)]), *pad([t.flip(0) for t in texts(LENGTHS_B, 2)])
        torch.testing.assert_close(late(*flipped), late(*pairs()), atol=1e-5, rtol=1e-5)

    def test_swapping(self, mode):
        """Swaps both directions, which count alike where u_2 = u_3."""
        late, (a, mask_a, b, mask_b) = make(pair_mode=mode), pairs()
        assert not torch.allclose(late(b, mask_b, a, mask_a), late(a, mask_a, b, mask_b))
        with torch.no_grad():
            late.weight[:, 2] = late.weight[:, 1]
        torch.testing.assert_close(late(b, mask_b, a, mask_a), late(a, mask_a, b, mask_b), atol=1e-5, rtol=1e-5)

    def test_texts_of_very_different_lengths(self, mode):
        """Which are packed in groups."""
        late, rows, others = make(pair_mode=mode), texts([2] * 30 + [200], 1), texts([3] * 30 + [150], 2)
        actual = late(*pad(rows), *pad(others))
        expected = torch.stack([oracle(late, a, b) for a, b in zip(rows[-2:], others[-2:])])
        torch.testing.assert_close(actual[-2:].double(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("mode", MODES)
class TestNumerics:
    def test_texts_without_a_token_and_states_of_zero(self, mode):
        late = make(pair_mode=mode)
        a, mask_a, b, mask_b = pairs()
        mask_a[0], mask_b[1], mask_a[2], mask_b[2] = False, False, False, False
        a[1] = 0
        logits = late(a, mask_a, b, mask_b)
        expected = 10 * late.bias - 70 * late.weight.sum(dim=1)
        torch.testing.assert_close(logits, expected.expand(3, 3), atol=1e-5, rtol=1e-5)
        logits.square().sum().backward()
        assert all(parameter.grad.isfinite().all() for parameter in late.parameters())
        assert late(torch.zeros(2, 0, SIZE), torch.zeros(2, 0, dtype=torch.bool), b[:2], mask_b[:2]).isfinite().all()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision(self, mode, dtype):
        """States whose square is past float16's largest number, and of a massive dimension."""
        late, (a, mask_a, b, mask_b) = make(pair_mode=mode), pairs()
        a, b = 300 * a, 300 * b
        late.token_scorer.data /= 300
        expected = late(a, mask_a, b, mask_b)
        logits = late.to(dtype)(a.to(dtype), mask_a, b.to(dtype), mask_b)
        assert logits.dtype == dtype
        torch.testing.assert_close(logits.float(), expected, atol=1.0, rtol=0.1)
        logits.float().mean().backward()
        assert all(parameter.grad.isfinite().all() for parameter in late.parameters())

    def test_in_blocks_of_rows(self, mode, monkeypatch):
        late, inputs = make(pair_mode=mode), pairs()
        (expected := late(*inputs)).square().sum().backward()
        gradients = [parameter.grad.clone() for parameter in late.parameters()]
        late.zero_grad()
        monkeypatch.setattr(late_glot, "_LARGEST", 1)
        monkeypatch.setattr(late_glot, "_BLOCK", 30)
        (actual := late(*inputs)).square().sum().backward()
        torch.testing.assert_close(actual, expected)
        torch.testing.assert_close(
            [parameter.grad for parameter in late.parameters()], gradients, atol=1e-4, rtol=1e-4
        )

    def test_gradients(self, mode):
        """In float64, which the module leaves for float32 inside: by differences of the oracle."""
        late = make(pair_mode=mode)
        late(*pairs())[:, 0].sum().backward()
        step = 1e-6
        for name, parameter in late.named_parameters():
            found, flat = parameter.grad.flatten(), parameter.data.view(-1)
            place = int(found.abs().argmax())
            doubled = make(pair_mode=mode).double()
            sums = []
            for sign in (1, -1):
                value = dict(doubled.named_parameters())[name].data.view(-1)
                value[place] = flat[place].double() + sign * step
                both = zip(texts(LENGTHS, 1), texts(LENGTHS_B, 2))
                sums.append(sum(oracle(doubled, a, b)[0] for a, b in both))
            difference = (sums[0] - sums[1]) / (2 * step)
            torch.testing.assert_close(found[place].double(), difference, atol=1e-4, rtol=1e-3, msg=name)


class TestModel:
    @pytest.fixture
    def inputs(self):
        a, mask_a, b, mask_b = pairs()
        return {"hidden_states": a, "attention_mask": mask_a, "hidden_states_b": b, "attention_mask_b": mask_b}

    def make(self, **options):
        torch.manual_seed(0)
        return GlotForSequenceClassification(GlotConfig(input_size=SIZE, **{"pair_mode": "late"} | options))

    def test_logits_are_of_the_states(self, inputs):
        model = self.make()
        torch.testing.assert_close(model(**inputs).logits, model.late(*inputs.values()))
        assert model(**inputs).token_embeddings is None and not list(model.glot.parameters())
        tokens = model(**inputs, output_token_embeddings=True).token_embeddings
        mask = inputs["attention_mask"]
        assert torch.equal(tokens[mask], inputs["hidden_states"][mask]) and not tokens[~mask].any()

    def test_without_masks_all_tokens_are_valid(self):
        model, states = self.make(), torch.randn(2, 4, SIZE)
        ones = torch.ones(2, 4)
        expected = model(hidden_states=states, hidden_states_b=states, attention_mask=ones, attention_mask_b=ones)
        assert torch.equal(model(hidden_states=states, hidden_states_b=states).logits, expected.logits)

    @pytest.mark.parametrize("norm", ["layer", "standard"])
    def test_states_are_normalised_and_mixed_first(self, inputs, norm):
        model = self.make(input_norm=norm, backbone_layers=[0, 1]).train()
        two = {k: torch.stack([v, 2 * v], dim=2) if "hidden" in k else v for k, v in inputs.items()}
        model(**two, labels=torch.tensor([0, 1, 1])).loss.backward()
        assert model.glot.head.layer_scores.grad.isfinite().all()
        head = model.eval().glot.head
        tokens = [
            head(two[f"hidden_states{s}"], two[f"attention_mask{s}"], return_details=True).token_embeddings
            for s in ("", "_b")
        ]
        expected = model.late(tokens[0], inputs["attention_mask"], tokens[1], inputs["attention_mask_b"])
        torch.testing.assert_close(model(**two).logits, expected)

    @pytest.mark.parametrize("mode", MODES)
    def test_saved_and_loaded(self, inputs, mode, tmp_path):
        model = self.make(pair_mode=mode, num_labels=3)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model.save_pretrained(tmp_path)
        loaded = GlotForSequenceClassification.from_pretrained(tmp_path)
        assert torch.equal(loaded(**inputs).logits, model(**inputs).logits)

    def test_on_states_of_single_texts(self, minilm_path, minilm_tokenizer):
        """Which were computed without a thought of pairs, once for each text."""
        model = GlotForSequenceClassification.from_backbone(minilm_path, pair_mode="late", backbone_layers=[1, -1])
        texts = ["a man sleeps", "two dogs run in the park", "rain"]
        states = compute_hidden_states(model.glot.backbone, minilm_tokenizer, texts, layers=[1, -1])
        cached = [
            {"hidden_states": states[a], "hidden_states_b": states[b], "labels": 0}
            for a, b in ((0, 1), (1, 1), (2, 0))
        ]
        pairs = Dataset.from_dict({"text": texts, "text_pair": [texts[1], texts[1], texts[0]], "labels": [0, 0, 0]})
        batch = PairCollator(minilm_tokenizer)(list(tokenize(pairs, minilm_tokenizer, max_length=32)))
        with torch.no_grad():
            torch.testing.assert_close(
                model(**HiddenStateCollator()(cached)).logits, model(**batch).logits, atol=1e-4, rtol=1e-4
            )

    def test_it_has_no_vectors(self, tmp_path):
        model = self.make()
        model.save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="tokens of two texts .its pair_mode., and has no vector of one.*predict"):
            GlotModel.from_pretrained(tmp_path)
        for part in (model, model.glot):
            with pytest.raises(ValueError, match="has no vector of one"):
                part.encode(["a text"], None)
        with pytest.raises(ValueError, match="has no vector of one"):
            model.glot.head(torch.randn(2, 3, SIZE))

    def test_layers_side_by_side(self, inputs):
        """Make one state of a token, twice as wide."""
        model = self.make(backbone_layers=[0, 1], layer_mix="concat")
        two = {k: torch.stack([v, -2 * v], dim=2) if "hidden" in k else v for k, v in inputs.items()}
        wide = {k: torch.cat([v, -2 * v], dim=2) if "hidden" in k else v for k, v in inputs.items()}
        torch.testing.assert_close(model(**two).logits, model.late(*wide.values()))

    @pytest.mark.parametrize(
        "options", [{"pooling": "mean"}, {"projection_size": 4}, {"block": "residual"}, {"readout": "max"}]
    )
    def test_what_it_would_not_use_is_refused(self, options):
        with pytest.raises(
            StrictDataclassError, match="has no effect with pair_mode='late', which compares token states"
        ):
            GlotConfig(input_size=SIZE, pair_mode="late", **options)

    def test_it_is_not_linear(self):
        assert not is_linear(self.make().config)


LABELS = {
    "two classes": ({"num_labels": 2}, lambda same: same),
    "two classes, the other way round": ({"num_labels": 2}, lambda same: 1 - same),
    "three classes": ({"num_labels": 3}, lambda same: torch.tensor([2, 1])[same]),
    "a score": ({"num_labels": 1}, lambda same: same.float()),
    "a score from 0 to 5": ({"num_labels": 1}, lambda same: 5 * same.float()),
    "several labels": (
        {"num_labels": 2, "problem_type": "multi_label_classification"},
        lambda same: torch.stack([same, 1 - same], dim=1).float(),
    ),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("mode", MODES)
def test_it_learns(kind, mode):
    """Whether two texts have a topic in common, at an ordinary rate, whatever class that is."""
    options, labels_of = LABELS[kind]
    torch.manual_seed(0)
    model = GlotForSequenceClassification(GlotConfig(input_size=SIZE, pair_mode=mode, **options)).train()
    topics = torch.randn(4, SIZE)
    first, second = torch.randint(4, (2, 200))
    second = torch.where(torch.rand(200) < 0.5, first, second)
    same = (first == second).long()
    states = [topics[topic][:, None] + 0.5 * torch.randn(200, 5, SIZE) for topic in (first, second)]
    inputs, labels = {"hidden_states": states[0], "hidden_states_b": states[1]}, labels_of(same)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(300):
        optimizer.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
    logits = model(**inputs).logits
    if model.config.num_labels == 1:
        correct = (logits[:, 0] > labels.max() / 2) == same.bool()
    elif labels.dim() == 2:
        correct = ((logits > 0) == labels.bool()).all(dim=1)
    else:
        correct = logits.argmax(dim=1) == labels
    assert correct.float().mean() > 0.9
