"""The contrastive loss, against sentence-transformers' and by what it must not see."""

import pytest
import torch
from sentence_transformers.sentence_transformer.losses import (
    MultipleNegativesRankingLoss,
    MultipleNegativesSymmetricRankingLoss,
)
from sentence_transformers.util import dot_score
from torch.utils.flop_counter import FlopCounterMode

from glot_hf.system.errors import InputError
from glot_hf.training.contrastive import ContrastiveLoss, false_negatives


def rows(batch=6, texts=2, size=8):
    torch.manual_seed(0)
    return torch.randn(batch, texts, size), torch.arange(batch * texts).view(batch, texts)


@pytest.mark.parametrize("texts", [2, 3, 5])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_sentence_transformers_symmetric_loss(texts, temperature):
    vectors, ids = rows(texts=texts)
    both = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    theirs = MultipleNegativesRankingLoss(None, scale=1 / temperature, **both)
    expected = theirs.compute_loss_from_embeddings(list(vectors.unbind(1)), None)
    torch.testing.assert_close(ContrastiveLoss(temperature)(vectors, ids), expected)


def test_plain_dot_products_as_the_released_code_trains():
    vectors, ids = rows()
    theirs = MultipleNegativesSymmetricRankingLoss(None, scale=1 / 0.07, similarity_fct=dot_score)
    expected = theirs.compute_loss_from_embeddings(list(vectors.unbind(1)), None)
    torch.testing.assert_close(ContrastiveLoss(similarity="dot")(vectors, ids), expected)


def test_nested_sizes_are_the_mean_of_the_losses_of_cut_vectors():
    vectors, ids = rows(texts=3)
    both = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    theirs = MultipleNegativesRankingLoss(None, scale=1 / 0.07, **both)
    cut = [theirs.compute_loss_from_embeddings(list(vectors[..., :size].unbind(1)), None) for size in (2, 4, 8)]
    torch.testing.assert_close(ContrastiveLoss(matryoshka_sizes=(2, 4))(vectors, ids), torch.stack(cut).mean())


def test_repeated_texts_change_nothing():
    """A row with fewer negatives repeats its positive; the last batch of an epoch may hold a row of its first."""
    vectors, ids = rows(texts=2)
    padded = torch.cat([vectors, vectors[:, 1:]], dim=1), torch.cat([ids, ids[:, 1:]], dim=1)
    torch.testing.assert_close(ContrastiveLoss()(*padded), ContrastiveLoss()(vectors, ids))


def test_the_gradient_never_pushes_equal_texts_apart():
    """Rows 0 and 1 have one positive, rows 2 and 3 one query, and the query of row 4 is the positive of row 5."""
    ids = torch.tensor([[0, 10], [1, 10], [2, 12], [2, 13], [4, 14], [5, 4]])
    masked = false_negatives(ids[:, 0], ids[:, 1])
    hidden = set(map(tuple, masked.nonzero().tolist())) - {(row, 1) for row in range(6)}  # a repeated column
    assert hidden == {(1, 0), (2, 3), (3, 2), (4, 5)}
    assert not masked.diagonal().any() and masked[2:, 1].all()


def test_what_is_no_negative_on_many_repeated_texts():
    ids = torch.randint(0, 12, (20, 4), generator=torch.Generator().manual_seed(0))
    candidates = ids[:, 1:].T.flatten().tolist()
    targets = {query: {row[1] for row in ids.tolist() if row[0] == query} for query in ids[:, 0].tolist()}
    expected = [
        [
            column != row and (text == query or text in targets[query] or text in candidates[:column])
            for column, text in enumerate(candidates)
        ]
        for row, query in enumerate(ids[:, 0].tolist())
    ]
    assert false_negatives(ids[:, 0], torch.tensor(candidates)).tolist() == expected


def test_it_needs_no_product_but_those_of_the_vectors():
    """A large batch would spend most of a step on finding its false negatives."""
    vectors, ids = rows(batch=64, texts=3)
    with FlopCounterMode(display=False) as counter:
        ContrastiveLoss()(vectors, ids)
    assert counter.get_total_flops() == 2 * 64 * (128 + 64) * 8  # of queries, then of positives


def test_every_row_has_to_find_its_positive():
    vectors, ids = rows()
    together = vectors[:, :1].expand(-1, 2, -1)
    assert ContrastiveLoss()(together, ids) < ContrastiveLoss()(vectors, ids)
    assert ContrastiveLoss(temperature=0.01)(together, ids) < 1e-3


def test_hard_negatives_are_negatives_of_all_queries():
    vectors, ids = rows(texts=2)
    negative = vectors[:, :1].roll(1, dims=0)  # of each row, the next row's query
    harder = ContrastiveLoss()(torch.cat([vectors, negative], dim=1), torch.cat([ids, ids[:, :1] + 100], dim=1))
    assert harder > ContrastiveLoss()(vectors, ids) + 1


def test_mistakes():
    with pytest.raises(InputError, match="no similarity 'cos': valid are 'cosine' and 'dot'"):
        ContrastiveLoss(similarity="cos")
    for sizes in ((4, 8), (0,)):
        with pytest.raises(InputError, match="are not all between 1 and 7"):
            ContrastiveLoss(matryoshka_sizes=sizes)(*rows(size=8))
