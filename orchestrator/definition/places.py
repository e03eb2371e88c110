"""Problems of what a definition is given, at the place where the definition asks for it."""

from os.path import normpath
from pathlib import Path

from orchestrator.definition import tree
from orchestrator.definition.problems import Code, Problem


def near_here(path: Path) -> str:
    """The path from the folder in which the process works, if it lies below; else as it is."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)


class Places:
    """The places of a definition's keys. The file is read again for the first problem, not before."""

    def __init__(self, file: Path | None, pipeline: str) -> None:
        """Without a `file`, problems name the pipeline."""
        self.label = str(file) if file else pipeline
        self._file = file
        self._root: tree.Mapping | None = None

    def beside(self, written: str, path: Path) -> str:
        """What to call the file at `path`, which the definition names so: as seen from where the definition was named."""
        label = "" if self._file is None else normpath(self._file.parent / written)
        return label if label and Path(label).resolve() == path.resolve() else str(path)

    def problem(self, path: tuple[str, ...], code: Code, message: str, suggestion: str = "") -> Problem:
        """A problem at the key that `path` leads to, or at the last one on the way that the file has."""
        place = self._place(path)
        line, col = (place.line, place.col) if place else (0, 0)
        return Problem(self.label, line, col, code, message, suggestion)

    def _place(self, path: tuple[str, ...]) -> tree.Place | None:
        if self._file is None:
            return None
        if self._root is None:
            try:
                with self._file.open("rb") as file:
                    _, self._root = tree.read(self.label, file.read(tree.SIZE_LIMIT + 1))
            except OSError:  # gone since it was loaded; its name has to do
                return None
        node: tree.Node | None = self._root
        place = tree.Place(1, 1)
        for key in path:
            if not isinstance(node, tree.Mapping) or key not in node.values:
                break
            place, node = node.keys[key], node.values[key]
        return place
