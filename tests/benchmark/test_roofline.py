"""The roofline counts the products that a step needs: no more than any implementation spends."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from glot_hf import GlotConfig, GlotForSequenceClassification
from glot_hf.benchmark.roofline import as_sides, required_products, seconds_of
from glot_hf.benchmark.states import random_states


D, H, K = 48, 16, 2
LENGTHS = {"full": [12] * 3, "ragged": [12, 7, 7]}


def by_hand(lengths, in_forward):
    """Multiplications, twice for the additions."""
    tokens, squares, pooled = sum(lengths), sum(length**2 for length in lengths), D + K * H
    width = 128  # of the readout: max(128, pooled // 2)
    graph = squares * D
    layers = tokens * D * H + tokens * H * H
    mixing = K * squares * H
    readout = tokens * pooled * width + tokens * width
    forward = graph + layers + mixing + readout + tokens * pooled
    if in_forward:
        return 2 * forward
    weight_gradients = layers + readout
    input_gradients = tokens * H * H + tokens * width * K * H  # not of the frozen states
    return 2 * (forward + weight_gradients + input_gradients + 2 * mixing + tokens * pooled)


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("in_forward", [True, False], ids=["forward", "step"])
def test_its_operations_are_those_counted_by_hand_and_no_more_than_the_head_spends(lengths, in_forward):
    products = required_products(lengths, D, H, K, torch.device("cpu"))
    required = sum(product.flops for product in products if product.in_forward or not in_forward)
    assert required == by_hand(lengths, in_forward)
    states, mask = random_states(lengths, D, seed=0)
    model = GlotForSequenceClassification(GlotConfig(input_size=D, gnn_hidden_size=H, num_gnn_layers=K))
    # A product added in place is one that the counter does not know by itself.
    in_place = {torch.ops.aten.addmm_: lambda total, a, b, **kwargs: 2 * a[0] * a[1] * b[1]}
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        loss = model(hidden_states=states, attention_mask=mask, labels=torch.zeros(3, dtype=torch.long)).loss
        if not in_forward:
            loss.backward()
    assert required <= counter.get_total_flops() < 3 * required


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_every_way_does_the_operations_of_its_product(lengths):
    """But for padding, which no way has to have."""
    for product in required_products(lengths, D, H, K, torch.device("cpu")):
        for way, run in product.ways.items():
            with FlopCounterMode(display=False) as counter:
                run()
            if way == "padded" and lengths != LENGTHS["full"]:
                assert counter.get_total_flops() > product.flops
            else:
                assert counter.get_total_flops() == product.flops, (product.name, way)


def test_the_fastest_way_counts():
    product, *_ = required_products([3, 2], D, H, K, torch.device("cpu"))
    names = list(as_sides([product], calls=5))
    assert len(names) == 3
    assert seconds_of(product, dict(zip(names, [3.0, 1.0, 2.0]))) == 1.0
