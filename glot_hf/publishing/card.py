# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Write the model card of a head from its configuration and the record of its training: nobody types it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import transformers
from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData

from ..model.configuration_glot import GlotConfig
from ..model.pretrained_glot import GlotPreTrainedModel
from ..model.sentence_files_glot import gives_vectors_of_texts
from ..model.version_glot import __version__
from .backbone_card import card_data_of, is_local, languages_of, license_of, short_name
from .findings import METRICS, describe_findings, scores_of


_PAPER = "https://arxiv.org/abs/2603.03389"
_MOST_LANGUAGES = 20

_PREAMBLE = """\
# {title}

A [GLOT]({paper}) sentence head on {backbone}: {method}. This repository holds
the head and its code, {head_parameters:,} parameters; {where_the_backbone_is}

## How to load

```python
{usage}
```

After `import glot_hf`, where it is installed, {instead_of_trust}. The head never passes this trust on to its backbone.
{in_sentence_transformers}"""
_SENTENCE_TRANSFORMERS = """
In sentence-transformers 6, `SentenceTransformer("{repo_id}", trust_remote_code=True)` gives the vectors of `encode`.
"""
_TRAINING = """
## Training

```bash
{command}
```

{facts}
"""
_LIMITS = """
## Limits

- What {which_backbone} does not know, in which languages and about what, the head cannot add, and its biases are the
  head's.
{more_limits}
- Whoever uses the head should measure it on texts of their own first.
"""
_CITATION = f"""
## Citation

This head was made with glot_hf, an implementation of *GLOT* ([arXiv 2603.03389]({_PAPER}), ICLR 2026):

```bibtex
@inproceedings{{mantri2026towards,
  title     = {{Towards Improved Sentence Representations using Token Graphs}},
  author    = {{Mantri and Sch{{\\"o}}nlieb and L{{\\"a}}hner and Eliasof}},
  booktitle = {{International Conference on Learning Representations (ICLR)}},
  year      = {{2026}},
  url       = {{{_PAPER}}}
}}
```
"""
_GRAPH = """\
the token states of {which_backbone} become a graph of similar
tokens, a small graph network runs over it, and an attention readout makes one vector of a text"""
_RESIDUAL = """\
the token states of {which_backbone} go through a small network of
residual layers, and a readout makes one vector of a text"""
_OTHER_POOLING = """\
the pooling `{pooling}`, in place of the graph, makes of the
token states of {which_backbone} one vector of a text"""
_LATE = """\
the token states of {which_backbone}, of two texts that each
went through it alone, are compared with each other (late interaction), and give a score of the pair"""

# Loaded without glot_hf, the tokenizer too asks for trust: its configuration is the head's.
_AUTO_CLASSES = """

model = AutoModelForSequenceClassification.from_pretrained("{repo_id}", trust_remote_code=True)
tokenizer = AutoTokenizer.from_pretrained("{repo_id}", trust_remote_code=True)
vectors = model.encode(["a text", "another"], tokenizer)  # (2, {hidden_size})"""
_USAGE = {
    "classifier": """\
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

classify = pipeline("text-classification", model="{repo_id}", trust_remote_code=True)
classify(["a text", "another"], truncation=True)"""
    + _AUTO_CLASSES
    + """
logits = model(**tokenizer("a text", truncation=True, return_tensors="pt")).logits""",
    "pair classifier": """\
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

classify = pipeline("text-classification", model="{repo_id}", trust_remote_code=True)
classify([{{"text": "one text", "text_pair": "and another"}}])"""
    + _AUTO_CLASSES,
    "comparison of tokens": """\
from transformers import pipeline

classify = pipeline("text-classification", model="{repo_id}", trust_remote_code=True)
classify([{{"text": "one text", "text_pair": "and another"}}])""",
    "vectors": """\
from transformers import AutoModel, AutoTokenizer

model = AutoModel.from_pretrained("{repo_id}", trust_remote_code=True)
tokenizer = AutoTokenizer.from_pretrained("{repo_id}", trust_remote_code=True)
vectors = model.encode(["a text", "another"], tokenizer)  # (2, {hidden_size})""",
    "head alone": """\
from transformers import AutoModel

model = AutoModel.from_pretrained("{repo_id}", trust_remote_code=True)
vectors = model(hidden_states=states, attention_mask=mask).pooler_output  # (B, {hidden_size})""",
    "classifier alone": """\
from transformers import AutoModelForSequenceClassification

model = AutoModelForSequenceClassification.from_pretrained("{repo_id}", trust_remote_code=True)
logits = model(hidden_states=states, attention_mask=mask).logits""",
}

_PAIR_KINDS = ("pair classifier", "comparison of tokens")

