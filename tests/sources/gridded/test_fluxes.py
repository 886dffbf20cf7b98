"""Net carbon fluxes of other products, with the sign of NEE."""

from __future__ import annotations

import numpy as np
import pytest

from xnee.sources.gridded import open_flux

from .conftest import ramp, write_netcdf, write_raster


@pytest.mark.parametrize(
    ("variable", "units", "value", "january"),
    [
        ("nbp", "kg m-2 s-1", 2e-8, -53.568),  # into land, as CMIP6 has it
        ("nep", "kg m-2 s-1", -2e-8, 53.568),
        ("netAtmosLandCO2Flux", "kg m-2 s-1", 2e-8, -53.568),
        ("NEE", "gC m-2 d-1", -2.0, -62.0),  # as FLUXCOM has it
        ("nee", "umol m-2 s-1", 1.0, 32.17),
        ("nbe", "g C m-2 month-1", 5.0, 5.0),
    ],
)
def test_the_sign_is_that_of_nee(tmp_path, monthly, variable, units, value, january):
    numbers = np.full((3, 6, 6), value)
    path = write_netcdf(
        tmp_path / "flux.nc", {variable: (numbers, {"units": units}), "gpp": (numbers, {})}, time=monthly
    )
    nee = open_flux(path)
    assert nee.name == "NEE"
    assert nee.attrs["units"] == "g C m-2 month-1"
    assert nee[0].values == pytest.approx(january, rel=1e-3)
    assert nee.attrs["long_name"].startswith("NEE from net")


def test_a_gross_flux_is_refused(tmp_path, monthly):
    path = write_netcdf(tmp_path / "gpp.nc", {"gpp": (ramp(3, 0, 1e-7), {"units": "kg m-2 s-1"})}, time=monthly)
    for asked in (None, "gpp"):
        with pytest.raises(ValueError, match=r"A gross flux is no NEE\. Known are nee"):
            open_flux(path, variable=asked)


def test_two_net_fluxes_must_be_chosen_from(tmp_path, monthly):
    both = dict.fromkeys(("nep", "nbp"), (ramp(3, 0, 1e-8), {"units": "kg m-2 s-1"}))
    path = write_netcdf(tmp_path / "flux.nc", both, time=monthly)
    with pytest.raises(ValueError, match=r"one net carbon flux was expected in flux.nc \(nep, nbp\)"):
        open_flux(path)
    assert float(open_flux(path, variable="nep").min()) < 0


def test_a_raster_must_be_named(tmp_path):
    path = write_raster(tmp_path / "flux_200101.tif", np.full((6, 6), 1.0, "f4"))
    with pytest.raises(ValueError, match="one net carbon flux was expected"):
        open_flux(path, units="gC m-2 d-1")
    assert float(open_flux(path, variable="nbp", units="gC m-2 d-1").mean()) == -31
