"""Every planted fault is found, in the right variables and at the right element."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.gradients.proof.faults import Fault, faults
from tests.gradients.proof.judging import judge

TUNED_ON, KEPT_ASIDE = faults()
QUICK = 2
"""How many of each half belong to the quick tests: the first small ones."""


def _marked(half: Sequence[Fault]) -> list[object]:
    quick = [fault for fault in half if fault.size == "small"][:QUICK]
    return [
        pytest.param(fault, id=str(fault), marks=() if fault in quick else pytest.mark.slow)
        for fault in half
    ]


def test_there_are_enough_faults_of_every_kind() -> None:
    every = [*TUNED_ON, *KEPT_ASIDE]
    assert len(KEPT_ASIDE) >= 80
    assert len({str(fault) for fault in every}) == len(every) >= 160
    for half in (TUNED_ON, KEPT_ASIDE):
        assert sum(fault.one_element for fault in half) >= 12
        assert sum(fault.size == "large" for fault in half) >= 30
        kinds = " ".join(fault.name for fault in half)
        for kind in (
            "sign",
            "forgotten",
            "transposed",
            "detached",
            "off by one",
            "scaled",
            "averaged",
            "Loss",
            "Penalty",
        ):
            assert kind in kinds


@pytest.mark.parametrize("fault", _marked(KEPT_ASIDE))
def test_a_fault_kept_aside_is_found(fault: Fault) -> None:
    """None of these was looked at while thresholds were chosen."""
    _assert_found(fault)


@pytest.mark.parametrize("fault", _marked(TUNED_ON))
def test_a_fault_of_the_first_half_is_found(fault: Fault) -> None:
    _assert_found(fault)


def _assert_found(fault: Fault) -> None:
    outcome = judge(fault)
    assert outcome.found, outcome
    assert outcome.named, outcome
    assert outcome.located is not False, outcome


def test_exhaustive_names_the_same() -> None:
    fault = next(one for one in TUNED_ON if one.one_element and one.size == "small")
    outcome = judge(fault, method="exhaustive")
    assert (outcome.found, outcome.named, outcome.located) == (True, True, True)


def test_a_fault_changes_the_gradient_and_not_the_outputs() -> None:
    for fault in [one for one in TUNED_ON if one.size == "small"][:QUICK]:
        x, _ = fault.data()
        models = fault.model(wrong=False), fault.model(wrong=True)
        outputs = [model.predict(x, verbose=0) for model in models]
        np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)
        pairs = zip(fault.gradients(wrong=False), fault.gradients(wrong=True), strict=True)
        assert any(np.abs(one - other).max() > 1e-6 for one, other in pairs)
