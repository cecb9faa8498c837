"""What lies on a shared disk: manifests and shards of caches, records and files of vectors, run.yaml, reports."""

import json
from pathlib import Path
from random import Random

import numpy as np
import yaml
from transformers import AutoTokenizer, BertModel

from fuzz.heads import Heads
from fuzz.mutations import HOSTILE, change_bytes, change_json, change_safetensors, to_json
from fuzz.targets import Target
from glot_hf.commands import cache, embed, report, search, train
from glot_hf.data.labels import Labels
from glot_hf.options.config import with_config
from glot_hf.reports.answers import report_answers
from glot_hf.states.cache import HiddenStateCache
from glot_hf.system.errors import InputError


TEXTS = {"text": [f"w{number} w{number + 1} w3" for number in range(12)], "labels": [0, 1] * 6}


class Manifests(Target):
    def __init__(self, root: Path):
        super().__init__(root)
        heads = Heads(root)
        backbone = BertModel.from_pretrained(heads.root / "backbone").eval()
        tokenizer = AutoTokenizer.from_pretrained(heads.root / "backbone")
        HiddenStateCache.build(backbone, tokenizer, TEXTS, folder=root / "cache", tokens_per_shard=12)
        self._files = {path.name: path.read_bytes() for path in (root / "cache").iterdir()}

    def good(self) -> list[dict[str, bytes]]:
        return [self._files]

    def draw(self, generator: Random) -> dict[str, bytes]:
        stored = json.loads(self._files["manifest.json"])
        part = generator.choice((stored, stored, stored["key"]))
        changed = change_json(part, generator, (*stored, *stored["key"], "token_features"))
        if part is not stored and generator.random() < 0.5:
            from glot_hf.states.key import digest

            stored |= {"key": changed, "digest": digest(changed) if isinstance(changed, dict) else ""}
        else:
            stored = changed if part is stored else stored | {"key": changed}
        return self._files | {"manifest.json": to_json(stored, generator)}

    def use(self, folder: Path) -> None:
        refused = None
        for call in (
            lambda: [row for row in HiddenStateCache(folder, TEXTS)],
            lambda: cache.run(["info", str(folder)]),
            lambda: cache.run(["verify", str(folder)]),
            lambda: cache.run(["prune", str(folder), "--older_than", "3000d", "--dry_run"]),
            lambda: cache.run(["clear", str(folder)]),
        ):
            try:
                call()
            except InputError as error:
                refused = refused or error
        if refused is not None:
            raise refused


class Shards(Manifests):
    def draw(self, generator: Random) -> dict[str, bytes]:
        name = generator.choice([name for name in self._files if name.endswith(".safetensors")])
        return self._files | {name: change_safetensors(self._files[name], generator)}


class VectorRecords(Target):
    """The record beside vectors, read by `glot-hf search`."""

    def __init__(self, root: Path):
        super().__init__(root)
        heads = Heads(root)
        (root / "texts.txt").write_text("\n".join(TEXTS["text"]))
        self._kinds = []
        for suffix in (".npy", ".safetensors", ".parquet"):
            output = root / f"vectors{suffix}"
            source = ["--model", str(heads.root / "encoder")]
            if suffix != ".npy":
                source = ["--backbone", str(heads.root / "backbone"), "--pooling", "mean"]
            embed.run([*source, "--input", str(root / "texts.txt"), "--output", str(output)])
            self._kinds.append({name: (root / name).read_bytes() for name in (output.name, f"{output.name}.json")})

    def good(self) -> list[dict[str, bytes]]:
        return self._kinds

    def draw(self, generator: Random) -> dict[str, bytes]:
        files = generator.choice(self._kinds)
        name = next(name for name in files if name.endswith(".json"))
        stored = json.loads(files[name])
        names = (*stored, *stored["key"], *stored["encoder"], *stored["files"], "trust_remote_code")
        part = generator.choice((None, *stored))
        if part is None or not isinstance(stored[part], (dict, list)):
            stored = change_json(stored, generator, names)
        else:
            stored |= {part: change_json(stored[part], generator, names)}
        return files | {name: to_json(stored, generator)}

    def use(self, folder: Path) -> None:
        (vectors,) = (path for path in folder.glob("vectors.*") if path.suffix != ".json")
        search.run(["w1 w2", "w9", "--index", str(vectors), "--top_k", "3"])


