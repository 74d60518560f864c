"""No model with right gradients is called wrong."""

from __future__ import annotations

import pytest

from keras_ext.gradients import check_gradients
from tests.gradients.proof.right_models import FAMILIES, RightModel, right_models

QUICK = ("dropout", "conv", "gru", "attention")


def _marked() -> list[object]:
    return [
        pytest.param(
            one,
            id=str(one),
            marks=() if one.seed == 0 and one.name in QUICK else pytest.mark.slow,
        )
        for one in right_models()
    ]


def test_there_are_enough_models() -> None:
    assert len(right_models()) >= 200
    assert len(FAMILIES) >= 25


@pytest.mark.parametrize("model", _marked())
def test_a_right_model_is_not_called_wrong(model: RightModel) -> None:
    report = check_gradients(*model.make())
    statuses = {row.status for row in report.variables}
    assert statuses <= {"ok", "untested", "kink"}, report
    assert "ok" in statuses, report
