"""Ng's advice on deep networks, each claim put to the test: ``python -m recipes.article``.

A module a claim. It opens with the claim, has a function ``experiment`` that takes an ``Effort``
and returns a ``Finding``, and runs by itself: ``python -m recipes.article.weight_decay``.
"""

TITLE = "Tuning and optimizing deep networks: the advice, measured"

CLAIMS = (
    "splits",
    "bias_variance",
    "l2",
    "weight_decay",
    "tanh",
    "dropout",
    "augmentation",
    "early_stopping",
    "normalizing",
    "initialization",
    "gradient_checking",
    "mini_batches",
    "momentum",
    "rmsprop",
    "adam",
    "learning_rate_decay",
    "what_to_tune",
    "batch_norm",
)
"""The modules in the order of the article."""
