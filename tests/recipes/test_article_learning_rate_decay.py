"""Learning-rate decay: the radius of the theory, and the formula of the callback."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.article import learning_rate_decay, wander
from recipes.article.effort import Effort


def test_at_a_constant_rate_the_radius_is_that_of_the_theory() -> None:
    far = wander.walkers(Effort("quick"), 0.0)
    assert np.sqrt((far[-20:] ** 2).mean()) == pytest.approx(wander.theory(), rel=0.05)


def test_a_falling_rate_brings_the_walkers_nearer() -> None:
    far, near = (wander.walkers(Effort("quick"), decay)[-1] for decay in (0.0, 0.5))
    # With the rate falling slowly, the squared radius is about in proportion to it.
    assert near / far == pytest.approx(np.sqrt(1 / (1 + 0.5 * wander.EPOCHS)), rel=0.25)


def test_the_callback_sets_the_rates_of_the_formula() -> None:
    assert np.allclose(wander.callback_rates(), [0.2, 0.1, 0.2 / 3, 0.05], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_a_quick_look_shows_what_mathematics_fixes() -> None:
    found = learning_rate_decay.experiment(Effort("quick"))
    assert found.values["radius"] == pytest.approx(1, abs=0.05)
    assert found.values["closer"] < 0.5
    assert found.values["rates_off"] < 1e-6
    assert [rule.held for rule in found.rules[:3]] == [True] * 3
