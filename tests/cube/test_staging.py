"""From months to tiles through a file."""

from __future__ import annotations

import numpy as np

from xnee.cube.staging import Staging
from xnee.grid import tiles


def test_tiles_hold_all_months_whatever_the_order_of_writing(tmp_path):
    values = np.random.default_rng(0).random((7, 5, 8)).astype("f4")
    regions = list(tiles(5, 8, 3))
    stage = Staging(path=tmp_path / "stage", months=7, tiles=regions)
    for months in (slice(4, 7), slice(0, 1), slice(1, 4)):
        stage.write(months, values[months])
    for i, tile in enumerate(regions):
        np.testing.assert_array_equal(stage.read(i), values[:, tile["lat"], tile["lon"]])
    assert (tmp_path / "stage").stat().st_size == values.nbytes
