"""`python -m orchestrator`."""

import sys


def main() -> int:
    """The console script: runs the command line and returns its exit code."""
    from orchestrator.cli.main import run  # noqa: PLC0415 - keeps `import orchestrator` free of the CLI

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
