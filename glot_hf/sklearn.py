# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""
Heads as scikit-learn estimators: texts in, answers or vectors out, in pipelines, searches and ensembles.

The backbone is frozen and shared by all estimators of a process, and runs once over each text as long as its states
fit into memory (2 GiB). A pickle holds the head alone.
"""

import contextlib
import functools
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from datasets import Dataset
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d
from torch.utils.data import DataLoader
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging

from .data.labels import Labels
from .model.backbone_glot import load_backbone
from .model.configuration_glot import GlotConfig
from .model.decision_glot import at_threshold
from .model.encoding_glot import longest_text
from .model.modeling_glot import GlotForSequenceClassification, GlotModel
from .states.memory import StatesInMemory
from .states.running import HiddenStateCollator
from .system.atomic_files import replacing_files
from .training.on_states import fit_on_states, train_on_states
from .tuning.plan import Plan, make_plan
from .tuning.probe import probe_layers, rows_to_probe
from .tuning.recipe import METRICS, linear_candidate


class _GlotEstimator(BaseEstimator):
    """
    What classifier and regressor share.

    Args:
        backbone (`str`): repository or folder of the frozen backbone.
        layers ("auto", `int` or `list[int]`): the layers to read; "auto" probes all of them.
        head ("auto" or "linear"): "auto" chooses between a linear and a trained head on held-out rows, as `glot-hf
            train` does; "linear" fits logistic or ridge regression to mean vectors.
        max_length (`int`): longer texts are cut at so many tokens.
        random_state (`int`): decides a trained head's first weights, the order of the rows, and which are probed.
        backbone_revision (`str`, *optional*): the backbone's branch, tag or commit.
        backbone_kwargs (`dict`, *optional*): options for loading the backbone, such as its dtype.
        trust_remote_code (`bool`): run the code that the backbone and its tokenizer bring.
        verbose (`bool`): print what is chosen, and show progress bars.

    Attributes:
        model_ ([`GlotForSequenceClassification`]): the fitted head, without its backbone.
        plan_ ([`~glot_hf.tuning.plan.Plan`]): what was chosen, and what was measured for it.
    """

    model_: Any  # GlotForSequenceClassification
    plan_: Plan

    def __init__(
        self,
        backbone: str | None = None,
        *,
        layers: Literal["auto"] | int | list[int] = "auto",
        head: Literal["auto", "linear"] = "auto",
        max_length: int = 128,
        random_state: int = 0,
        backbone_revision: str | None = None,
        backbone_kwargs: dict[str, Any] | None = None,
        trust_remote_code: bool = False,
        verbose: bool = False,
    ):
        self.backbone = backbone
        self.layers: Any = layers
        self.head = head
        self.max_length = max_length
        self.random_state = random_state
        self.backbone_revision = backbone_revision
        self.backbone_kwargs = backbone_kwargs
        self.trust_remote_code = trust_remote_code
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        return tags

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Write the fitted head to a folder, as `GlotForSequenceClassification` and `glot-hf predict` load it."""
        check_is_fitted(self)
        with replacing_files(Path(folder)) as part:
            self.model_.save_pretrained(part)
            self._backbone()[1].save_pretrained(part)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike, **params: Any):
        """
        Load a head that was trained by this class, by `glot-hf train` or in Python.

        Args:
            folder (`str` or path): folder or repository of the head.
            params: of the constructor, in place of what the head records.
        """
        model = GlotForSequenceClassification.from_pretrained(folder, load_backbone=False)
        config = model.config
        known = {"backbone": config.backbone_name_or_path, "backbone_revision": config.backbone_revision}
        known |= {"backbone_kwargs": config.backbone_load_kwargs, "layers": config.backbone_layers}
        estimator = cls(**known | params)
        estimator.model_, estimator.plan_ = model, Plan("as loaded", {}, {})
        estimator._name_classes()
        return estimator

    def _fit(self, columns: dict[str, list[str]], targets: list[Any], labels: Labels) -> None:
        if self.backbone is None:
            raise ValueError("backbone is None: name a repository or a folder, such as 'bert-base-uncased'")
        if self.head not in ("auto", "linear"):
            raise ValueError(f"head={self.head!r}: valid are 'auto' and 'linear'")
        backbone, tokenizer, states = self._backbone()
        examples = Dataset.from_dict(columns | {"labels": targets})

        def rows_of(layers: int | list[int]) -> list[dict[str, Any]]:
            rows = states.rows(columns, _from_zero(layers, backbone))
            return [row | {"labels": label} for row, label in zip(rows, targets)]

        with _quiet(not self.verbose):
            layers = self._layers(states, columns, targets, labels) if self.layers == "auto" else self.layers
            if self.head == "linear":
                self.plan_ = Plan("linear head", linear_candidate(layers, "text_pair" in columns).head_options, {})
            else:
                metric = METRICS[labels.problem_type]
                self.plan_ = make_plan(
                    backbone, tokenizer, examples, labels, rows_of, metric, layers, None, self.max_length
                )
            options = self.plan_.head_options | labels.config_options
            rows = rows_of(self.plan_.head_options["backbone_layers"])
            if not self.plan_.training_options:
                trainer, _ = fit_on_states(backbone, options, rows, "loss")
            else:
                trainer = train_on_states(backbone, options, rows, self.random_state, **self.plan_.training_options)
        model: Any = trainer.model
        self.model_ = model.eval()
        self.model_.glot.backbone = None  # it is shared, and no part of what is fitted
        self.model_.config.backbone_name_or_path = str(self.backbone)
        self.model_.config.backbone_revision = self.backbone_revision
        self.model_.config.backbone_load_kwargs = self.backbone_kwargs

    def _layers(
        self, states: StatesInMemory, columns: dict[str, list[str]], targets: list[Any], labels: Labels
    ) -> int | list[int]:
        """Return the layers that a linear probe finds, or the last one where there are too few rows to probe."""
        if len(targets) < 50:
            return -1
        chosen = rows_to_probe(len(targets), self.random_state)
        sides = [states.means([texts[row] for row in chosen]).numpy() for texts in columns.values()]
        vectors = sides[0]
        if len(sides) == 2:
            vectors = np.concatenate([np.abs(sides[0] - sides[1]), sides[0] * sides[1]], axis=2)
        try:
            return probe_layers(vectors, [targets[row] for row in chosen], labels.problem_type).backbone_layers
        except ValueError:  # no class has three rows
            return -1

    def _name_classes(self) -> None:
        """Name the classes as the head of a loaded classifier does; a regressor has none."""

    def _logits(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        columns = _texts_of(X)
        if ("text_pair" in columns) != (self.model_.config.pair_mode is not None):
            takes = "pairs of texts" if self.model_.config.pair_mode is not None else "single texts"
            raise ValueError(f"this estimator was fitted to {takes}: give the same to predict")
        backbone, _, states = self._backbone()
        rows: Any = states.rows(columns, _from_zero(self.model_.config.backbone_layers, backbone))
        batches = DataLoader(rows, 64, collate_fn=HiddenStateCollator())
        with torch.no_grad():
            return torch.cat([self.model_(**batch).logits.float() for batch in batches]).numpy()

    def _backbone(self) -> tuple[Any, PreTrainedTokenizerBase, StatesInMemory]:
        kwargs = tuple(sorted((self.backbone_kwargs or {}).items()))
        layers = None if self.layers == "auto" else _as_tuple(self.layers)
        where = (str(self.backbone), self.backbone_revision, kwargs, self.trust_remote_code)
        return _shared(*where, self.max_length, layers)


class GlotClassifier(ClassifierMixin, _GlotEstimator):
    __doc__ = f"""
    A classifier of texts, or of pairs of texts, on a frozen language model.

    `X` is a list of texts, or of pairs `(a, b)`; `y` holds one class a text, or is an indicator matrix `(N, classes)`
    of 0 and 1 where several may apply. {_GlotEstimator.__doc__}
        classes_ (`np.ndarray`): the classes.

    Example:

    ```python
    >>> from glot_hf.sklearn import GlotClassifier

    >>> classifier = GlotClassifier("bert-base-uncased").fit(texts, labels)
    >>> classifier.predict_proba(["a lovely film"])
    ```
    """

    def fit(self, X: Sequence[Any], y: Any) -> "GlotClassifier":
        """
        Choose and train a head.

        Raises:
            ValueError: a text is no string, or there are fewer than two classes.
        """
        columns = _texts_of(X)
        if y is None:
            raise ValueError("GlotClassifier requires y to be passed, but the target y is None")
        check_classification_targets(y)
        if type_of_target(y) == "multilabel-indicator":
            targets = np.asarray(y.todense() if hasattr(y, "todense") else y)
            self.classes_ = np.arange(targets.shape[1])
            labels = Labels("multi_label_classification", tuple(map(str, self.classes_)))
            encoded = targets.astype(float).tolist()
        else:
            targets = column_or_1d(y, warn=True)
            self.classes_, codes = np.unique(targets, return_inverse=True)
            if len(self.classes_) < 2:
                raise ValueError(f"the labels hold one class, {self.classes_.tolist()}: give rows of two or more")
            labels, encoded = Labels("single_label_classification", tuple(map(str, self.classes_))), codes.tolist()
        _require_same_length(columns, encoded)
        self._fit(columns, encoded, labels)
        return self

    def predict_proba(self, X: Sequence[Any]) -> np.ndarray:
        """Return the probability of each class, `(N, classes)`."""
        logits = torch.from_numpy(self._logits(X)).double()
        return (logits.sigmoid() if self._is_multi_label else logits.softmax(dim=-1)).numpy()

    def decision_function(self, X: Sequence[Any]) -> np.ndarray:
        """Return logits `(N, classes)`; of two classes how much larger the second's is, `(N,)`."""
        logits = at_threshold(self._logits(X), self.model_.config.decision_threshold)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 and not self._is_multi_label else logits

    def predict(self, X: Sequence[Any]) -> np.ndarray:
        """Return the class of each text, `(N,)`; an indicator matrix where several may apply."""
        logits = at_threshold(self._logits(X), self.model_.config.decision_threshold)
        return (logits > 0).astype(int) if self._is_multi_label else self.classes_[logits.argmax(axis=1)]

    @property
    def _is_multi_label(self) -> bool:
        return self.model_.config.problem_type == "multi_label_classification"

    def _name_classes(self) -> None:
        names = [self.model_.config.id2label[index] for index in range(self.model_.config.num_labels)]
        self.classes_ = np.arange(len(names)) if self._is_multi_label else np.array(names)


class GlotRegressor(RegressorMixin, _GlotEstimator):
    __doc__ = f"""
    A regressor of texts, or of pairs of texts, on a frozen language model.

    `X` is a list of texts, or of pairs `(a, b)`; `y` holds one number a text. {_GlotEstimator.__doc__}
    """

    def fit(self, X: Sequence[Any], y: Any) -> "GlotRegressor":
        """
        Choose and train a head.

        Raises:
            ValueError: a text is no string, or a number is not finite.
        """
        columns = _texts_of(X)
        if y is None:
            raise ValueError("GlotRegressor requires y to be passed, but the target y is None")
        targets = column_or_1d(np.asarray(y, dtype=float), warn=True)
        if not np.isfinite(targets).all():
            raise ValueError(f"y is not finite in row {int(np.flatnonzero(~np.isfinite(targets))[0])}")
        _require_same_length(columns, targets)
        self._fit(columns, targets.tolist(), Labels("regression"))
        return self

    def predict(self, X: Sequence[Any]) -> np.ndarray:
        """Return the number of each text, `(N,)`."""
        return self._logits(X)[:, 0].astype(float)


class GlotVectorizer(TransformerMixin, BaseEstimator):
    """
    Sentence vectors of texts, in the place of `TfidfVectorizer`: means of a frozen backbone's states, or a head's.

    Args:
        backbone (`str`, *optional*): repository or folder of the frozen backbone.
        head (`str`, *optional*): folder or repository of a trained head that gives vectors, in place of `backbone`.
        layers (`int`): the layer that is read, of `backbone`.
        pooling (`str`): how token states become a vector, of `backbone`: mean, max, cls, last or weighted_mean.
        max_length (`int`): longer texts are cut at so many tokens.
        backbone_revision, backbone_kwargs, trust_remote_code: the same as in [`GlotClassifier`].
    """

    def __init__(
        self,
        backbone: str | None = None,
        *,
        head: str | None = None,
        layers: int = -1,
        pooling: Literal["mean", "max", "cls", "last", "weighted_mean"] = "mean",
        max_length: int = 128,
        backbone_revision: str | None = None,
        backbone_kwargs: dict[str, Any] | None = None,
        trust_remote_code: bool = False,
    ):
        self.backbone = backbone
        self.head = head
        self.layers = layers
        self.pooling: Any = pooling
        self.max_length = max_length
        self.backbone_revision = backbone_revision
        self.backbone_kwargs = backbone_kwargs
        self.trust_remote_code = trust_remote_code

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        tags.requires_fit = False
        return tags

    def fit(self, X: Sequence[str], y: Any = None) -> "GlotVectorizer":
        """Check the texts: there is nothing to learn."""
        _texts_of(X)
        self._pooler()
        return self

    def transform(self, X: Sequence[str]) -> np.ndarray:
        """Return sentence vectors `(N, D)` in float32."""
        columns = _texts_of(X)
        if "text_pair" in columns:
            raise ValueError("GlotVectorizer takes single texts: a vector of two texts is not defined")
        model, states, layers = self._pooler()
        rows: Any = states.rows(columns, layers)
        batches = DataLoader(rows, 64, collate_fn=HiddenStateCollator())
        with torch.no_grad():
            return torch.cat([model(**batch).pooler_output.float() for batch in batches]).numpy()

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return names of the dimensions: glot0, glot1, ..."""
        return np.array([f"glot{place}" for place in range(self._pooler()[0].config.hidden_size)], dtype=object)

    def _pooler(self) -> tuple[GlotModel, StatesInMemory, int | list[int]]:
        if (self.backbone is None) == (self.head is None):
            raise ValueError("name what makes the vectors: either backbone or head")
        model, layers, name = None, self.layers, str(self.backbone)
        revision, kwargs = self.backbone_revision, self.backbone_kwargs
        if self.head is not None:
            model = _loaded_head(str(self.head))
            layers, name = model.config.backbone_layers, model.config.backbone_name_or_path
            revision, kwargs = model.config.backbone_revision, model.config.backbone_load_kwargs
        where = (name, revision, tuple(sorted((kwargs or {}).items())), self.trust_remote_code)
        backbone, _, states = _shared(*where, self.max_length, _as_tuple(layers))
        if model is None:
            config = GlotConfig(backbone_config=backbone.config, pooling=self.pooling, backbone_layers=layers)
            model = GlotModel(config).eval()
        return model, states, _from_zero(layers, backbone)


@functools.lru_cache(maxsize=2)
def _loaded_head(name: str) -> GlotModel:
    return GlotModel.from_pretrained(name, load_backbone=False).eval()


@functools.lru_cache(maxsize=1)
def _loaded_backbone(name: str, revision: str | None, kwargs: tuple, trust: bool) -> tuple[Any, Any]:
    options = {**dict(kwargs), **({"trust_remote_code": True} if trust else {})}
    backbone = load_backbone(name, revision, **options).requires_grad_(False).eval()
    where = {key: value for key, value in kwargs if key in ("gguf_file", "subfolder")}
    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision or "main", trust_remote_code=trust, **where)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return backbone, tokenizer


@functools.lru_cache(maxsize=4)
def _shared(
    name: str, revision: str | None, kwargs: tuple, trust: bool, max_length: int, layers: tuple[int, ...] | None
) -> tuple[Any, PreTrainedTokenizerBase, StatesInMemory]:
    """Return a backbone, its tokenizer, and the states of some layers, or of all, that all estimators share."""
    backbone, tokenizer = _loaded_backbone(name, revision, kwargs, trust)
    longest = longest_text(tokenizer, backbone)
    count = backbone.config.get_text_config().num_hidden_layers + 1
    kept = list(range(count)) if layers is None else sorted({layer % count for layer in layers})
    most = max_length if longest is None else min(max_length, longest)
    return backbone, tokenizer, StatesInMemory(backbone, tokenizer, kept, most)


def _as_tuple(layers: int | Sequence[int]) -> tuple[int, ...]:
    return (layers,) if isinstance(layers, int) else tuple(layers)


def _from_zero(layers: int | list[int], backbone: Any) -> int | list[int]:
    """Return layers counted from the embeddings, as states in memory are kept."""
    count = backbone.config.get_text_config().num_hidden_layers + 1
    return layers % count if isinstance(layers, int) else [layer % count for layer in layers]


def _texts_of(X: Any) -> dict[str, list[str]]:
    """
    Return the column `text`, and `text_pair` where each row has two texts.

    Raises:
        ValueError: there is no row, or a text is no string.
    """
    if isinstance(X, str):
        raise ValueError("Iterable over raw text documents expected, string object received: give a list of texts")
    rows = X.to_numpy().tolist() if hasattr(X, "to_numpy") else list(X)
    rows = [row.tolist() if isinstance(row, np.ndarray) else row for row in rows]
    rows = [row[0] if isinstance(row, (list, tuple)) and len(row) == 1 else row for row in rows]
    if not rows:
        raise ValueError("Found array with 0 sample(s): give one text or more")
    are_pairs = isinstance(rows[0], (list, tuple))
    for place, row in enumerate(rows):
        texts = row if isinstance(row, (list, tuple)) else [row]
        if len(texts) != 1 + are_pairs or not all(isinstance(text, str) for text in texts):
            expected = "a pair of texts" if are_pairs else "a text"
            raise ValueError(f"row {place} is {row!r}, and not {expected}: give strings, and '' where one is empty")
    if are_pairs:
        return {"text": [str(a) for a, _ in rows], "text_pair": [str(b) for _, b in rows]}
    return {"text": [str(row) for row in rows]}


def _require_same_length(columns: dict[str, list[str]], targets: Sequence[Any]) -> None:
    if len(columns["text"]) != len(targets):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: [{len(columns['text'])}, {len(targets)}]"
        )


@contextlib.contextmanager
def _quiet(is_quiet: bool) -> Iterator[None]:
    if not is_quiet:
        yield
        return
    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        if was_shown:
            logging.enable_progress_bar()