class Vectors(VectorRecords):
    """The vectors themselves, whose record takes any: one of before it had their hash."""

    def draw(self, generator: Random) -> dict[str, bytes]:
        files = dict(generator.choice(self._kinds))
        name = next(name for name in files if not name.endswith(".json"))
        change = change_safetensors if name.endswith(".safetensors") else change_bytes
        stored = json.loads(files[f"{name}.json"]) | {"vectors": None}
        if name.endswith(".npy") and generator.random() < 0.6:
            header = {
                "descr": generator.choice(
                    ("<f4", "<f8", "|O", ">f4", "<i8", "|V4", "|S3", "<M8[ns]", [("a", "<f4")], "x", 3)
                ),
                "fortran_order": generator.choice((True, False, 1, "x")),
                "shape": generator.choice(
                    ((12, 16), (16, 12), (12,), (), (2**40, 16), (0, 16), (-1, 16), (12, 0), "x")
                ),
            }
            body = files[name][128:]
            described = repr(header).encode() + b"\n"
            changed = b"\x93NUMPY\x01\x00" + len(described).to_bytes(2, "little") + described + body
        else:
            changed = change(files[name], generator)
        return files | {name: changed, f"{name}.json": json.dumps(stored).encode()}


class RunFiles(Target):
    """The options of run.yaml, up to where training would begin."""

    _OPTIONS = {
        "backbone": "backbone",
        "train_file": "reviews.csv",
        "seed": 0,
        "learning_rate": 1e-3,
        "num_train_epochs": 2,
        "pooling": "glot",
        "readout": ["mean", "max"],
        "backbone_layers": [-1, 2],
        "backbone_load_kwargs": {"dtype": "float32"},
        "text_template": "{title}: {body}",
        "class_weight": "balanced",
        "bf16": False,
        "max_length": None,
    }

    def good(self) -> list[dict[str, bytes]]:
        return [{"run.yaml": yaml.safe_dump(self._OPTIONS).encode()}]

    def draw(self, generator: Random) -> dict[str, bytes]:
        names = (
            "config",
            "help",
            "task",
            "fsdp",
            "deepspeed",
            "lora_r",
            "optim",
            "report_to",
            "hub_token",
            "tau",
            "block",
        )
        value = change_json(self._OPTIONS, generator, (*names, "accelerator_config", "debug", "cache_dir", "recipe"))
        if generator.random() < 0.3:
            value = self._OPTIONS | {generator.choice([*self._OPTIONS, *names]): generator.choice(HOSTILE)}
        try:
            data = yaml.dump(value, allow_unicode=True, Dumper=yaml.SafeDumper).encode("utf-8", "surrogatepass")
        except (yaml.YAMLError, RecursionError):
            data = json.dumps(value).encode("utf-8", "surrogatepass")
        return {"run.yaml": change_bytes(data, generator) if generator.random() < 0.4 else data}

    def use(self, folder: Path) -> None:
        typed = with_config(["--config", str(folder / "run.yaml"), "--output_dir", str(folder / "out")])
        try:
            train.parser().parse(typed)
        except SystemExit as end:  # --help
            assert not end.code


class Reports(Target):
    """report.json, as `glot-hf report` makes a page of it."""

    def __init__(self, root: Path):
        super().__init__(root)
        generator, texts = np.random.default_rng(0), {"text": ["a <b>film</b>"] * 20}
        self._reports = []
        for kind, names, truth, metric in (
            ("single_label_classification", ("a", "b"), generator.integers(0, 2, 20), "accuracy"),
            ("multi_label_classification", ("a", "b"), generator.integers(0, 2, (20, 2)).astype(float), "f1_micro"),
            ("regression", (), generator.normal(size=20), "spearmanr"),
        ):
            logits = generator.normal(size=(20, len(names) or 1))
            found = report_answers(logits, truth, Labels(kind, names), metric, texts)
            curve = [{"step": 1, "loss": 0.7}, {"step": 2, "eval_loss": 0.5}]
            self._reports.append({"report.json": json.dumps(found | {"curve": curve}).encode()})

    def good(self) -> list[dict[str, bytes]]:
        return self._reports

    def draw(self, generator: Random) -> dict[str, bytes]:
        stored = json.loads(generator.choice(self._reports)["report.json"])
        return {"report.json": to_json(change_json(stored, generator, tuple(stored)), generator)}

    def use(self, folder: Path) -> None:
        report.run([str(folder), "--output", str(folder / "page.html")])
