"""What goes into a page comes out again: exactly where it must, to the steps that are promised elsewhere."""

from __future__ import annotations

import base64
import gzip
import json

import numpy as np
import pandas as pd
import pytest

from layerscope.report.packing import Packing, rounded
from tests.report.unpack import array_of, value_of

NAN, INF = float("nan"), float("inf")


def through_fractions(values: np.ndarray, low: float, high: float) -> np.ndarray:
    packing = Packing()
    return array_of(packing.fractions(values, low, high), packing.chunks)


def through_sizes(values: np.ndarray) -> np.ndarray:
    packing = Packing()
    held = json.loads(json.dumps(packing.sizes(values)))  # as it lies in the page
    return array_of(held, packing.chunks)


def test_a_chunk_is_what_a_browser_can_unpack() -> None:
    packing = Packing()
    held = packing.integers(np.array([[1, -2], [3, 70_000]]))
    assert held == {"chunk": 0, "shape": [2, 2], "type": "i4"}
    assert gzip.decompress(base64.b64decode(packing.chunks[0])) == b"\x01\0\0\0\xfe\xff\xff\xff\x03\0\0\0\x70\x11\x01\0"
    assert packing.floats(np.zeros(3))["chunk"] == 1


def test_the_same_values_give_the_same_chunk() -> None:
    packing = Packing()
    for _ in range(2):
        packing.floats(np.linspace(0, 1, 100))
    assert packing.chunks[0] == packing.chunks[1], "no time of writing in it"


def test_floats_are_float32() -> None:
    values = np.array([[0.0, -0.0, 1.5], [NAN, INF, -INF]])
    packing = Packing()
    found = array_of(packing.floats(values), packing.chunks)
    np.testing.assert_array_equal(found, values.astype(np.float32))


def test_a_view_and_another_byte_order_make_no_difference() -> None:
    values = np.arange(24, dtype=np.float64).reshape(4, 6)
    packing = Packing()
    for one in (values.T, values[::-1, ::2], values.astype(">f8"), np.asfortranarray(values)):
        np.testing.assert_array_equal(array_of(packing.floats(one), packing.chunks), one)
        np.testing.assert_allclose(array_of(packing.fractions(one, 0.0, 23.0), packing.chunks), one, atol=2e-4)
        np.testing.assert_allclose(array_of(packing.sizes(one), packing.chunks), one, rtol=1e-4)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 2.0), (-3.0, 5.0)])
def test_fractions_are_within_half_a_step(low: float, high: float) -> None:
    values = np.random.default_rng(0).uniform(low, high, size=(3, 5, 200))
    values[0, 0, :4] = low, high, (low + high) / 2, NAN
    found = through_fractions(values, low, high)
    assert found.shape == values.shape
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    assert np.nanmax(np.abs(found - values)) <= (high - low) / 65534 / 2 * (1 + 1e-9)
    assert (found[0, 0, 0], found[0, 0, 1]) == (low, high), "both ends are exact"
    assert found[0, 0, 2] == pytest.approx((low + high) / 2, abs=1e-12), (
        "and the middle, which is the null of the primary scale"
    )


def test_fractions_out_of_range_are_cut_and_those_not_finite_are_missing() -> None:
    found = through_fractions(np.array([-0.5, 1.5, INF, -INF, NAN]), 0.0, 1.0)
    np.testing.assert_array_equal(found, [0.0, 1.0, NAN, NAN, NAN])


@pytest.mark.parametrize(("low", "high"), [(1e-6, 1e4), (0.5, 2.0), (1e-38, 1e38), (3.0, 3.0001)])
def test_sizes_are_within_half_a_ratio_step(low: float, high: float) -> None:
    generator = np.random.default_rng(1)
    values = np.exp(generator.uniform(np.log(low), np.log(high), size=4000))
    values[:2] = low, high
    values[2:4] = 0.0, NAN
    found = through_sizes(values)
    assert found[2] == 0.0
    assert np.isnan(found[3])
    there = np.arange(len(values)) > 3
    there[:2] = True
    step = np.log(high / low) / 65533
    assert np.abs(np.log(found[there] / values[there])).max() <= step / 2 * (1 + 1e-6) + 1e-12


