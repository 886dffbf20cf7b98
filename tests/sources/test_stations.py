"""The station table holds facts that can be checked against each other."""

import pytest

from xnee.pft import PFTS
from xnee.sources.stations import chinaflux_stations
from xnee.sources.synthetic import RECORDS


def test_eleven_stations_of_five_types():
    stations = chinaflux_stations()
    assert stations.sizes == {"site": 11}
    assert set(stations["pft"].values.tolist()) == set(PFTS)
    assert stations["code"].values.tolist() == stations["site"].values.tolist()


def test_mixed_forest_and_larch_are_filed_as_the_data_papers_say():
    stations = chinaflux_stations()
    assert stations["pft"].sel(site="DHF").item() == "MF"
    assert stations["pft"].sel(site="HZF").item() == "DNF"


@pytest.mark.parametrize(
    ("site", "lat", "lon"),
    [
        ("DHF", 23 + 10 / 60 + 25.4 / 3600, 112 + 32 / 60 + 3.7 / 3600),
        ("HZF", 51 + 46 / 60 + 52 / 3600, 121 + 1 / 60 + 4 / 3600),
        ("LDF", 35 + 1 / 60 + 45 / 3600, 112 + 28 / 60 + 8 / 3600),
        ("BTF", 33 + 29 / 60 + 59 / 3600, 111 + 56 / 60 + 7 / 3600),
        ("MEF", 45 + 25.002 / 60, 127 + 40.070 / 60),
    ],
)
def test_printed_degrees_and_minutes_become_decimal_degrees(site, lat, lon):
    station = chinaflux_stations().sel(site=site)
    assert float(station["lat"]) == pytest.approx(lat, abs=1e-4)
    assert float(station["lon"]) == pytest.approx(lon, abs=1e-4)


def test_what_is_not_printed_is_said_to_be_approximate_or_inferred():
    basis = chinaflux_stations()["basis"].to_series()
    assert basis[basis.str.contains("approximate")].index.tolist() == ["ALF"]
    assert basis[basis.str.contains("inferred")].index.tolist() == ["YSF"]


def test_synthetic_records_lie_within_the_published_years():
    for station in chinaflux_stations().to_dataframe().itertuples():
        first, last = RECORDS[station.code]
        assert station.first_year <= first <= last <= station.last_year
