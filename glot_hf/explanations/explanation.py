# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""What is known of an answer, word by word."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class TextExplanation:
    """
    One text, taken apart. Matrices are of its L tokens (subwords), the rest of its n words.

    Args:
        text (`str`): the text.
        tokens (`list[str]`): n words, subwords joined; special tokens as the tokenizer names them.
        offsets (`list[tuple[int, int] | None]`): where each word begins and ends in the text; None where it has no
            place there, as special tokens.
        readout_weights (`Tensor` of shape `(n,)`, *optional*): how much each word counts in the vector; they sum to
            one. None where the head has no weighted sum.
        contributions (`Tensor` of shape `(n, C)`, *optional*): of each word to each logit. None for heads without
            classes.
        subwords (`list[str]`): L tokens.
        word_of (`list[int]`): the word that each token belongs to.
        cosines (`Tensor` of shape `(L, L)`): of the states of the tokens, as the graph reads them.
        adjacency (`Tensor` of shape `(L, L)`, bool, *optional*): the token graph.
        graph_attention (`list[Tensor]`): of each GAT layer, `(heads, L, L)`: how much token j counts for token i.
    """

    text: str
    tokens: list[str]
    offsets: list[tuple[int, int] | None]
    readout_weights: Tensor | None
    contributions: Tensor | None
    subwords: list[str]
    word_of: list[int]
    cosines: Tensor
    adjacency: Tensor | None = None
    graph_attention: list[Tensor] = field(default_factory=list)


@dataclass
class Alignment:
    """
    Which token of one text meets which of the other, in a head with `pair_mode="late"`.

    Args:
        weights (`Tensor` of shape `(L, L_other)`): the soft maximum of each token over the other text's, summing to 1.
        cosines (`Tensor` of shape `(L, L_other)`): of the compared tokens.
        token_weights (`Tensor` of shape `(L,)`): how much each token counts in the score; they sum to 1.
    """

    weights: Tensor
    cosines: Tensor
    token_weights: Tensor


@dataclass
class Explanation:
    """
    An answer, taken apart.

    Args:
        first, second ([`TextExplanation`]): the text, and the second one of a pair.
        labels (`list[str]`): C names of classes; empty for a head of vectors.
        logits, bias (`Tensor` of shape `(C,)`, *optional*): the answer, and what of it no word contributes.
        answer (`int`, *optional*): the place of the class that is answered; 0 for a score.
        exact (`bool`): contributions and bias sum to the logits, because the logits are linear in the tokens.
        why (`str`): what the contributions are, and where they are not exact, the reason.
        method (`str`): "contributions" or "integrated_gradients".
        has_several_labels (`bool`): each label is answered for itself, and not instead of the others.
        alignment, alignment_back ([`Alignment`], *optional*): of a late head, from the first text to the second, and
            from the second to the first.
    """

    first: TextExplanation
    second: TextExplanation | None
    labels: list[str]
    logits: Tensor | None
    bias: Tensor | None
    answer: int | None
    exact: bool
    why: str
    method: str
    has_several_labels: bool = False
    alignment: Alignment | None = None
    alignment_back: Alignment | None = None

    @property
    def texts(self) -> list[TextExplanation]:
        """The text, or both texts of a pair."""
        return [self.first] if self.second is None else [self.first, self.second]

    @property
    def tokens(self) -> list[str]:
        """The words of the first text."""
        return self.first.tokens

    @property
    def offsets(self) -> list[tuple[int, int] | None]:
        """The places of the words of the first text."""
        return self.first.offsets

    @property
    def readout_weights(self) -> Tensor | None:
        """The readout weights of the words of the first text, `(n,)`."""
        return self.first.readout_weights

    @property
    def contributions(self) -> Tensor | None:
        """The contributions of the words of the first text, `(n, C)`."""
        return self.first.contributions

    @property
    def total(self) -> Tensor | None:
        """Bias and all contributions, `(C,)`: the logits, where the explanation is exact."""
        if self.bias is None:
            return None
        return self.bias + sum(part.contributions.sum(dim=0) for part in self.texts if part.contributions is not None)

    def towards_answer(self, part: TextExplanation) -> Tensor | None:
        """
        Return how much each word of one of the texts speaks for the answer, `(n,)`: its contribution to the logit of
        the answer, less its mean contribution to all logits; of a score, a single logit or one of several labels, the
        contribution itself.
        """
        if part.contributions is None or self.answer is None:
            return None
        chosen = part.contributions[:, self.answer]
        is_alone = len(self.labels) < 2 or self.has_several_labels
        return chosen if is_alone else chosen - part.contributions.mean(dim=1)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, texts and lists, for JSON."""
        return _plain(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(torch.float64).tolist() if value.is_floating_point() else value.tolist()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
