"""``python -m recipes.article``: all claims, or some of them."""

from collections.abc import Sequence

from recipes.command import command


def main(argv: Sequence[str]) -> int:
    """Import what takes long where Ctrl-C is one line already."""
    from recipes.article.page import main

    return main(argv)


raise SystemExit(command(main))
