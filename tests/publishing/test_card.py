"""The model card of a head, without a Hub."""

import pytest

from glot_hf import GlotConfig
from glot_hf.publishing.card import Training, make_card
from glot_hf.publishing.findings import without_texts


REPORT = {
    "rows": 30,
    "num_training_rows": 1_200,
    "training_rows": {"b|ad": 900, "good": 300},
    "main": {"name": "f1_macro", "value": 0.8, "low": 0.7, "high": 0.9},
    "classes": [
        {"name": "good", "precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 8},
        {"name": "b|ad", "precision": 1.0, "recall": 0.75, "f1": 6 / 7, "support": 22},
    ],
    "baseline": {"name": "logistic regression on mean vectors", "value": 0.75, "rows": 1_000, "seconds": 0.1},
    "mistakes": [{"row": 3, "label": "good", "answer": "b|ad", "text": "a secret"}],
}


def card_of_classes(report=REPORT, languages=(), **training):
    config = GlotConfig(
        input_size=8,
        backbone_name_or_path="someone/bert",
        problem_type="single_label_classification",
        id2label={0: "b|ad", 1: "good"},
    )
    found = Training(report=without_texts(report), results={"eval_f1_macro": 0.8}, seed=7, dataset="a.csv", **training)
    return make_card(config, "tester/a", 1234, True, found, license="mit", languages=languages)


def test_rows_classes_and_the_baseline():
    card = card_of_classes(class_weight={"b|ad": 0.5, "good": 2.0}).content
    assert "trained on 1,200 rows" in card and "On the 30 validation rows of a.csv" in card and "seed 7" in card
    assert "F1 (macro), 95 % interval over draws of the validation rows: 0.7000 to 0.9000" in card
    assert (
        "of logistic regression on mean vectors, fitted to the same hidden states of 1,000 training rows: 0.7500"
        in card
    )
    assert card.index("| b\\|ad | 900 | 22 | 1.000 | 0.750 | 0.857 |") < card.index("| good | 300 | 8 | 0.500 |")
    assert "What a training row of each class counts: `b|ad` 0.5, `good` 2." in card
    assert "a secret" not in card


def test_many_classes():
    """Those with the most training rows are shown."""
    classes = [{**REPORT["classes"][0], "name": f"c{number}"} for number in range(40)]
    counts = {f"c{number}": number for number in range(40)}
    card = card_of_classes(REPORT | {"classes": classes, "training_rows": counts}).content
    assert "| c39 | 39 |" in card and "| c10 | 10 |" in card and "| c9 |" not in card
    assert "(The 10 classes with fewer training rows are left out.)" in card


def test_scores_without_classes():
    report = {name: REPORT[name] for name in ("rows", "num_training_rows", "main")} | {"training_rows": None}
    report["main"] = {"name": "pearson", "value": None, "low": None, "high": None}
    card = card_of_classes(report).content
    assert "trained on 1,200 rows" in card and "interval" not in card and "| class |" not in card


def test_a_report_of_other_rows_is_not_taken():
    """`glot-hf evaluate --output_dir` writes one that does not know the training."""
    assert without_texts({name: value for name, value in REPORT.items() if name != "num_training_rows"}) == {}


@pytest.mark.parametrize(
    ("languages", "data", "said"),
    [
        ([], None, None),
        (["de"], "de", "`de`."),
        (["de", "fr"], None, "`de`, `fr`."),
        (["x"] * 25, None, "and 5 more."),
    ],
)
def test_languages(languages, data, said):
    card = card_of_classes(languages=languages)
    assert card.data.language == data
    assert said in card.text if said else "the card of the backbone names" not in card.text


def test_how_to_cite_the_paper():
    card = card_of_classes().text
    assert "```bibtex\n@inproceedings{" in card and 'Sch{\\"o}nlieb' in card and card.rstrip().endswith("```")
    assert card.count("{") == card.count("}")


@pytest.mark.parametrize("mode", ["late", "late_mean"])
def test_a_head_that_compares_tokens_promises_no_vectors(mode):
    config = GlotConfig(
        input_size=8, pair_mode=mode, backbone_name_or_path="someone/bert", problem_type="single_label_classification"
    )
    card = make_card(config, "tester/pairs", 1234, is_classifier=True, training=Training(), license="mit").content
    assert "two texts that each\nwent through it alone, are compared with each other" in card
    assert f"- Head: token states, pairs compared by `{mode}`." in card
    assert '"text_pair": "and another"' in card and "pipeline_class=glot_hf.GlotTextClassificationPipeline" in card
    assert (
        "SentenceTransformer" not in card
        and "encode(" not in card
        and "one vector" not in card
        and "graph" not in card
    )
