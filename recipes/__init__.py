"""Runnable recipes: ``python -m recipes.mnist --help``."""
