import numpy as np
import xarray as xr
from pyproj import CRS

from xnee.products.axes import with_area


def test_areas_of_many_tiles_are_those_of_a_map_in_memory_and_raise_no_warning():
    """Warnings are errors here: dask warns where a product has ten times the blocks of its factors."""
    ds = xr.Dataset(coords={"lat": np.linspace(20, 40, 48), "lon": np.linspace(80, 110, 52)})
    chunks = {"lat": (4,) * 12, "lon": (4,) * 13}
    lazy, whole = (with_area(ds, CRS(4326), chunks=cut)["area"] for cut in (chunks, {}))
    assert lazy.chunks == ((4,) * 12, (4,) * 13)
    np.testing.assert_array_equal(lazy, whole)
