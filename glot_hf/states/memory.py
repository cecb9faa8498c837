# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Hidden states in memory, text by text, for heads that are trained again and again on the same texts."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .running import run_over_texts


MOST_BYTES = 2**31


class StatesInMemory:
    """
    The states of texts, for which a frozen backbone runs once as long as they fit.

    Args:
        backbone, tokenizer: compute them.
        layers (`list[int]`): the layers that are kept, such as all of them.
        max_length (`int`, *optional*): longer texts are cut; default: what tokenizer and backbone both take.
        most_bytes (`int`): those that were not asked for the longest are let go where there would be more.
        token_features (`list[str]`, *optional*): numbers behind the states of each token; see [`GlotConfig`].
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        layers: list[int],
        max_length: int | None = None,
        most_bytes: int = MOST_BYTES,
        token_features: list[str] | None = None,
    ):
        self._run = lambda texts: run_over_texts(
            backbone, tokenizer, texts, layers, max_length, token_features=token_features
        )
        self._places = {layer: place for place, layer in enumerate(layers)}
        self._most_bytes, self._num_bytes = most_bytes, 0
        self._states: OrderedDict[str, Tensor] = OrderedDict()  # text -> (L, n, d)

    def of(self, texts: Sequence[str], layers: int | list[int]) -> list[Tensor]:
        """Return the states of each text at some of the layers: `(L, d)`, or `(L, n, d)` of n layers."""
        places = self._places[layers] if isinstance(layers, int) else [self._places[layer] for layer in layers]
        missing = list(dict.fromkeys(text for text in texts if text not in self._states))
        computed = {missing[position]: states for position, states in self._run(missing)}
        found = []
        for text in texts:
            states = computed[text] if text in computed else self._states[text]
            found.append(states[:, places])
            if text in self._states:
                self._states.move_to_end(text)
        for text, states in computed.items():
            self._states[text] = states
            self._num_bytes += states.nbytes
        while self._num_bytes > self._most_bytes:
            self._num_bytes -= self._states.popitem(last=False)[1].nbytes
        return found

    def rows(self, columns: Mapping[str, Sequence[str]], layers: int | list[int]) -> list[dict[str, Any]]:
        """Return rows of states of `text`, and of `text_pair` where there is one, as heads are trained on."""
        names = {"text": "hidden_states", "text_pair": "hidden_states_b"}
        states = {names[name]: self.of(texts, layers) for name, texts in columns.items()}
        return [dict(zip(states, row)) for row in zip(*states.values())]

    def means(self, texts: Sequence[str]) -> Tensor:
        """Return the mean vector of each text at every layer that is kept, `(n, N, d)` in float32."""
        layers = list(self._places)
        vectors = [states.float().mean(dim=0) if len(states) else None for states in self.of(texts, layers)]
        width = next((vector.shape for vector in vectors if vector is not None), None)
        zero = torch.zeros(width) if width is not None else torch.zeros(len(layers), 1)
        return torch.stack([zero if vector is None else vector for vector in vectors]).transpose(0, 1)
