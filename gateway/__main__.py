"""`python -m gateway` and the `vuon` command."""

from __future__ import annotations

from gateway.cli.app import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
