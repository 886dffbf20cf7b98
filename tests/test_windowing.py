import numpy as np
import pytest

from xnee.windowing import WindowSpec, complete, slide, windows


def read_slowly(ds, drivers, lags):
    """One sample at a time, as one would by hand."""
    found = {}
    for site in ds.site.values:
        one = ds.sel(site=site)
        for k, month in enumerate(ds.time.values):
            if k < lags or np.isnan(one["NEE"].values[k]):
                continue
            x = np.array([[one[d].values[k - lag] for d in drivers] for lag in range(lags, -1, -1)])
            if np.isfinite(x).all():
                found[site, month] = (x, one["NEE"].values[k])
    return found


@pytest.mark.parametrize("lags", [0, 1, 6])
def test_windows_equal_a_slow_loop(towers, lags):
    ds = towers(gaps=0.05)
    samples = windows(ds, ["PRE", "TEMP"], lags=lags)
    slow = read_slowly(ds, ["PRE", "TEMP"], lags)
    assert samples.sizes["sample"] == len(slow)
    for k in range(samples.sizes["sample"]):
        x, y = slow[samples.site.values[k], samples.time.values[k]]
        np.testing.assert_array_equal(samples["x"].values[k], x)
        assert samples["NEE"].values[k] == y
    assert samples["lag"].values.tolist() == list(range(lags, -1, -1))


def test_every_month_is_kept_or_counted_once(towers):
    samples = windows(towers(gaps=0.1), lags=3)
    assert samples.sizes["sample"] + sum(samples.attrs["dropped"].values()) == samples.attrs["site_months"] == 5 * 36


def test_drops_are_counted_by_reason(towers):
    ds = towers(sites=1, years=1)
    ds["NEE"][0, 5] = np.nan
    ds["NEE_QC"][0, 5] = 0.2
    ds["NEE"][0, 6] = np.nan
    ds["TEMP"][0, 10] = np.nan
    samples = windows(ds, lags=2)
    assert samples.attrs["dropped"] == {"qc": 1, "no target": 1, "start of record": 2, "driver gap": 2}
    assert samples.attrs["gaps_by_driver"] == {"TEMP": 2, "PRE": 0}


def test_months_outside_a_record_are_not_drops(towers):
    ds = towers(sites=2, years=2)
    late = ds.where((ds.site != "T01") | (ds.time >= np.datetime64("2002-01-01")))
    late = late.assign_attrs(ds.attrs)
    assert windows(late, lags=0).attrs["site_months"] == 24 + 12


def test_order_of_sites_does_not_matter(towers):
    ds = towers(gaps=0.1)
    one, other = windows(ds), windows(ds.isel(site=slice(None, None, -1)))
    np.testing.assert_array_equal(np.sort(one["NEE"]), np.sort(other["NEE"]))
    assert one.attrs == other.attrs


@pytest.mark.usefixtures("no_compute")
def test_windows_of_a_cube_are_lazy(cube):
    ds = cube().chunk(lat=1)
    assert windows(ds, lags=6)["x"].chunks is not None


def test_windows_of_a_cube_cell_equal_slide(cube):
    ds = cube()
    x = windows(ds, ["TEMP", "PRE"], lags=4)["x"].isel(lat=1, lon=2).values
    series = np.stack([ds[d].isel(lat=1, lon=2).values for d in ("TEMP", "PRE")], axis=-1)
    np.testing.assert_array_equal(x, slide(series, 5))


def test_static_drivers_are_repeated(towers):
    ds = towers()
    ds["AGE"] = ("site", np.arange(5.0) * 10, {"units": "year"})
    samples = windows(ds, ["AGE", "TEMP"], lags=1)
    assert (samples["x"].sel(driver="AGE").values == 10 * np.array([[int(s[1:])] for s in samples.site.values])).all()


