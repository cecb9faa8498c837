"""Hidden states from the disk are those that the backbone gives, whatever happened to the files in between."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from single_words import make_texts, make_tokenizer
from torch.utils.data import DataLoader
from transformers import AutoModel

from glot_hf import GlotForSequenceClassification
from glot_hf.data import HiddenStateCache
from glot_hf.model.backbone_forward_glot import run_backbone
from glot_hf.states.cache import cache_splits
from glot_hf.states.folder import damages
from glot_hf.states.key import digest, hash_weights
from glot_hf.states.manifest import Manifest
from glot_hf.states.running import HiddenStateCollator
from glot_hf.states.shard import verify_shard, write_shard
from glot_hf.system.errors import InputError


TEXTS = make_texts(40)


def build(backbone, tokenizer, folder, examples=None, **options):
    options = {"tokens_per_batch": 30, "tokens_per_shard": 60, **options}
    return HiddenStateCache.build(backbone, tokenizer, examples or {"text": TEXTS}, folder=folder, **options)


def alone(backbone, tokenizer, text, layers=-1):
    """The states of a text that is run by itself: `(L, d)`."""
    with torch.no_grad():
        return run_backbone(backbone, dict(tokenizer([text], return_tensors="pt")), layers).states[0]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class TestWhatItHolds:
    @pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
    @pytest.mark.parametrize("side", ["left", "right"])
    def test_the_states_of_each_text_without_padding(self, tiny_bert, tmp_path, dtype, side):
        tokenizer = make_tokenizer(padding_side=side)
        cache = build(tiny_bert, tokenizer, tmp_path, dtype=dtype)
        assert len(cache) == 40 and cache.dtype == getattr(torch, dtype)
        for row, text in zip(cache, TEXTS, strict=True):
            expected = alone(tiny_bert, tokenizer, text)
            tolerance = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 2e-2}[dtype]
            assert row["hidden_states"].dtype == cache.dtype
            torch.testing.assert_close(row["hidden_states"].float(), expected, rtol=tolerance, atol=tolerance)
        assert cache.num_bytes == sum(cache.lengths) * 32 * cache.dtype.itemsize  # all of TEXTS differ
        assert cache.lengths == [len(text.split()) for text in TEXTS]

    def test_by_default_the_dtype_of_the_backbone(self, tiny_bert, tokenizer, tmp_path):
        cache = build(tiny_bert.to(torch.bfloat16), tokenizer, tmp_path)
        assert cache[0]["hidden_states"].dtype == torch.bfloat16

    def test_several_layers(self, tiny_llama, tokenizer, tmp_path):
        cache = build(tiny_llama, tokenizer, tmp_path, layers=[0, 2])
        expected = alone(tiny_llama, tokenizer, TEXTS[7], [0, 2])
        torch.testing.assert_close(cache[7]["hidden_states"], expected, rtol=1e-5, atol=1e-5)

    def test_equal_texts_once(self, tiny_bert, tokenizer, tmp_path):
        examples = {"text": ["w1 w2", "w3", "w1 w2"], "text_pair": ["w3", "w4 w5 w6", "w1 w2"], "labels": [0, 1, 0]}
        cache = build(tiny_bert, tokenizer, tmp_path, examples)
        assert cache.manifest.num_tokens == 2 + 1 + 3
        assert [row["labels"] for row in cache] == [0, 1, 0]
        assert cache.lengths == [3, 4, 4]
        assert torch.equal(cache[0]["hidden_states"], cache[2]["hidden_states_b"])
        assert torch.equal(cache[0]["hidden_states_b"], cache[1]["hidden_states"])

    def test_rows_of_a_dataset_and_of_columns_are_the_same(self, tiny_bert, tokenizer, tmp_path):
        columns = {"text": TEXTS, "labels": [0.5] * 40}
        cache = build(tiny_bert, tokenizer, tmp_path, Dataset.from_dict(columns))
        assert cache[3]["labels"] == 0.5 and cache.folder == build(tiny_bert, tokenizer, tmp_path, columns).folder

    def test_no_text_at_all_and_texts_without_tokens(self, tiny_bert, tokenizer, tmp_path):
        assert len(build(tiny_bert, tokenizer, tmp_path / "none", {"text": []})) == 0
        cache = build(tiny_bert, tokenizer, tmp_path / "empty", {"text": ["", "w1 w2", ""]})
        assert [tuple(row["hidden_states"].shape) for row in cache] == [(0, 32), (2, 32), (0, 32)]
        assert build(tiny_bert, tokenizer, tmp_path / "only", {"text": [""]})[0]["hidden_states"].shape == (0, 32)

    def test_no_batch_is_larger_than_its_budget(self, tiny_bert, tokenizer, tmp_path, monkeypatch):
        shapes = []
        forward = tiny_bert.forward
        monkeypatch.setattr(
            tiny_bert,
            "forward",
            lambda input_ids, **rest: shapes.append(input_ids.shape) or forward(input_ids, **rest),
        )
        build(tiny_bert, tokenizer, tmp_path, tokens_per_shard=1000)
        assert all(shape.numel() <= 30 for shape in shapes)
        assert len(shapes) < 20  # 40 texts of 6.5 words: not one by one

    def test_texts_are_cut(self, tiny_bert, tokenizer, tmp_path):
        assert max(build(tiny_bert, tokenizer, tmp_path, max_length=5).lengths) == 5


class TestReading:
    def test_indices_are_those_of_a_list(self, tiny_bert, tokenizer, tmp_path):
        cache = build(tiny_bert, tokenizer, tmp_path)
        assert torch.equal(cache[-1]["hidden_states"], cache[39]["hidden_states"])
        with pytest.raises(IndexError):
            cache[40]

    def test_a_selection_of_rows(self, tiny_bert, tokenizer, tmp_path):
        cache = build(tiny_bert, tokenizer, tmp_path, {"text": TEXTS, "labels": list(range(40))})
        selection = cache.select([5, 2])
        assert len(selection) == 2 and [row["labels"] for row in selection] == [5, 2]
        assert selection.lengths == [cache.lengths[5], cache.lengths[2]]
        assert selection[0]["hidden_states"].data_ptr() == cache[5]["hidden_states"].data_ptr()  # mapped once

    def test_splits_share_one_cache(self, tiny_bert, tokenizer, tmp_path):
        splits = {"train": {"text": TEXTS[:30]}, "eval": {"text": TEXTS[25:]}}
        caches = cache_splits(tiny_bert, tokenizer, splits, folder=tmp_path)
        assert [len(cache) for cache in caches.values()] == [30, 15]
        assert torch.equal(caches["train"][29]["hidden_states"], caches["eval"][4]["hidden_states"])

    def test_rows_are_views_of_the_file_and_not_read_before_they_are_used(self, tiny_bert, tokenizer, tmp_path):
        cache = build(tiny_bert, tokenizer, tmp_path, tokens_per_shard=1000)
        first, second = cache[0]["hidden_states"], cache[1]["hidden_states"]
        assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
        if Path("/proc/self/maps").exists():
            assert str(tmp_path / "00000.safetensors") in Path("/proc/self/maps").read_text()

    @pytest.mark.parametrize("context", ["fork", "spawn"])
    def test_in_workers(self, tiny_bert, tokenizer, tmp_path, context):
        cache = build(tiny_bert, tokenizer, tmp_path, {"text": TEXTS, "labels": list(range(40))})
        loader = DataLoader(
            cache,
            batch_size=8,
            num_workers=2,
            collate_fn=HiddenStateCollator(),
            multiprocessing_context=multiprocessing.get_context(context),
        )
        labels = []
        for batch in loader:
            labels += batch["labels"].tolist()
            row = cache[labels[-1]]["hidden_states"]
            assert torch.equal(batch["hidden_states"][-1, : len(row)], row)
        assert labels == list(range(40))


class TestAnInterruptedBuild:
    def test_goes_on_at_the_missing_shards(self, tiny_bert, tokenizer, tmp_path, monkeypatch):
        build(tiny_bert, tokenizer, tmp_path)
        whole = files(tmp_path)
        missing = sorted(name for name in whole if name.endswith(".safetensors"))[1::2]
        for name in missing:
            (tmp_path / name).unlink()
        tokens, forward = [], tiny_bert.forward
        monkeypatch.setattr(
            tiny_bert,
            "forward",
            lambda attention_mask, **rest: (
                tokens.append(attention_mask.sum().item()) or forward(attention_mask=attention_mask, **rest)
            ),
        )
        cache = build(tiny_bert, tokenizer, tmp_path)
        assert sum(tokens) == sum(shard.num_tokens for shard in cache.manifest.shards if shard.file in missing)
        assert files(tmp_path) == whole

    def test_a_finished_cache_does_not_run_the_backbone(self, tiny_bert, tokenizer, tmp_path, monkeypatch):
        build(tiny_bert, tokenizer, tmp_path)
        monkeypatch.setattr(tiny_bert, "forward", None)
        assert len(build(tiny_bert, tokenizer, tmp_path)) == 40

    def test_what_a_dead_process_left_is_deleted_and_what_a_living_one_writes_is_not(
        self, tiny_bert, tokenizer, tmp_path
    ):
        process = multiprocessing.get_context("spawn").Process(target=int)
        process.start()
        process.join()
        host = os.uname().nodename
        dead, living = (tmp_path / f".00000.safetensors.{host}.{pid}.part" for pid in (process.pid, os.getppid()))
        for path in (dead, living):
            path.mkdir()
            (path / "half").touch()
        build(tiny_bert, tokenizer, tmp_path)
        assert not dead.exists() and living.exists()

    def test_a_full_disk_is_said_and_leaves_nothing_half_written(self, tiny_bert, tokenizer, tmp_path):
        import resource

        cache = build(tiny_bert, tokenizer, tmp_path / "whole")
        smallest, *_ = sorted(path.stat().st_size for path in cache.folder.glob("*.safetensors"))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (smallest - 1, limits[1]))
        try:
            with pytest.raises(InputError, match=r"00000.safetensors cannot be written to .*: make room there"):
                build(tiny_bert, tokenizer, tmp_path / "full")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert [path.name for path in (tmp_path / "full").iterdir()] == ["manifest.json"]
        assert len(build(tiny_bert, tokenizer, tmp_path / "full")) == 40

    @pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
    def test_who_may_read_its_files_is_up_to_the_umask(self, tiny_bert, tokenizer, tmp_path, umask):
        before = os.umask(umask)
        try:
            cache = build(tiny_bert, tokenizer, tmp_path)
        finally:
            os.umask(before)
        modes = {path.stat().st_mode & 0o777 for path in cache.folder.iterdir()}
        assert modes == {0o666 & ~umask}

    def test_an_error_leaves_nothing_half_written(self, tiny_bert, tokenizer, tmp_path, monkeypatch):
        save = "glot_hf.states.shard.save_file"
        monkeypatch.setattr(save, lambda tensors, path, metadata: path.touch() or 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(tiny_bert, tokenizer, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


class TestAnotherKey:
    """What would change the states is refused, and named."""

    @pytest.fixture
    def cache(self, tiny_bert, tokenizer, tmp_path):
        return build(tiny_bert, tokenizer, tmp_path)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"layers": 1}, r"another layers \(-1, not 1\)"),
            ({"dtype": "float16"}, r"another stored_dtype \('float32', not 'float16'\)"),
            ({"max_length": 7}, r"another max_length \(64, not 7\)"),
            ({"revision": "abc"}, r"another revision \(None, not 'abc'\)"),
            ({"tokens_per_shard": 50}, r"another tokens_per_shard \(60, not 50\)"),
            ({"examples": {"text": TEXTS[1:]}}, "another texts"),
        ],
    )
    def test_of_options(self, cache, tiny_bert, tokenizer, options, message):
        with pytest.raises(InputError, match=f"{message}.*glot-hf cache clear"):
            build(tiny_bert, tokenizer, cache.folder, **options)

    def test_of_the_weights(self, cache, tiny_bert, tokenizer):
        with torch.no_grad():
            tiny_bert.encoder.layer[1].output.dense.bias[3] += 1e-6
        with pytest.raises(InputError, match="another weights"):
            build(tiny_bert, tokenizer, cache.folder)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
    def test_of_weights_that_are_packed(self, tiny_bert):
        """What is printed of a tensor leaves out its middle."""
        keys = set()
        for weight in (0.0, 0.0, 0.01):
            tiny_bert.encoder.layer[1].intermediate.dense.weight.data[15, 15] = weight
            keys.add(hash_weights(torch.ao.quantization.quantize_dynamic(tiny_bert, {torch.nn.Linear})))
        assert len(keys) == 2

    def test_of_the_configuration(self, cache, tiny_bert, tokenizer):
        tiny_bert.config.layer_norm_eps = 1e-5
        with pytest.raises(InputError, match="another config"):
            build(tiny_bert, tokenizer, cache.folder)

    def test_of_the_compute_dtype(self, cache, tiny_bert, tokenizer):
        with pytest.raises(InputError, match="another weights, backbone_dtype"):
            build(tiny_bert.double(), tokenizer, cache.folder, dtype="float32")

    def test_of_the_tokenizer(self, cache, tiny_bert, tokenizer):
        tokenizer.add_tokens(["w1 w2"])
        with pytest.raises(InputError, match="another tokenizer"):
            build(tiny_bert, tokenizer, cache.folder)

    def test_the_folder_is_named_by_the_key(self, tiny_bert, tokenizer, tmp_path):
        first = build(tiny_bert, tokenizer, None, root=tmp_path)
        assert first.folder.parent == tmp_path and first.folder.name == first.manifest.digest[:16]
        second = build(tiny_bert, tokenizer, None, root=tmp_path, dtype="float16")
        assert second.folder != first.folder

    def test_not_of_what_changes_nothing(self, cache, tiny_bert, tokenizer):
        """The order of the rows, the size of a batch, and what a call left in the tokenizer."""
        tokenizer(["w1", "w2 w3"], padding="max_length", max_length=20, truncation=True)
        shuffled = {"text": TEXTS[::-1] + TEXTS[:3]}
        again = build(tiny_bert, tokenizer, cache.folder, shuffled, tokens_per_batch=99)
        assert torch.equal(again[0]["hidden_states"], cache[39]["hidden_states"])

    def test_a_cache_is_not_opened_with_other_texts(self, cache):
        with pytest.raises(InputError, match="of other texts"):
            HiddenStateCache(cache.folder, {"text": ["w1"]})


class TestDamage:
    @pytest.fixture
    def shard(self, tiny_bert, tokenizer, tmp_path):
        build(tiny_bert, tokenizer, tmp_path)
        return tmp_path / "00001.safetensors"

    def found(self, cache_folder):
        return {name: damage for name, damage in damages(cache_folder, Manifest.read(cache_folder)) if damage}

    def test_none(self, shard):
        assert self.found(shard.parent) == {}

    def test_a_flipped_bit_is_found(self, shard):
        content = bytearray(shard.read_bytes())
        content[-5] ^= 1
        shard.write_bytes(content)
        assert self.found(shard.parent) == {shard.name: "its states are not those that were written"}

    def test_any_flipped_bit_is_found(self, tmp_path):
        """Of the header too."""
        manifest = Manifest.plan({"format_version": 1, "tokens_per_shard": 9, "stored_dtype": "float32"}, [2, 1])
        (shard,) = manifest.shards
        write_shard(torch.randn(3, 4), tmp_path, shard, manifest)
        content = (tmp_path / shard.file).read_bytes()
        for bit in range(8 * len(content)):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            (tmp_path / shard.file).write_bytes(changed)
            with pytest.raises(ValueError):
                verify_shard(tmp_path, shard, manifest)

    @pytest.mark.parametrize("size", [0, 7, 100, -1])
    def test_a_file_that_was_cut_off_is_refused(self, shard, tiny_bert, tokenizer, size):
        shard.write_bytes(shard.read_bytes()[:size])
        assert "it cannot be read" in self.found(shard.parent)[shard.name]
        with pytest.raises(
            InputError, match=f"cannot be used.*Delete what `glot-hf cache verify {shard.parent}` finds"
        ):
            build(tiny_bert, tokenizer, shard.parent)
        shard.unlink()
        build(tiny_bert, tokenizer, shard.parent)
        assert self.found(shard.parent) == {}

    def test_a_missing_file(self, shard):
        shard.unlink()
        assert self.found(shard.parent) == {shard.name: "it is missing"}

    def test_a_file_of_another_cache(self, shard, tiny_bert, tokenizer, tmp_path):
        build(tiny_bert, tokenizer, tmp_path / "other", layers=1)
        shard.write_bytes((tmp_path / "other" / shard.name).read_bytes())
        with pytest.raises(InputError, match="it is of another cache"):
            build(tiny_bert, tokenizer, shard.parent)

    @pytest.mark.parametrize("kind", ["cut off", "empty", "another length", "another key", "a shard less", "no field"])
    def test_a_damaged_manifest(self, shard, tiny_bert, tokenizer, kind):
        manifest = shard.parent / "manifest.json"
        stored = json.loads(manifest.read_text())
        if kind == "another length":
            stored["lengths"][3] += 1
        if kind == "another key":
            stored["key"]["layers"] = 1
        if kind == "a shard less":
            del stored["shards"][-1]
        if kind == "no field":  # by somebody who knows how the digest is made
            del stored["key"]["revision"]
            stored["digest"] = digest(stored["key"])
        text = {"cut off": json.dumps(stored)[:-9], "empty": ""}.get(kind, json.dumps(stored))
        manifest.write_text(text)
        with pytest.raises(InputError, match="is damaged"):
            build(tiny_bert, tokenizer, shard.parent)

    def test_a_manifest_of_another_format(self, shard, tiny_bert, tokenizer):
        manifest = shard.parent / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"format_version": 1', '"format_version": 2'))
        with pytest.raises(InputError, match="is of format 2, but this glot_hf reads 1"):
            build(tiny_bert, tokenizer, shard.parent)


class TestStatesThatCannotBeStored:
    def scaled(self, backbone, factor):
        backbone.encoder.layer[-1].output.LayerNorm.weight.data.mul_(factor)
        return backbone

    def test_too_large_for_float16(self, tiny_bert, tokenizer, tmp_path):
        with pytest.raises(InputError, match="which torch.float16 cannot hold: store them in bfloat16 or float32"):
            build(self.scaled(tiny_bert, 1e6), tokenizer, tmp_path, dtype="float16")
        assert not list(tmp_path.glob("*.safetensors"))
        build(self.scaled(tiny_bert, 1), tokenizer, tmp_path / "wide", dtype="bfloat16")

    def test_of_a_backbone_that_runs_in_float16(self, tiny_bert, tokenizer, tmp_path):
        half = self.scaled(tiny_bert, 3e4).to(torch.float16)
        with pytest.raises(InputError, match="load it in bfloat16 or float32"):
            build(half, tokenizer, tmp_path)

    def test_not_a_number(self, tiny_bert, tokenizer, tmp_path):
        with pytest.raises(InputError, match="states that are not finite: check its weights"):
            build(self.scaled(tiny_bert, float("nan")), tokenizer, tmp_path)


class TestMistakes:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"dtype": "int8"}, "stored in int8: valid are float32, float16, bfloat16"),
            ({"tokens_per_batch": 0}, "tokens_per_batch 0 is not positive"),
            ({"tokens_per_shard": -1}, "tokens_per_shard -1 is not positive"),
            ({"max_length": 0}, "max_length 0 has no room for a text: give 1 or more"),
            ({"examples": {"text": ["w1", "w2"], "text_pair": ["w3"]}}, "have 2 'text', but 1 'text_pair'"),
            ({"examples": {"text": ["w1"], "labels": [0, 1]}}, "have 1 'text', but 2 'labels'"),
            ({"examples": {"text": ["w1", None]}}, "row 2: 'text' holds None, which is not text"),
            (
                {"examples": ["w1", "w2"]},
                "the examples are a list: give a Dataset or a mapping with the column 'text'",
            ),
            ({"examples": {"sentence": ["w1"]}}, "give a Dataset or a mapping with the column 'text'"),
        ],
    )
    def test_of_options(self, tiny_bert, tokenizer, tmp_path, options, message):
        with pytest.raises(InputError, match=message):
            build(tiny_bert, tokenizer, tmp_path, **options)

    def test_a_length_that_special_tokens_fill(self, tiny_bert, minilm_tokenizer, tmp_path):
        with pytest.raises(InputError, match="max_length 2 has no room for a text: give 3 or more"):
            build(tiny_bert, minilm_tokenizer, tmp_path, max_length=2)

    def test_a_backbone_with_dropout(self, tiny_bert, tokenizer, tmp_path):
        with pytest.raises(ValueError, match=r"training mode.*eval\(\)"):
            build(tiny_bert.train(), tokenizer, tmp_path)

    def test_no_room(self, tiny_bert, tokenizer, tmp_path, monkeypatch):
        monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
        with pytest.raises(InputError, match="has 1.00kB free"):
            build(tiny_bert, tokenizer, tmp_path)

    def test_a_folder_that_cannot_be_written(self, tiny_bert, tokenizer, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="no hidden states can be written"):
            build(tiny_bert, tokenizer, tmp_path / "file" / "cache")


@pytest.mark.parametrize("pair", [False, True])
def test_a_head_answers_as_on_text(minilm_path, minilm_tokenizer, tmp_path, pair):
    """Of real sentences, with states stored in float32: logits to 1e-5."""
    torch.manual_seed(0)
    backbone = AutoModel.from_pretrained(minilm_path)
    options = {"pair_mode": "interaction"} if pair else {}
    model = GlotForSequenceClassification.from_backbone(backbone, num_labels=3, **options).eval()
    examples = {"text": ["A plane is taking off.", "a cat", "No, I did not say that he had to go there at once!"]}
    if pair:
        examples["text_pair"] = ["An air plane is taking off.", "two dogs and a cat", "Yes."]
    rows = list(HiddenStateCache.build(backbone, minilm_tokenizer, examples, folder=tmp_path))
    with torch.no_grad():
        cached = model(**HiddenStateCollator()(rows)).logits
        text = minilm_tokenizer(examples["text"], padding=True, return_tensors="pt")
        if pair:
            second = minilm_tokenizer(examples["text_pair"], padding=True, return_tensors="pt")
            text |= {f"{name}_b": second[name] for name in ("input_ids", "attention_mask")}
        torch.testing.assert_close(cached, model(**text).logits, rtol=0, atol=1e-5)
