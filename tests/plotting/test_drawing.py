import sys

import numpy as np
import pytest
import xarray as xr

from xnee.plotting import KINDS, plot
from xnee.plotting.drawing import _DRAWINGS
from xnee.prediction import predict


def test_every_kind_has_a_drawing():
    assert set(KINDS) == {*_DRAWINGS, "search"}


@pytest.mark.parametrize(
    ("ds", "kwargs", "message"),
    [
        (xr.Dataset({"TEMP": 1.0}), {}, r"plot draws what explain, .*this Dataset has \['TEMP'\]"),
        (xr.Dataset({"AOA": (("time", "lat", "lon"), np.ones((1, 2, 2)))}), {"kind": "map"}, "as 'area', not as 'map'"),
        (xr.Dataset({"AOA": (("time", "lat", "lon"), np.ones((1, 2, 2)))}), {"kind": "mpa"}, "Figures are called obs"),
        (xr.Dataset({"NEE_total": 1.0, "NEE_total_std": 1.0}), {"outline": {}}, "'budget' takes no options; got outl"),
        (xr.Dataset({"NEE": (("site", "time"), np.ones((1, 2)))}), {}, r"plot\(sites, model=model\)"),
        (xr.Dataset({"NEE": (("site", "time"), np.ones((1, 2)))}), {"area": xr.Dataset()}, "takes model; got area"),
    ],
)
def test_what_cannot_be_drawn_is_refused(ds, kwargs, message):
    with pytest.raises(ValueError, match=message):
        plot(ds, **kwargs)


def test_what_is_no_dataset_is_refused():
    with pytest.raises(TypeError, match="or a search; got DataArray"):
        plot(xr.DataArray(1.0))


def test_a_prediction_for_towers_is_no_map_and_no_observation(towers, driver_model):
    with pytest.raises(ValueError, match="plot draws what explain"):
        plot(predict(towers(), driver_model()))


def test_without_matplotlib_the_way_to_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "xnee\[plot\]"'):
        plot(xr.Dataset({"NEE_total": 1.0, "NEE_total_std": 1.0}))