def test_complete_needs_every_driver_and_month():
    x = np.ones((1, 6, 2))
    x[0, 3, 1] = np.inf
    assert complete(x, 2)[0].tolist() == [False, True, True, False, False, True]
    assert not complete(np.ones((3, 1)), 5).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.drop_vars("TEMP"), r"needed but not in the Dataset: \['TEMP'\]"),
        (
            lambda ds: ds.assign(TEMP=ds.TEMP.assign_attrs(units="K")),
            "TEMP must be in 'degC', but it came with units 'K'",
        ),
        (lambda ds: ds.assign(TEMP=ds.TEMP.assign_attrs(units="K")), r'ds\["TEMP"\] = \(ds\["TEMP"\] - 273.15\)'),
        (
            lambda ds: ds.assign(PRE=ds.PRE.assign_attrs(units="inch")),
            "Convert its values where they are read, and only",
        ),
        (lambda ds: ds.assign(TEMP=ds.TEMP.drop_attrs()), "no units attribute. If its values are in that unit"),
        (lambda ds: ds.rename(time="month").assign_coords(month=range(36)), r"xnee\.repeat_climatology\(ds, years\)"),
        (lambda ds: ds.assign(TEMP=(ds.TEMP + 273).assign_attrs(ds.TEMP.attrs)), "TEMP must lie between -60 and 50"),
        (lambda ds: ds.assign(NEE=(ds.NEE * 30).assign_attrs(ds.NEE.attrs)), "NEE must lie between -700 and 500"),
        (lambda ds: ds.isel(time=[0, 1, 1, 2]), "duplicated or out of order"),
        (lambda ds: ds.isel(time=[0, 2, 1]), "2001-02 is duplicated or out of order"),
        (lambda ds: ds.isel(time=[0, 1, 3]), "month after 2001-02 is missing"),
        (lambda ds: ds.assign_coords(time=ds.time + np.timedelta64(14, "D")), "must be the start of the month"),
        (lambda ds: ds.assign_coords(time=np.arange(36)), "time coordinate of standard-calendar dates"),
        (lambda ds: ds.isel(site=[]), "at least one site"),
        (lambda ds: ds.isel(site=[0, 0, 1]), r"each site needs a label of its own.*\['T00'\]"),
        (lambda ds: ds.drop_vars("site"), "each site needs a label of its own.*no labels"),
    ],
)
def test_bad_towers_are_refused(towers, change, message):
    with pytest.raises(ValueError, match=message):
        windows(change(towers()), ["TEMP", "PRE"])


@pytest.mark.parametrize(
    ("drivers", "message"),
    [
        (["P"], "'P' is refused: it means atmospheric pressure in the reference study and precipitation in FLUXNET"),
        (["PARR"], r"got \['PARR'\]\. Did you mean PAR"),
        (["temperature"], r"names of the vocabulary.*got \['temperature'\]"),
        ([], "at least one variable"),
        (["TEMP", "TEMP"], "each once"),
        (["NEE"], r"got \['NEE'\]"),
    ],
)
def test_bad_names_are_refused(drivers, message):
    with pytest.raises(ValueError, match=message):
        WindowSpec(drivers=drivers)


@pytest.mark.parametrize("lags", [-1, 2.5, True])
def test_bad_lags_are_refused(lags):
    with pytest.raises(ValueError, match="lags must be 0 or more whole months"):
        WindowSpec(drivers=("TEMP",), lags=lags)


def test_towers_without_any_driver_are_refused(towers):
    with pytest.raises(ValueError, match="at least one variable"):
        windows(towers()[["NEE"]])


def test_a_month_that_fails_qc_is_dropped_even_where_nee_stands(towers):
    ds = towers(sites=1, years=1)
    ds["NEE_QC"][0, 5] = 0.1
    samples = windows(ds, lags=0)
    assert samples.attrs["dropped"]["qc"] == 1
    assert samples.sizes["sample"] == 11


def test_the_age_of_a_stand_does_not_lengthen_a_record(towers):
    ds = towers(sites=2, years=2)
    late = ds.where((ds.site != "T01") | (ds.time >= np.datetime64("2002-01-01"))).assign_attrs(ds.attrs)
    late["AGE"] = ("site", [10.0, 20.0], {"units": "year"})
    assert windows(late, lags=0).attrs["site_months"] == 24 + 12


def test_one_driver_may_be_named_alone(towers):
    assert windows(towers(), "TEMP")["driver"].values.tolist() == ["TEMP"]


def test_a_record_shorter_than_a_window_gives_no_sample(towers):
    assert windows(towers(years=1), lags=20).sizes["sample"] == 0
