"""MTEB's own scores: of what, equal to scipy's, and read again only for the same model and data."""

import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from transformers import AutoTokenizer, BertConfig, BertModel

from glot_hf import GlotModel
from glot_hf.experiments.mteb import PAPER_TASKS, LocalSTS, evaluate, find_tasks, make_encoder, score_table
from glot_hf.sentence_transformer import to_sentence_transformer
from glot_hf.system.errors import InputError


ROWS = [
    (f"a {animal} is {verb}", f"the {other} is {verb}", score)
    for score, (animal, other) in enumerate([("cat", "car"), ("cat", "dog"), ("dog", "puppy"), ("cat", "cat")])
    for verb in ("running", "asleep", "eating")
]


def write_sts(folder, rows):
    folder.mkdir(exist_ok=True)
    lines = [
        "index\tsentence1\tsentence2\tscore",
        *(f"{i}\t{a}\t{b}\t{score}" for i, (a, b, score) in enumerate(rows)),
    ]
    (folder / "dev.tsv").write_text("\n".join(lines) + "\n")
    return str(folder)


@pytest.fixture
def data_dir(tmp_path):
    return write_sts(tmp_path / "STS-B", ROWS)


@pytest.fixture(scope="module")
def tokenizer(minilm_path):
    return AutoTokenizer.from_pretrained(minilm_path)


@pytest.fixture
def model(tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    backbone = BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).eval()
    return GlotModel.from_backbone(backbone, gnn_hidden_size=8, readout_hidden_size=8)


@pytest.fixture
def encoder(model, tokenizer):
    return make_encoder(to_sentence_transformer(model, tokenizer), "tester/head")


def test_vectors_that_are_not_finite_are_refused(model, tokenizer, data_dir, tmp_path):
    with torch.no_grad():
        next(model.head.parameters())[:] = torch.nan
    encoder = make_encoder(to_sentence_transformer(model, tokenizer), "tester/dead")
    with pytest.raises(InputError, match="vectors of tester/dead are not finite"):
        evaluate({"head": encoder}, [LocalSTS(data_dir)], tmp_path)
    assert not list(tmp_path.rglob("LocalSTS.json"))


def test_scores_are_those_of_scipy(model, tokenizer, encoder, data_dir, tmp_path):
    scores, _ = evaluate({"head": encoder}, [task := LocalSTS(data_dir)], tmp_path / "results")
    first, second = (model.encode([row[column] for row in ROWS], tokenizer) for column in (0, 1))
    cosines = torch.nn.functional.cosine_similarity(first, second).numpy()
    labels = [row[2] for row in ROWS]
    assert scores["LocalSTS"]["head"] == pytest.approx(spearmanr(cosines, labels).statistic, abs=1e-5)
    (details,) = task_result(encoder, tmp_path / "results").scores["validation"]
    assert details["cosine_pearson"] == pytest.approx(pearsonr(cosines, labels).statistic, abs=1e-5)
    table = score_table(scores | {"STS12": {"head": 0.5}}, [task, *find_tasks(["STS12"])])
    assert "LocalSTS (cosine_spearman) | STS12 (cosine_spearman)" in table and "| **50.00** |" in table


def task_result(encoder, folder):
    import mteb

    return mteb.ResultCache(folder).load_task_result("LocalSTS", encoder.mteb_model_meta)


def test_scores_are_read_again(model, tokenizer, encoder, data_dir, tmp_path, monkeypatch):
    """But not those of other data or of other weights."""
    calls = []
    encode = type(encoder).encode
    monkeypatch.setattr(type(encoder), "encode", lambda *args, **kwargs: calls.append(1) or encode(*args, **kwargs))

    def run(encoder, data_dir):
        del calls[:]
        score = evaluate({"head": encoder}, [LocalSTS(data_dir)], tmp_path / "results")[0]["LocalSTS"]["head"]
        return score, bool(calls)

    first, encoded = run(encoder, data_dir)
    assert encoded
    again = make_encoder(to_sentence_transformer(model, tokenizer), "tester/head")
    assert run(again, data_dir) == (first, False)

    other_data = write_sts(tmp_path / "other", [(a, b, 3 - score) for a, b, score in ROWS])
    other, encoded = run(encoder, other_data)
    assert encoded and other == pytest.approx(-first, abs=1e-5)

    with torch.no_grad():
        next(model.head.parameters()).mul_(-1)
    changed = make_encoder(to_sentence_transformer(model, tokenizer), "tester/head")
    assert run(changed, other_data)[1]

    revisions = [each.mteb_model_meta.revision for each in (encoder, changed)]
    for config, option, value in ((model.config, "tau", 0.9), (model.backbone.config, "layer_norm_eps", 0.1)):
        setattr(config, option, value)
        of_it = make_encoder(to_sentence_transformer(model, tokenizer), "tester/head")
        revisions.append(of_it.mteb_model_meta.revision)
    assert len(set(revisions)) == 4


def test_the_papers_tasks():
    assert [task.metadata.name for task in find_tasks(["paper", "STS12", "STS13"])] == [*PAPER_TASKS, "STS13"]


def test_a_task_that_is_not_there():
    with pytest.raises(InputError, match="no such task: 'STS21' not found. Did you mean: 'STS22'"):
        find_tasks(["STS21"])


def test_a_task_that_cannot_be_downloaded_stops_no_other(encoder, data_dir, tmp_path):
    tasks = [*find_tasks(["STS12", "STS13"]), LocalSTS(data_dir)]
    scores, missing = evaluate({"head": encoder}, tasks, tmp_path)
    assert list(scores) == ["LocalSTS"] and missing == ["STS12", "STS13"]
    assert "| pooling | LocalSTS (cosine_spearman) |" in score_table(scores, tasks)


@pytest.mark.filterwarnings("error::FutureWarning")
def test_no_warning_of_mtebs_own_calls(model, tokenizer):
    make_encoder(to_sentence_transformer(model, tokenizer), "tester/head")
