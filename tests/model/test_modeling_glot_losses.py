"""GlotForSequenceClassification: its losses against PyTorch's, its pairs against their formulas."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from glot_hf import GlotConfig, GlotForSequenceClassification


SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "tau": 0.3}
RIGHT = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0]])
LEFT = RIGHT.flip(1)
STATES = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(1))
FLOATS = torch.tensor([[0.5, -1, 2], [0, 1, 0], [3, 2, 1], [0.1, 0.2, 0.3]])
ZEROS_AND_ONES = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def headless(**options):
    """A model without a backbone, for hidden states of size 6, in eval mode."""
    return GlotForSequenceClassification(GlotConfig(**{"input_size": 6, **SMALL, **options})).eval()


class TestLosses:
    @pytest.mark.parametrize("problem_type", [None, "single_label_classification"])
    def test_single_label(self, problem_type):
        model = headless(num_labels=3, problem_type=problem_type)
        labels = torch.tensor([2, 0, 1, 1])
        output = model(hidden_states=STATES, labels=labels)
        assert output.logits.shape == (4, 3)
        torch.testing.assert_close(output.loss, F.cross_entropy(output.logits, labels))
        assert model.config.problem_type == "single_label_classification"

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.bool])
    def test_multi_label(self, dtype):
        """0 and 1 as integers are as good as floats; no cross-entropy over labels that do not exclude each other."""
        model = headless(num_labels=3, problem_type="multi_label_classification")
        output = model(hidden_states=STATES, labels=ZEROS_AND_ONES.to(dtype))
        expected = nn.BCEWithLogitsLoss()(output.logits, ZEROS_AND_ONES.float())
        torch.testing.assert_close(output.loss, expected)
        output.loss.backward()

    def test_multi_label_follows_from_float_labels(self):
        model = headless(num_labels=3)
        output = model(hidden_states=STATES, labels=ZEROS_AND_ONES.float())
        torch.testing.assert_close(output.loss, nn.BCEWithLogitsLoss()(output.logits, ZEROS_AND_ONES.float()))
        assert model.config.problem_type == "multi_label_classification"

    @pytest.mark.parametrize("problem_type", [None, "regression"])
    @pytest.mark.parametrize("shape", [(4,), (4, 1), (1,)])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
    def test_regression(self, problem_type, shape, dtype):
        model = headless(num_labels=1, problem_type=problem_type)
        labels = torch.tensor([3, -1, 0, 2])[: shape[0]].view(shape).to(dtype)
        output = model(hidden_states=STATES[: shape[0]], labels=labels)
        expected = (output.logits.flatten() - labels.flatten().float()).square().mean()
        torch.testing.assert_close(output.loss, expected, check_dtype=False)
        output.loss.backward()

    @pytest.mark.parametrize("labels", [FLOATS, ZEROS_AND_ONES], ids=["float", "int"])
    def test_regression_of_several_values(self, labels):
        model = headless(num_labels=3, problem_type="regression")
        output = model(hidden_states=STATES, labels=labels)
        torch.testing.assert_close(output.loss, (output.logits - labels).square().mean())
        output.loss.backward()

    def test_cosine(self):
        model = headless(pair_mode="cosine")
        labels = torch.tensor([1.0, 0.2, -1.0, 0.6])
        output = model(hidden_states=STATES, hidden_states_b=STATES.flip(0), labels=labels)
        torch.testing.assert_close(output.loss, (output.logits[:, 0] - labels).square().mean())
        output.loss.backward()
        assert model.similarity_projection.weight.grad.any()

    def test_without_labels_there_is_none(self):
        assert headless()(hidden_states=STATES).loss is None


class TestPairs:
    @pytest.mark.parametrize("pair_mode", ["concat", "interaction", "cosine"])
    @pytest.mark.parametrize("pooling", ["glot", "mean"])
    def test_logits(self, pair_mode, pooling, tiny_bert):
        """Each sentence is encoded by itself, on either padding side."""
        model = GlotForSequenceClassification.from_backbone(
            tiny_bert, pair_mode=pair_mode, pooling=pooling, num_labels=3, **SMALL
        )
        ids = torch.randint(5, 99, (3, 6))
        ids_b = ids.flip(0)[:, :5]
        a, b = model.glot(ids, LEFT).pooler_output, model.glot(ids_b, RIGHT[:, :5]).pooler_output
        logits = model(ids, LEFT, input_ids_b=ids_b, attention_mask_b=RIGHT[:, :5]).logits
        if pair_mode == "cosine":
            assert not hasattr(model, "classifier")  # a layer without gradient fails under DistributedDataParallel
            weight, bias = model.similarity_projection.weight, model.similarity_projection.bias
            a, b = a @ weight.T + bias, b @ weight.T + bias
            expected = ((a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)))[:, None]
        else:
            parts = [a, b] if pair_mode == "concat" else [a, b, (a - b).abs(), a * b]
            expected = torch.cat(parts, dim=-1) @ model.classifier.weight.T + model.classifier.bias
        torch.testing.assert_close(logits, expected, atol=1e-6, rtol=1e-5)

    def test_of_hidden_states(self):
        model = headless(pair_mode="concat")
        mask = torch.tensor([[1, 1, 1, 0, 0]] * 4)
        logits = model(hidden_states=STATES, hidden_states_b=STATES + 1, attention_mask_b=mask).logits
        a = model.glot(hidden_states=STATES).pooler_output
        b = model.glot(hidden_states=STATES[:, :3] + 1).pooler_output
        torch.testing.assert_close(logits, model.classifier(torch.cat([a, b], dim=-1)))

    @pytest.mark.parametrize("pair_mode", ["concat", "interaction", "cosine"])
    def test_a_pair_model_without_a_second_sentence(self, pair_mode):
        with pytest.raises(ValueError, match=f"pair_mode='{pair_mode}' .*pass input_ids_b or hidden_states_b"):
            headless(pair_mode=pair_mode)(hidden_states=STATES)

    @pytest.mark.parametrize("second", ["input_ids_b", "hidden_states_b"])
    def test_a_second_sentence_without_a_pair_mode(self, second):
        with pytest.raises(ValueError, match="pair_mode=None takes one sentence.*make the head with a pair_mode"):
            headless()(hidden_states=STATES, **{second: STATES})
