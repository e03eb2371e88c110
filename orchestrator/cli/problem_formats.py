"""Problems of definitions as programs want them: JSON, SARIF 2.1.0, workflow commands of GitHub."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from orchestrator import __version__

if TYPE_CHECKING:
    from orchestrator.definition.problems import Problem

#: The page that explains a code, by its heading.
RULES_PAGE: Final = "docs/reference/rules.md"
#: Problems of one code in one column of a table that programs are told.
_MOST: Final = 1000
_SARIF: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def problems_json(found: "Mapping[str, Sequence[Problem]]") -> dict[str, Any]:
    """The problems by the file that was asked for, as `--json` shows them; `valid`: no file has an error.

    Of those that rows of a table share, so many as `_MOST`; `left_out` says how many more there are in a file.
    """
    return {
        "valid": not any(_is_error(problem) for problems in found.values() for problem in problems),
        "files": [_file_as_json(file, problems) for file, problems in found.items()],
    }


def sarif(found: "Mapping[str, Sequence[Problem]]") -> dict[str, Any]:
    """The problems as one run of a static analysis tool, with the rules that they name."""
    from orchestrator.definition.problems import fewer
    from orchestrator.definition.rules import explained

    problems, _ = fewer(once(found), _MOST)
    codes = sorted({problem.code for problem in problems})
    rules = [
        {
            "id": str(code),
            "name": code.name,
            "shortDescription": {"text": code.meaning},
            "help": {"text": explained(str(code))},
            "defaultConfiguration": {"level": str(code.severity)},
        }
        for code in codes
    ]
    driver = {"name": "orchestrator", "version": __version__, "rules": rules}
    results = [
        {
            "ruleId": str(problem.code),
            "ruleIndex": codes.index(problem.code),
            "level": str(problem.severity),
            "message": {"text": _sentence(problem)},
            "locations": [{"physicalLocation": _location(problem)}],
        }
        for problem in problems
    ]
    return {
        "$schema": _SARIF,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def github(found: "Mapping[str, Sequence[Problem]]") -> Iterable[str]:
    """A workflow command a line, with which GitHub marks the line of a pull request."""
    from orchestrator.definition.problems import fewer

    for problem in fewer(once(found), _MOST)[0]:
        place = {
            "file": _near(problem.file),
            "line": problem.line,
            "col": problem.col,
            "title": str(problem.code),
        }
        shown = ",".join(f"{key}={_property(str(value))}" for key, value in place.items() if value)
        yield f"::{problem.severity} {shown}::{_data(_sentence(problem))}"


def summary(found: "Mapping[str, Sequence[Problem]]") -> str:
    """`2 files: 3 problems, 1 warning`."""
    problems = once(found)
    errors = sum(map(_is_error, problems))
    parts = [(errors, "problem"), (len(problems) - errors, "warning")]
    told = ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in parts if number)
    return f"{len(found)} file{'' if len(found) == 1 else 's'}: {told or 'no problems'}"


def _file_as_json(file: str, problems: "Sequence[Problem]") -> dict[str, Any]:
    from orchestrator.definition.problems import fewer

    kept, left_out = fewer(problems, _MOST)
    shown = {"file": file, "problems": [_as_json(problem) for problem in kept]}
    return {**shown, "left_out": sum(left_out.values())} if left_out else shown


def _as_json(problem: "Problem") -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line or None,
        "column": problem.col or None,
        "code": str(problem.code),
        "severity": str(problem.severity),
        "message": problem.message,
        "suggestion": problem.suggestion,
        "rule": _rule(str(problem.code)),
    }


def _rule(code: str) -> str:
    return f"{RULES_PAGE}#{code.lower()}"


def _location(problem: "Problem") -> dict[str, Any]:
    # A relative path is an URI as it is, but for signs that mean something there.
    path = Path(_near(problem.file))
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    location: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if problem.line:
        location["region"] = {"startLine": problem.line, "startColumn": max(problem.col, 1)}
    return location


def _near(file: str) -> str:
    """A checkout is elsewhere on each machine."""
    from orchestrator.definition.places import near_here

    return near_here(Path(file))


def once(found: "Mapping[str, Sequence[Problem]]") -> "list[Problem]":
    """All of them, each once: two definitions may share a table or a part, and with it its problems."""
    return list(dict.fromkeys(problem for problems in found.values() for problem in problems))


def _is_error(problem: "Problem") -> bool:
    return str(problem.severity) == "error"


def _sentence(problem: "Problem") -> str:
    return f"{problem.message} ({problem.suggestion})" if problem.suggestion else problem.message


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
