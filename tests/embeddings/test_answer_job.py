"""The same answers however often a job is interrupted; and what it refuses to go on with."""

import json

import numpy as np
import psutil
import pytest
import torch
from single_words import make_texts
from transformers import AutoTokenizer

from glot_hf import GlotForSequenceClassification
from glot_hf.data.table_rows import TableRows
from glot_hf.data.text_rows import TextRows
from glot_hf.embeddings.answer_job import AnswerJob
from glot_hf.embeddings.parts import Parts
from glot_hf.system.errors import InputError


ROWS, ROWS_PER_CHUNK = 200, 32


@pytest.fixture(scope="module")
def head(head_path):
    torch.manual_seed(0)
    model = GlotForSequenceClassification.from_backbone(
        f"{head_path}/../backbone", num_labels=3, gnn_hidden_size=8, readout_hidden_size=8
    )
    return model.eval(), AutoTokenizer.from_pretrained(head_path)


@pytest.fixture
def texts(tmp_path):
    rows = [json.dumps({"id": n, "text": text}) for n, text in enumerate(make_texts(ROWS, longest=30))]
    (tmp_path / "texts.jsonl").write_text("\n".join(rows))
    return tmp_path / "texts.jsonl"


@pytest.fixture
def answer(head, texts, tmp_path):
    def run(name="answers.jsonl", write=write_numbers, **options):
        options = {"rows_per_chunk": ROWS_PER_CHUNK, **options}
        return AnswerJob(TextRows(TableRows(str(texts)), "text"), *head, max_length=None, **options).run(
            tmp_path / name, write
        )

    return run


def write_numbers(path, answered):
    rows = [[cells["id"], texts["text"], logits.tolist()] for piece in answered for cells, texts, logits in piece]
    path.write_text(json.dumps(rows))


def read(path):
    return json.loads(path.read_text())


def test_answers_are_the_models_in_the_order_of_the_rows(head, answer, tmp_path):
    assert answer() == ROWS
    model, tokenizer = head
    ids, texts, logits = zip(*read(tmp_path / "answers.jsonl"))
    assert list(ids) == list(range(ROWS)) and list(texts) == make_texts(ROWS, longest=30)
    for row in range(0, ROWS, 37):
        with torch.no_grad():
            alone = model(**tokenizer(texts[row], return_tensors="pt")).logits[0]
        np.testing.assert_allclose(logits[row], alone, rtol=0, atol=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {"answers.jsonl", "texts.jsonl"}


def test_what_was_interrupted_goes_on(answer, tmp_path, monkeypatch):
    answer("undisturbed.jsonl")
    (tmp_path / "answers.jsonl").write_text("of yesterday")
    made, write = [], Parts.write

    def interrupt(parts, number, array):
        if len(made) in (2, 3, 6):
            made.append(None)
            raise KeyboardInterrupt
        write(parts, number, array)
        made.append(number)

    monkeypatch.setattr(Parts, "write", interrupt)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            answer()
        assert (tmp_path / "answers.jsonl").read_text() == "of yesterday"
    answer()
    assert [number for number in made if number is not None] == list(range(7))  # each part was made once
    assert (tmp_path / "answers.jsonl").read_bytes() == (tmp_path / "undisturbed.jsonl").read_bytes()
    assert not (tmp_path / "answers.jsonl.parts").exists()


def test_begun_work_of_something_else_is_refused(head, answer, texts, tmp_path, monkeypatch):
    with pytest.raises(ZeroDivisionError):
        answer(write=lambda path, answered: 1 / 0)  # all parts are done
    with pytest.raises(
        InputError, match=r"answers.jsonl.parts' holds the unfinished work .* batch_size \(64, not 3\)"
    ):
        answer(batch_size=3)
    with torch.no_grad():
        weight = head[0].classifier.weight
        before = weight.clone()
        weight += 1
        with pytest.raises(InputError, match="differs in weights: repeat that run's command"):
            answer()
        weight.copy_(before)
    lines = texts.read_text()
    texts.write_text(lines.replace('"id": 7,', '"id": 70,'))  # is not answered, so it may change
    assert answer() == ROWS
    with pytest.raises(ZeroDivisionError):
        answer(write=lambda path, answered: 1 / 0)
    texts.write_text(lines + '\n{"id": 1, "text": "one more"}')
    with pytest.raises(InputError, match=r"rows \(200, not 201\), texts: "):
        answer()


def test_texts_that_change_meanwhile(answer, texts, tmp_path):
    def write(path, answered):
        write_numbers(path, answered)
        texts.write_text(texts.read_text().replace('"text": "', '"text": "x', 1))

    with pytest.raises(InputError, match="the texts changed while they were answered"):
        answer(write=write)
    assert list(tmp_path.iterdir()) == [texts]


def test_memory_does_not_grow_with_the_file(answer, texts, tmp_path, monkeypatch):
    """20 MB of texts, in 100 chunks: nothing near that stays. The model is stubbed, for time."""
    texts.write_text("".join(json.dumps({"id": n, "text": f"{'x' * 300} {n}"}) + "\n" for n in range(64_000)))
    process, resident = psutil.Process(), []

    def logits(job, rows, number=None):
        resident.append(process.memory_info().rss)
        return np.zeros((len(rows), 3), np.float32)

    def write(path, answered):
        resident.extend(process.memory_info().rss for _ in answered)

        path.write_text("")

    monkeypatch.setattr(AnswerJob, "logits", logits)
    assert answer(write=write, rows_per_chunk=640) == 64_000
    assert len(resident) == 200 and max(resident) - resident[10] < 5e6


def test_no_room_on_the_disk(answer, texts, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(InputError, match=r"the answers to 200 texts take about .* but .* has 1.00kB free: make room"):
        answer()
    assert list(tmp_path.iterdir()) == [texts]
