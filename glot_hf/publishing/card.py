# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""Write the model card of a head from its configuration and the record of its training: nobody types it."""

import shlex
from dataclasses import dataclass, field

import transformers
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from ..model.configuration_glot import GlotConfig
from ..model.version_glot import __version__


# Metrics of `glot-hf train` -> their names on the Hub, and their names for a reader.
_METRICS = {
    "matthews_correlation": ("matthews_correlation", "Matthews correlation"),
    "f1": ("f1", "F1"),
    "f1_micro": ("f1", "F1 (micro)"),
    "f1_macro": ("f1", "F1 (macro)"),
    "accuracy": ("accuracy", "Accuracy"),
    "spearman": ("spearmanr", "Spearman correlation"),
    "pearson": ("pearsonr", "Pearson correlation"),
    "mse": ("mse", "Mean squared error"),
    "mrr": ("mrr", "Mean reciprocal rank"),
    "recall_at_1": ("recall_at_1", "Recall at 1"),
    "recall_at_10": ("recall_at_10", "Recall at 10"),
}
_PAPER = "https://arxiv.org/abs/2603.03389"

_PREAMBLE = """\
# {title}

A [GLOT]({paper}) sentence head on {backbone}: {method}. This repository holds
the head and its code, {head_parameters:,} parameters; {where_the_backbone_is}

## How to load

```python
{usage}
```

After `import glot_hf`, where it is installed, {instead_of_trust}. The head never passes this trust on to its backbone.
"""
_RESULTS = """
## Results

On the {split} rows of {dataset}, by `glot-hf train`, one run{seed}:

| | |
|---|---:|
{rows}
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

## Citation

This head was made with glot_hf, an implementation of *GLOT* ([arXiv 2603.03389]({paper}), ICLR 2026).
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


def make_card(
    config: GlotConfig, repo_id: str, head_parameters: int, is_classifier: bool, training: Training, license: str
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
    """
    scores = {name: training.results[f"eval_{name}"] for name in _METRICS if f"eval_{name}" in training.results}
    data = ModelCardData(
        base_model=config.backbone_name_or_path,
        library_name="transformers",
        license=license,
        pipeline_tag="text-classification" if is_classifier else "feature-extraction",
        tags=["glot", "sentence-embeddings"]
        + ([] if config.backbone_in_checkpoint else ["frozen-backbone"])
        + (["sentence-pairs"] if config.pair_mode else []),
        datasets=[training.dataset_id] if training.dataset_id else None,
        metrics=sorted({_METRICS[name][0] for name in scores}) or None,
        model_name=repo_id.split("/")[-1] if scores else None,
        eval_results=[
            EvalResult(
                task_type="text-classification" if is_classifier else "sentence-similarity",
                dataset_type=training.dataset_id or "private",
                dataset_name=training.dataset or "private",
                dataset_config=training.dataset_config,
                dataset_split="validation",
                metric_type=_METRICS[name][0],
                metric_name=_METRICS[name][1],
                metric_value=round(value, 6),
            )
            for name, value in scores.items()
        ]
        or None,
    )
    return ModelCard(
        f"---\n{data.to_yaml()}\n---\n\n{_body(config, repo_id, head_parameters, is_classifier, training, scores)}"
    )


def _body(
    config: GlotConfig,
    repo_id: str,
    head_parameters: int,
    is_classifier: bool,
    training: Training,
    scores: dict[str, float],
) -> str:
    name = config.backbone_name_or_path
    backbone = f"[{name}](https://huggingface.co/{name})"
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
        instead_of_trust=_INSTEAD_OF_TRUST["pipeline" if kind in _PAIR_KINDS else "class"],
    )
    if scores:
        rows = [f"| {_METRICS[metric][1]} | {value:.4f} |" for metric, value in scores.items()]
        seed = "" if training.seed is None else f" (seed {training.seed})"
        dataset = training.dataset or "its data set"
        body += _RESULTS.format(split="validation", dataset=dataset, seed=seed, rows="\n".join(rows))
    facts = _facts(config, training, is_classifier)
    if training.command:
        body += _TRAINING.format(command=shlex.join(training.command), facts="\n".join(facts))
    else:
        body += "\n## Head\n\n" + "\n".join(facts) + "\n"
    cut = f"at {training.max_length} tokens" if training.max_length else "where the tokenizer cuts it"
    more = [f"- A longer text is cut {cut}."]
    if scores:
        more.append("- The numbers are of one run on one data set: other seeds and other texts give others.")
    return body + _LIMITS.format(which_backbone=which_backbone, more_limits="\n".join(more), paper=_PAPER)


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
    if training.hardware:
        facts.append(f"- Hardware: {training.hardware}.")
    versions = training.versions or {"glot_hf": __version__, "transformers": transformers.__version__}
    facts.append(f"- Versions: {', '.join(f'{package} {version}' for package, version in versions.items())}.")
    return facts
