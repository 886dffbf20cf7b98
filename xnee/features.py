"""Drivers made from drivers, one kernel each, used for towers and for maps alike."""

from __future__ import annotations

import xarray as xr

from xnee.variables import VARIABLES

__all__ = ["PAR_PER_SHORTWAVE", "par_from_shortwave"]

PAR_PER_SHORTWAVE = 1.94
"""Photons of 400-700 nm in one joule of global shortwave radiation, umol J-1.

Measured: the median of PPFD_IN / SW_IN_F over the 4,249 months with both at 67 FLUXNET2015 forest towers is 1.93
(5-95 %: 1.66-2.25). In one month of eight ONEFlux had made SW_IN itself from PPFD_IN, with 0.52 J umol-1, so that the
ratio is 1 / 0.52 by construction; without those months the median is 1.95 (1.65-2.26). 1.94 lies between.

Against calibrated radiometers this is low: a photosynthetic share of 0.454 of the energy over an oak forest (Proutsos
et al. 2019, doi:10.1007/s00704-019-02786-z) times 4.57 umol J-1 of daylight (McCree 1972,
doi:10.1016/0002-1571(72)90045-3) gives 2.07. The towers' own factor is taken so that derived months join measured ones.
"""

_SHORTWAVE_UNITS = ("W m-2", "W/m2", "W m**-2", "J m-2 s-1")


def par_from_shortwave(shortwave: xr.DataArray) -> xr.DataArray:
    """Make photosynthetically active radiation from shortwave radiation.

    Parameters
    ----------
    shortwave
        Downward global shortwave radiation, month mean, W m-2, any dimensions. A ``units`` attribute is checked
        where there is one.

    Returns
    -------
    xarray.DataArray
        Photon flux density, month mean, umol m-2 s-1: `PAR_PER_SHORTWAVE` times the input. The ratio of a single
        tower-month lies within -15 and +17 % of that factor in nine cases of ten. Lazy when the input is.

    Raises
    ------
    ValueError
        If the ``units`` attribute names another unit than W m-2.

    Examples
    --------
    >>> par = par_from_shortwave(xr.DataArray([0.0, 200.0], dims="time", attrs={"units": "W m-2"}))
    >>> par.values.tolist(), par.attrs["units"]
    ([0.0, 388.0], 'umol m-2 s-1')
    """
    units = shortwave.attrs.get("units")
    if units is not None and units not in _SHORTWAVE_UNITS:
        msg = (
            f"PAR is made from shortwave radiation in W m-2, but it came with units {units!r}. Divide a total in "
            "J m-2 by the seconds it was summed over first."
        )
        raise ValueError(msg)
    row = VARIABLES["PAR"]
    par = (shortwave * PAR_PER_SHORTWAVE).rename(row.name)
    par.attrs = {
        "units": row.units,
        "long_name": row.long_name,
        "method": f"shortwave radiation times {PAR_PER_SHORTWAVE} umol J-1",
    }
    return par
