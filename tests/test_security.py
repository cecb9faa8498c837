"""Every test that SECURITY.md names exists."""

import re
from pathlib import Path


ROOT = Path(__file__).parent.parent


def test_promises_name_their_tests():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    for path, name in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^\s*def {name}\(", text, flags=re.MULTILINE), f"{path}::{name}"