_INSTEAD_OF_TRUST = {
    "class": "`trust_remote_code=True` is not needed",
    "pipeline": "`pipeline_class=glot_hf.GlotTextClassificationPipeline` takes the place of `trust_remote_code=True`",
}


@dataclass
class Training:
    """
    What is known of how a head was trained. Any of it may be missing.

    Args:
        command (`list[str]`): the command line, without paths of the machine.
        seed (`int`): Trainer's seed.
        max_length (`int`): the number of tokens at which a text was cut.
        dataset (`str`): the name of the data set, for a reader.
        dataset_id (`str`): its repository on the Hub.
        dataset_config (`str`): its configuration there.
        hardware (`str`): what the head was trained on.
        versions (`dict[str, str]`): versions of libraries, by name.
        results (`dict[str, float]`): metrics by their names in `glot-hf train`, such as "eval_accuracy".
        report (`dict`): the report beside the head [`~glot_hf.publishing.findings.without_texts`].
        class_weight (`dict[str, float]`): what a training row of each class counted.
    """

    command: list[str] = field(default_factory=list)
    seed: int | None = None
    max_length: int | None = None
    dataset: str | None = None
    dataset_id: str | None = None
    dataset_config: str | None = None
    hardware: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    results: dict[str, float] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    class_weight: dict[str, float] | None = None


def card_of(
    model: GlotPreTrainedModel,
    config: GlotConfig,
    repo_id: str,
    training: Training,
    api: HfApi | None,
    license: str | None,
) -> ModelCard:
    """
    Return the model card of a model: [`make_card`] with what the model and the card of its backbone say.

    Args:
        config ([`GlotConfig`]): the model's, or the one that is published in its place.
        api (`HfApi`, *optional*): asks the Hub for the card of the backbone; default: only this machine is asked.
        license (`str`, *optional*): default: the backbone's.
    """
    backbone = model.base_model.backbone
    of_backbone = set() if backbone is None else set(map(id, backbone.parameters()))
    head_parameters = sum(p.numel() for p in model.parameters() if id(p) not in of_backbone)
    data = card_data_of(config, api)
    is_classifier = model is not model.base_model
    return make_card(
        config, repo_id, head_parameters, is_classifier, training, license or license_of(data), languages_of(data)
    )


def make_card(
    config: GlotConfig,
    repo_id: str,
    head_parameters: int,
    is_classifier: bool,
    training: Training,
    license: str,
    languages: Sequence[str] = (),
) -> ModelCard:
    """
    Return the model card of a head.

    Args:
        config ([`GlotConfig`]): the head's, which names the backbone where others find it.
        repo_id (`str`): "owner/name".
        head_parameters (`int`): the number of parameters of the head alone.
        is_classifier (`bool`): the head has a classifying layer.
        training ([`Training`]): what is known of the training.
        license (`str`): a license by its name on the Hub.
        languages (`list[str]`): those of the backbone, as far as they are known.
    """
    scores, name = scores_of(training.results), config.backbone_name_or_path
    data = ModelCardData(
        base_model=None if name is None or is_local(name) else name,
        language=languages[0] if len(languages) == 1 else None,  # the head need not know all that its backbone knows
        library_name="transformers",
        license=license,
        pipeline_tag="text-classification" if is_classifier else "feature-extraction",
        tags=["glot", "sentence-embeddings"]
        + ([] if config.backbone_in_checkpoint else ["frozen-backbone"])
        + (["sentence-pairs"] if config.pair_mode else []),
        datasets=[training.dataset_id] if training.dataset_id else None,
        metrics=sorted({METRICS[name][0] for name in scores}) or None,
        model_name=repo_id.split("/")[-1] if scores else None,
        eval_results=[
            EvalResult(
                task_type="text-classification" if is_classifier else "sentence-similarity",
                dataset_type=training.dataset_id or "private",
                dataset_name=training.dataset or "private",
                dataset_config=training.dataset_config,
                dataset_split="validation",
                metric_type=METRICS[name][0],
                metric_name=METRICS[name][1],
                metric_value=round(value, 6),
            )
            for name, value in scores.items()
        ]
        or None,
    )
    body = _body(config, repo_id, head_parameters, is_classifier, training, scores, languages)
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}")