def test_only_a_zero_is_zero() -> None:
    """The least size above 0 does not fall to 0, however far it lies below the others."""
    found = through_sizes(np.array([0.0, 1e-30, 1.0, 1e30, -0.0]))
    np.testing.assert_allclose(found, [0.0, 1e-30, 1.0, 1e30, 0.0], rtol=2e-3)
    assert (found[1:4] > 0).all()


def test_order_is_kept() -> None:
    values = np.sort(np.random.default_rng(2).gamma(0.3, 2.0, size=5000))
    assert (np.diff(through_sizes(values)) >= 0).all()
    assert (np.diff(through_fractions(values, 0.0, float(values.max()))) >= 0).all()


@pytest.mark.parametrize("value", [0.0, 1.0, 0.37, 1e-12])
def test_constant_arrays(value: float) -> None:
    values = np.full((2, 3), value)
    np.testing.assert_allclose(through_sizes(values), values, rtol=1e-6, atol=0)
    np.testing.assert_allclose(through_fractions(values, 0.0, 1.0), values, atol=1e-5)


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0, 2)])
def test_empty_arrays(shape: tuple[int, ...]) -> None:
    values = np.zeros(shape)
    packing = Packing()
    held = [packing.floats(values), packing.integers(values), packing.fractions(values, 0.0, 1.0), packing.sizes(values)]
    for one in held:
        assert array_of(one, packing.chunks).shape == shape


def test_arrays_without_a_number() -> None:
    found = through_sizes(np.array([NAN, INF, -INF]))
    assert np.isnan(found).all()


def test_tables() -> None:
    frame = pd.DataFrame(
        {
            "name": pd.Categorical(["b", "a", None]),
            "text": ["東京 🙂", "</script>\u2028", None],
            "float": [0.123456789, NAN, -INF],
            "single": np.array([1.1, 2.0, 1e-20], dtype=np.float32),
            "maybe": pd.array([1, None, 2**40], dtype="Int64"),
            "nullable": pd.array([1.5, None, 2.5], dtype="Float64"),
            "whole": np.array([1, 2, 3], dtype=np.int16),
            "flag": [True, False, True],
            "maybe_flag": pd.array([True, None, False], dtype="boolean"),
        }
    )
    packing = Packing()
    held = packing.table(frame)
    assert held == {"chunk": 0, "rows": 3}
    assert value_of(held, packing.chunks) == {
        "name": ["b", "a", None],
        "text": ["東京 🙂", "</script>\u2028", None],
        "float": [0.12346, None, None],
        "single": [1.1, 2.0, 1e-20],
        "maybe": [1, None, 2**40],
        "nullable": [1.5, None, 2.5],
        "whole": [1, 2, 3],
        "flag": [True, False, True],
        "maybe_flag": [True, None, False],
    }


def test_an_empty_table_and_arrow_strings() -> None:
    frame = pd.DataFrame({"a": pd.Series([], dtype="float64"), "b": pd.Series([], dtype="string")})
    packing = Packing()
    assert value_of(packing.table(frame), packing.chunks) == {"a": [], "b": []}
    strings = pd.DataFrame({"b": pd.array(["x", None], dtype="string")})
    assert value_of(packing.table(strings), packing.chunks) == {"b": ["x", None]}


def test_five_digits() -> None:
    found = rounded(
        {"a": [1.23456789e-7, -98765.4321, np.float32(0.1), np.int32(7)], 1: {"b": (NAN, INF, "x", None, True, pd.NA)}}
    )
    assert found == {"a": [1.2346e-07, -98765.0, 0.1, 7], "1": {"b": [None, None, "x", None, True, None]}}
    json.dumps(found, allow_nan=False)
    assert [type(one) for one in found["a"]] == [float, float, float, int]


def test_a_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Packing().value([NAN])
