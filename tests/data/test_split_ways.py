"""Splits by group, by time and by hash, and a part that tells variance from mismatch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.data import Arrays, Splits, split
from keras_ext.errors import ConfigError, DataError


def numbered(labels: np.ndarray, **fields: Any) -> Arrays:
    """Examples whose feature is their row."""
    return Arrays(np.arange(len(labels))[:, None], labels, **fields)


def rows(arrays: Arrays | None) -> np.ndarray:
    assert arrays is not None
    return np.asarray(arrays.x[:, 0])


def parts(splits: Splits) -> list[np.ndarray]:
    every = [splits.train, splits.validation, splits.test, splits.train_validation]
    return [rows(part) for part in every if part is not None]


def assert_whole(splits: Splits, count: int) -> None:
    assert sorted(np.concatenate(parts(splits)).tolist()) == list(range(count))


@given(
    st.lists(st.integers(1, 12), min_size=40, max_size=120),
    st.integers(0, 99),
    st.sampled_from([None, 0.1]),
)
def test_law_a_group_is_on_one_side(sizes: list[int], seed: int, extra: float | None) -> None:
    patients = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    made = split(
        numbered(np.arange(len(patients)) % 2),
        seed=seed,
        groups=patients,
        validation=0.2,
        test=0.15,
        train_validation=extra,
    )
    assert_whole(made, len(patients))
    seen = [set(patients[part].tolist()) for part in parts(made)]
    assert sum(map(len, seen)) == len(sizes)
    for part, share in ((made.validation, 0.2), (made.test, 0.15)):
        assert abs(len(part) - share * len(patients)) <= 2 * max(sizes)


def test_groups_keep_the_proportions_of_classes_as_far_as_they_can(
    rng: np.random.Generator,
) -> None:
    """Half of the patients have one class alone; chance alone differs by four points or more."""
    patients = np.repeat(np.arange(200), 10)
    labels = np.where(patients % 4 == 0, 1, rng.integers(0, 2, 2000) * (patients % 4 == 1))
    spread = {}
    for stratify in (True, False):
        shares = []
        for seed in range(10):
            made = split(numbered(labels), seed=seed, groups=patients, stratify=stratify)
            shares += [part.y.mean() - labels.mean() for part in (made.validation, made.test)]
        spread[stratify] = float(np.abs(shares).max())
    assert spread[True] < 0.03 < 0.04 < spread[False]


def test_groups_have_names_and_an_order_that_the_seed_decides() -> None:
    patients = np.repeat(["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ida", "jon"], 10)
    arrays = numbered(np.tile([0, 1], 50))
    made = split(arrays, seed=0, groups=patients)
    assert [len(part) for part in parts(made)] == [70, 20, 10]
    assert set(patients[rows(made.test)]) == {"gus"}
    assert set(patients[rows(split(arrays, seed=1, groups=patients).test)]) == {"eve"}
    assert rows(made.train).tolist() != sorted(rows(made.train))


def test_large_groups_are_no_more_often_on_one_side_than_on_the_other() -> None:
    patients = np.repeat(np.arange(100), [5, 15] * 50)
    tested = []
    for seed in range(60):
        made = split(numbered(np.zeros(1000, int)), seed=seed, groups=patients)
        tested += np.unique(patients[rows(made.test)]).tolist()
    assert np.mean(np.array(tested) % 2) == pytest.approx(0.5, abs=0.1)


def test_a_group_in_the_published_test_split_and_in_train_is_refused() -> None:
    published = {"train": (0, 80), "test": (80, 100)}
    patients = np.repeat(np.arange(20), 5)
    arrays = numbered(np.arange(100) % 2, published=published)
    made = split(arrays, seed=0, groups=patients)
    assert rows(made.test).tolist() == list(range(80, 100))
    assert not set(patients[rows(made.train)]) & set(patients[rows(made.validation)])
    patients[-1] = 3
    with pytest.raises(DataError, match=r"group 3 is in the published test split and in train; .*"):
        split(arrays, seed=0, groups=patients)


@pytest.mark.parametrize("kind", ["int64", "float32", "datetime64[D]"])
def test_the_latest_are_tested(rng: np.random.Generator, kind: str) -> None:
    days = rng.permutation(1000).astype(kind)
    made = split(numbered(np.zeros(1000, int)), seed=0, time=days, train_validation=50)
    assert_whole(made, 1000)
    assert [len(part) for part in parts(made)] == [650, 200, 100, 50]
    train, validation, test, held = (days[part] for part in parts(made))
    assert max(train.max(), held.max()) < validation.min()
    assert validation.max() < test.min()
    assert list(validation) == sorted(validation)
    assert np.median(held.astype(float)) == pytest.approx(350, abs=100)  # from all of the past


ZONE = timezone(timedelta(hours=2))
HOURS = [datetime(2024, 5, 1) + timedelta(hours=row) for row in range(100)]


@pytest.mark.parametrize(
    "times",
    [
        HOURS,
        [day.date() for day in (datetime(2024, 5, 1) + timedelta(days=row) for row in range(100))],
        [hour.replace(tzinfo=UTC).astimezone(ZONE) for hour in HOURS],
        [hour.isoformat() for hour in HOURS],
        [hour.isoformat() + "Z" for hour in HOURS],
        np.array([hour.isoformat().encode() for hour in HOURS]),
        np.array(HOURS, "datetime64[s]"),
        [np.datetime64(hour) for hour in HOURS],
    ],
    ids=["datetime", "date", "zone", "text", "text with a zone", "bytes", "datetime64", "list"],
)
def test_dates_of_every_kind(times: Any) -> None:
    order = np.random.default_rng(0).permutation(100)
    mixed = times[order] if isinstance(times, np.ndarray) else [times[row] for row in order]
    made = split(numbered(np.zeros(100, int)), seed=0, time=mixed)
    assert [set(order[part]) for part in parts(made)] == [
        set(range(70)),
        set(range(70, 90)),
        set(range(90, 100)),
    ]


def test_zones_are_brought_to_one_time() -> None:
    """One second after the other, in zones that take turns: by the text it is another order."""
    zones = [timezone(timedelta(hours=hours)) for hours in (-5, 9)]
    times = [
        (datetime(2024, 5, 1, tzinfo=UTC) + timedelta(seconds=row)).astimezone(zones[row % 2])
        for row in range(100)
    ]
    made = split(numbered(np.zeros(100, int)), seed=0, time=[time.isoformat() for time in times])
    assert rows(made.test).tolist() == list(range(90, 100))


def test_what_happens_at_one_time_stays_together() -> None:
    hours = np.repeat(np.arange(10), [30, 30, 30, 30, 30, 10, 10, 10, 10, 10])
    made = split(numbered(np.zeros(200, int)), seed=0, time=hours, test=15, validation=15)
    assert [sorted(set(hours[part])) for part in parts(made)] == [list(range(6)), [6, 7], [8, 9]]
    with pytest.raises(DataError, match=r"no example is left for validation: .* one time"):
        split(numbered(np.zeros(200, int)), seed=0, time=np.zeros(200))


def test_appended_examples_move_no_other(rng: np.random.Generator) -> None:
    x = rng.integers(0, 256, (3000, 5), dtype=np.uint8)
    sizes = {"validation": 0.2, "test": 0.1, "train_validation": 0.05, "stable": True}
    before = split(Arrays(x[:2000], np.arange(2000)), seed=3, **sizes)  # type: ignore[arg-type]
    after = split(Arrays(x, np.arange(3000)), seed=3, **sizes)  # type: ignore[arg-type]
    other = split(Arrays(x, np.arange(3000)), seed=4, **sizes)  # type: ignore[arg-type]
    for name, share in (("train", 0.65), *list(sizes.items())[:3]):
        old, new = (set(getattr(made, name).y.tolist()) for made in (before, after))
        assert old == {row for row in new if row < 2000}
        assert len(new) / 3000 == pytest.approx(share, abs=0.03)
        assert set(getattr(other, name).y.tolist()) != new


def test_stable_copies_and_stable_groups_stay_together(rng: np.random.Generator) -> None:
    x = np.repeat(rng.normal(size=(500, 3)), 2, axis=0)
    made = split(Arrays(x, np.arange(1000)), seed=0, validation=0.3, test=0.2, stable=True)
    for part in (made.train, made.validation, made.test):
        assert set(part.y) == {row ^ 1 for row in part.y}
    names = np.array([f"patient {row // 7}" for row in range(1000)])
    made = split(
        numbered(np.arange(1000)), seed=0, validation=0.3, test=0.2, stable=True, groups=names
    )
    assert sum(len(set(names[part])) for part in parts(made)) == len(set(names))


def test_stable_places_are_the_same_on_every_machine() -> None:
    made = split(numbered(np.arange(40)), seed=0, validation=0.2, test=0.1, stable=True)
    assert rows(made.test).tolist() == [19, 23, 26]
    swapped = Arrays(np.arange(40)[:, None].astype(">i8"), np.arange(40))
    again = split(swapped, seed=0, validation=0.2, test=0.1, stable=True)
    assert again.test.y.tolist() == rows(made.test).tolist()


def test_a_train_validation_part_changes_no_other() -> None:
    published = {"train": (0, 800), "validation": (800, 900), "test": (900, 1000)}
    arrays = numbered(np.arange(1000) % 4, published=published)
    made = split(arrays, seed=0, train_validation=0.08)
    assert rows(made.validation).tolist() == list(range(800, 900))
    assert len(rows(made.train_validation)) == 80
    assert np.bincount(made.train_validation.y).tolist() == [20] * 4  # type: ignore[union-attr]
    assert set(rows(made.train)) | set(rows(made.train_validation)) == set(range(800))
    free = numbered(np.arange(1000) % 4)
    alone, more = split(free, seed=5), split(free, seed=5, train_validation=100)
    assert np.array_equal(rows(alone.validation), rows(more.validation))
    assert np.array_equal(rows(alone.test), rows(more.test))
    assert alone.train_validation is None


def test_mismatch_is_told_from_variance() -> None:
    """By the diagnosis of a model that is right on one side of a changed world only."""
    from keras_ext.diagnosis import ErrorEstimate, diagnose

    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 1))
    y = (x[:, 0] > np.where(np.arange(6000) < 4000, 0, 0.5)).astype(int)
    arrays = Arrays(
        x, y, published={"train": (0, 4000), "validation": (4000, 5000), "test": (5000, 6000)}
    )
    made = split(arrays, seed=0, train_validation=1000)

    def error(part: Arrays | None) -> ErrorEstimate:
        assert part is not None
        return ErrorEstimate.from_values((part.x[:, 0] > 0).astype(int) != part.y)

    found = diagnose(
        error(made.train), error(made.validation), train_validation=error(made.train_validation)
    )
    assert found.dominant == "mismatch"
    assert diagnose(error(made.train), error(made.validation)).dominant == "variance"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": [1, 2]}, r"groups must have one value for each of 100 examples, .* \(2,\)"),
        ({"groups": np.linspace(0, 1, 100)}, None),
        ({"groups": [None] * 100}, "groups must be whole numbers or text, got groups of object"),
        ({"time": ["noon"] * 100}, "text in ISO 8601 such as .* got 'noon' for example 0"),
        ({"time": [*HOURS[1:], "2024-13-01"]}, "got '2024-13-01' for example 99"),
        ({"time": [*HOURS[1:], 7]}, "dates of Python, .* got 7 for example 99"),
        ({"time": [*HOURS[1:], None]}, "time is missing for example 99"),
        ({"time": [*HOURS[1:], HOURS[0].replace(tzinfo=UTC)]}, "with a zone for all examples or"),
        ({"time": [1j] * 100}, "time must be numbers or dates, got time of complex128"),
        ({"time": np.arange(100), "groups": np.arange(100)}, "leave groups out"),
        ({"time": np.arange(100), "stable": True}, "leave stable=True out"),
        ({"time": np.arange(100), "stratify": True}, "leave stratify=True out"),
        ({"stable": True, "stratify": True}, "leave stratify=True out"),
        ({"stable": True}, "stable=True needs test as a fraction .* got test=None"),
        ({"stable": True, "test": 0.1, "validation": 20}, "got validation=20"),
        ({"train_validation": 0}, "train_validation=0"),
        ({"train_validation": 80}, "70 examples to divide: 80 held out leave none to train on"),
        ({"groups": np.arange(100) // 50}, "no example is left for test: .* [(]one group"),
        ({"groups": [float("nan")] * 100}, "groups is missing for example 0"),
        ({"time": np.array(["NaT"] * 100, "M8[s]")}, "time is missing for example 0"),
    ],
)
def test_arguments_that_contradict(arguments: dict[str, Any], message: str | None) -> None:
    arrays = numbered(np.arange(100) % 2)
    if message is None:
        split(arrays, seed=0, **arguments)
        return
    with pytest.raises((ConfigError, DataError), match=message):
        split(arrays, seed=0, **arguments)