def _body(
    config: GlotConfig,
    repo_id: str,
    head_parameters: int,
    is_classifier: bool,
    training: Training,
    scores: dict[str, float],
    languages: Sequence[str],
) -> str:
    name = config.backbone_name_or_path
    backbone = f"[{name}](https://huggingface.co/{name})"
    if name is not None and is_local(name):
        backbone = short_name(name)
    kind = "vectors"
    if is_classifier:
        kind = _PAIR_KINDS[config.compares_tokens] if config.pair_mode else "classifier"
    if config.backbone_in_checkpoint:  # it may have been trained
        which_backbone, where = "the backbone", "the backbone's weights are beside it."
        if name is None:
            backbone = f"a backbone of type {config.get_text_config().model_type}"
    elif name is None:
        kind = "classifier alone" if is_classifier else "head alone"
        which_backbone, where = "the backbone", "it has no backbone, and takes hidden states."
        backbone = f"hidden states of width {config.input_size}"
    elif is_local(name):
        which_backbone, where = (
            "the frozen backbone",
            "the backbone comes from a folder of the machine of the training.",
        )
    else:
        commit = f" at commit `{config.backbone_revision}`" if config.backbone_revision else ""
        which_backbone, where = "the frozen backbone", f"the backbone comes from its own{commit}."
    method = _OTHER_POOLING
    if config.compares_tokens:
        method = _LATE
    elif config.pooling == "glot":
        method = _RESIDUAL if config.block == "residual" else _GRAPH
    body = _PREAMBLE.format(
        title=repo_id.split("/")[-1],
        paper=_PAPER,
        backbone=backbone,
        method=method.format(pooling=config.pooling, which_backbone=which_backbone),
        head_parameters=head_parameters,
        where_the_backbone_is=where,
        usage=_USAGE[kind].format(repo_id=repo_id, hidden_size=config.hidden_size),
        in_sentence_transformers=_SENTENCE_TRANSFORMERS.format(repo_id=repo_id) * gives_vectors_of_texts(config),
        instead_of_trust=_INSTEAD_OF_TRUST["pipeline" if kind in _PAIR_KINDS else "class"],
    )
    body += describe_findings(scores, training.report, training.dataset, training.seed)
    facts = _facts(config, training, is_classifier)
    if training.command:
        body += _TRAINING.format(command=shlex.join(training.command), facts="\n".join(facts))
    else:
        body += "\n## Head\n\n" + "\n".join(facts) + "\n"
    cut = f"at {training.max_length} tokens" if training.max_length else "where the tokenizer cuts it"
    more = [f"- A longer text is cut {cut}."]
    if scores:
        more.append("- The numbers are of one run on one data set: other seeds and other texts give others.")
    if languages:
        named = ", ".join(f"`{language}`" for language in languages[:_MOST_LANGUAGES])
        left_out = len(languages) - _MOST_LANGUAGES
        more.append(
            f"- Languages that the card of the backbone names: {named}{f' and {left_out} more' * (left_out > 0)}."
        )
    return body + _LIMITS.format(which_backbone=which_backbone, more_limits="\n".join(more)) + _CITATION


def _facts(config: GlotConfig, training: Training, is_classifier: bool) -> list[str]:
    head = f"pooling `{config.pooling}`"
    if config.compares_tokens:
        head = "token states"
    elif config.pooling == "glot" and config.block == "residual":
        head += f", {config.num_gnn_layers} residual layers of width {config.gnn_hidden_size}"
        if config.graph_type == "similarity":
            head += f" with a graph term, tau {config.similarity_threshold:g}"
    elif config.pooling == "glot":
        head += (
            f", {config.num_gnn_layers} layers `{config.gnn_type}` of width {config.gnn_hidden_size}, tau "
            f"{config.similarity_threshold:g}, jumping knowledge `{config.jumping_knowledge}`"
        )
    default = GlotConfig()
    for option in ("graph_type", "dropout", "readout", "input_norm", "token_features", "backbone_layers", "layer_mix"):
        if (value := getattr(config, option)) != getattr(default, option):
            head += f", {option} `{value}`"
    if config.pair_mode:
        head += f", pairs compared by `{config.pair_mode}`"
    facts = [f"- Head: {head}{'' if config.compares_tokens else f'; sentence vectors of width {config.hidden_size}'}."]
    if is_classifier and config.pair_mode != "cosine":
        labels = ", ".join(f"`{label}`" for _, label in sorted(config.id2label.items()))
        facts.append(f"- Labels: {labels}." if config.problem_type != "regression" else "- Label: a score.")
    if is_classifier and config.decision_threshold is not None:
        facts.append(
            f"- `{config.id2label[1]}` is the answer from a probability of {config.decision_threshold:.3g} on; the "
            "stock pipeline does not know this, and answers it from 0.5 on."
        )
    if training.class_weight:
        weights = ", ".join(f"`{name}` {weight:.3g}" for name, weight in training.class_weight.items())
        facts.append(f"- What a training row of each class counts: {weights}.")
    if training.hardware:
        facts.append(f"- Hardware: {training.hardware}.")
    versions = training.versions or {"glot_hf": __version__, "transformers": transformers.__version__}
    facts.append(f"- Versions: {', '.join(f'{package} {version}' for package, version in versions.items())}.")
    return facts
