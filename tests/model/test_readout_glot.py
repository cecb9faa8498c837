"""The readouts: each against the token embeddings that it reads."""

import pytest
import torch
from heads import LEFT, SIZE, head


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class TestReadouts:
    """`readout=`: attention, mean, max, or several side by side."""

    def test_mean_and_max_are_those_of_the_token_embeddings(self):
        pooler = head(readout=["max", "mean"])
        details = pooler(torch.randn(3, 5, SIZE), LEFT, return_details=True)
        for vector, tokens, mask in zip(details.vector, details.token_embeddings, LEFT.bool()):
            tokens = tokens[mask]
            torch.testing.assert_close(vector, torch.cat([tokens.amax(0), tokens.mean(0)]))

    def test_attention_beside_others_is_the_paper(self):
        joined, alone = head(readout=["mean", "attention"]), head()
        joined.load_state_dict(alone.state_dict())
        hidden = torch.randn(3, 5, SIZE)
        torch.testing.assert_close(joined(hidden, LEFT)[:, SIZE + 8 :], alone(hidden, LEFT))
