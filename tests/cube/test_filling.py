"""Gaps and the two ways of filling them."""

from __future__ import annotations

import numpy as np
import pytest

from xnee.cube.filling import LONGEST, fill_gaps

MONTHS = np.arange("2001-01", "2004-01", dtype="M8[M]")


def test_climatology_is_the_mean_of_the_other_years():
    values = np.arange(36.0, dtype="f4").reshape(36, 1, 1)
    values[14] = np.nan  # March 2002
    filled = fill_gaps(values, MONTHS, method="climatology")
    assert filled[14].item() == (2 + 26) / 2
    np.testing.assert_array_equal(np.delete(filled, 14, 0), np.delete(values, 14, 0))


def test_a_month_that_no_year_has_stays_missing():
    values = np.ones((36, 1), "f4")
    values[2::12] = np.nan
    assert np.isnan(fill_gaps(values, MONTHS, method="climatology")[2::12]).all()


@pytest.mark.parametrize("gap", range(1, 6))
def test_a_line_crosses_short_gaps_only(gap):
    values = np.arange(36.0, dtype="f4").reshape(36, 1)
    values[10 : 10 + gap] = np.nan
    filled = fill_gaps(values, MONTHS, method="linear")
    if gap <= LONGEST:
        np.testing.assert_allclose(filled[:, 0], np.arange(36))
    else:
        np.testing.assert_array_equal(filled, values)


def test_a_line_does_not_go_beyond_the_record():
    values = np.array([np.nan, 1, np.nan, 3, np.nan], "f4")
    np.testing.assert_array_equal(fill_gaps(values, MONTHS[:5], method="linear"), [np.nan, 1, 2, 3, np.nan])


def test_other_methods_are_refused():
    with pytest.raises(ValueError, match="one of climatology, linear; got 'mean'"):
        fill_gaps(np.zeros(3, "f4"), MONTHS[:3], method="mean")
