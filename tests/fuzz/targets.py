"""What is fuzzed: of each kind of file, good ones, how they are changed, and the code that reads them."""

from abc import ABC, abstractmethod
from pathlib import Path
from random import Random

from fuzz.mutations import change_bytes


class Target(ABC):
    """
    A kind of file.

    Args:
        root (`Path`): a folder of its own, in which good files are made once.
    """

    def __init__(self, root: Path):
        self.root = root

    @abstractmethod
    def draw(self, generator: Random) -> dict[str, bytes]:
        """Return files by their name: what the generator makes of good ones."""

    @abstractmethod
    def use(self, folder: Path) -> None:
        """Read the files that were drawn as a command does; raise as it does."""

    @abstractmethod
    def good(self) -> list[dict[str, bytes]]:
        """Return files that are read without complaint."""


class ByBytes(Target):
    """A kind whose files have no structure that would be worth changing."""

    def draw(self, generator: Random) -> dict[str, bytes]:
        files = dict(generator.choice(self.good()))
        name = generator.choice(sorted(files))
        return files | {name: change_bytes(files[name], generator)}
