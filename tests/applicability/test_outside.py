import numpy as np
import pytest
import xarray as xr

from xnee.applicability import outside_share, outside_table
from xnee.grid import cell_area
from xnee.pft import PFTS


@pytest.fixture
def maps(cube, driver_model):
    """A made-up index of 0 and 2 around a threshold of 1, beside a real prediction."""
    from xnee.prediction import predict

    predicted = predict(cube(months=26), driver_model())
    rng = np.random.default_rng(0)
    index = xr.zeros_like(predicted["NEE_member"].isel(member=0)).compute()
    index = (index + 2 * (rng.random(index.shape) < 0.3)).where(predicted["NEE_member"].isel(member=0).notnull())
    where = xr.Dataset({"DI": index, "pft_fraction": predicted["pft_fraction"], "threshold": ("pft", np.ones(5))})
    return where, predicted


def test_shares_are_what_loops_over_cells_say(maps):
    where, predicted = maps
    shares = outside_share(where, predicted)
    flux = predicted["NEE_member"].mean("member").transpose("pft", "time", "lat", "lon").to_numpy()
    area = cell_area(where["lat"].values, where["lon"].values).to_numpy()
    ground = predicted["pft_fraction"].to_numpy() * area
    total = np.zeros((2, 3))  # inside and outside: months of area, carbon, its size; of type MF
    for t in range(12, 24):  # the year of which all months have a past
        for i, j in np.ndindex(area.shape):
            if np.isfinite(flux[4, t, i, j]):
                k = int(where["DI"].transpose("pft", "time", "lat", "lon").to_numpy()[4, t, i, j] > 1)
                carbon = flux[4, t, i, j] * ground[4, i, j]
                total[k] += [ground[4, i, j], carbon, abs(carbon)]
    row = shares.sel(pft="MF")
    assert float(row["area_outside"]) == pytest.approx(100 * total[1, 0] / total[:, 0].sum(), rel=1e-5)
    assert float(row["NEE_outside"]) == pytest.approx(total[1, 1] * 1e-12, rel=1e-5)
    assert float(row["NEE_inside"]) == pytest.approx(total[0, 1] * 1e-12, rel=1e-5)
    assert float(row["NEE_share_outside"]) == pytest.approx(100 * total[1, 2] / total[:, 2].sum(), rel=1e-5)


def test_types_add_up_to_all(maps):
    shares = outside_share(*maps)
    for name in ("area", "NEE_inside", "NEE_outside"):
        assert float(shares[name].sel(pft="all")) == pytest.approx(float(shares[name].sel(pft=list(PFTS)).sum()))
    assert 25 < float(shares["area_outside"].sel(pft="all")) < 35
    assert outside_table(shares).count("\n") == 8


def test_maps_of_other_cells_are_refused(maps):
    where, predicted = maps
    with pytest.raises(ValueError, match="the two maps differ along time: take both of the same cube"):
        outside_share(where.isel(time=slice(5)), predicted)
    with pytest.raises(ValueError, match=r"outside_share needs maps DI \(pft, time, lat, lon\)"):
        outside_share(predicted, predicted)
