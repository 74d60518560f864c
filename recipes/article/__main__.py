"""``python -m recipes.article``: all claims, or some of them."""

from recipes.article.page import main
from recipes.command import command

raise SystemExit(command(main))
