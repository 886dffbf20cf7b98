"""Units in every spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnee.sources.gridded.units import QUANTITIES, conversion, spell
from xnee.variables import VARIABLES


@pytest.mark.parametrize(
    ("name", "spellings", "stored", "value"),
    [
        ("TEMP", ("K", "kelvin", "Kelvin", "degK"), 300.0, 26.85),
        ("TEMP", ("degC", "celsius", "°C", "degrees_Celsius", "C", "deg C", "degree_C", "℃"), 20.0, 20.0),
        ("TEMP", ("0.1 degC", "0.1degC", "0.1*degC"), 205.0, 20.5),
        ("PA", ("hPa", "millibars", "mbar", "mb", "millibar"), 1000.0, 1000.0),
        ("PA", ("Pa", "pascal"), 1e5, 1000.0),
        ("VPD", ("kPa",), 1.2, 12.0),
        ("PRE", ("mm/day", "mm d-1", "mm day-1", "mm d^-1", "mm per day", "kg m-2 d-1", "kg/m2/day"), 2.0, 2.0),
        ("PRE", ("mm hr-1", "mm/hr", "mm/hour", "mm h**-1"), 0.5, 12.0),
        ("PRE", ("kg m-2 s-1", "kg/m^2/s", "kg m**-2 s**-1", "s-1 m-2 kg", "mm s-1"), 1e-5, 0.864),
        ("PRE", ("m per day", "m d-1", "m/day"), 0.002, 2.0),
        ("FAPAR", ("%", "percent"), 50.0, 0.5),
        ("FAPAR", ("1", "", "-", "fraction", "unitless", None), 0.5, 0.5),
        ("specific_humidity", ("grams/kg", "g/kg", "g kg-1"), 5.0, 0.005),
        ("specific_humidity", ("kg kg-1", "kg/kg", "kg kg**-1"), 0.005, 0.005),
        ("shortwave", ("W m-2", "W/m2", "W m**-2", "J m-2 s-1"), 100.0, 100.0),
        ("shortwave", ("J m-2 d-1", "J m**-2 day**-1"), 8.64e6, 100.0),
        ("shortwave", ("MJ m-2 d-1", "MJ/m2/day"), 8.64, 100.0),
        (
            "SIF",
            ("mW m-2 nm-1 sr-1", "mW/m2/nm/sr", "W m-2 um-1 sr-1", "W m-2 µm-1 sr-1", "mW m-2 sr-1 nm-1"),
            1.0,
            1.0,
        ),
        ("VWC", ("m**3 m**-3", "m3/m3", "m3 m-3", "1"), 0.3, 0.3),
        ("VWC", ("%",), 30.0, 0.3),
        ("WS", ("m/s", "m s**-1", "m s-1"), 3.0, 3.0),
        ("AGE", ("years", "year", "yr", "a"), 80.0, 80.0),
        ("NEE", ("gC m-2 d-1", "g C m-2 day-1", "gC/m2/day"), -1.0, -1.0),
        ("NEE", ("kg m-2 s-1", "kg C m-2 s-1"), 1e-8, 0.864),
        ("NEE", ("umol m-2 s-1", "µmol m-2 s-1"), 1.0, 1.03775),
    ],
)
def test_spellings(name, spellings, stored, value):
    for units in spellings:
        found = conversion(QUANTITIES[name], units, source="a file")
        assert stored * found.factor + found.offset == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("TEMP", "mm"),
        ("PRE", "K"),
        ("PRE", "mm/3hr"),
        ("LAI", "kg m-2"),
        ("VWC", "kg m-2"),
        ("PA", "m"),
        ("WS", "knots"),
        ("SIF", "mW m-2 um-1 sr-1"),
        ("TEMP", "0.2 degC"),
        ("TEMP", "degC d"),
        ("PRE", "mm month"),
        ("VWC", "mm"),
    ],
)
def test_other_units_are_refused(name, units):
    with pytest.raises(ValueError, match=rf"a file has the unit .* which is not one of {name}: those are"):
        conversion(QUANTITIES[name], units, source="a file")


@pytest.mark.parametrize("name", ["TEMP", "PRE", "PA", "SIF", "VWC", "AGE", "WD", "shortwave"])
def test_units_that_are_not_said_are_asked_for(name):
    with pytest.raises(ValueError, match=r"does not say its unit.*Say it with units=, one of"):
        conversion(QUANTITIES[name], None, source="a file")


def test_the_vocabulary_reads_its_own_units():
    for name, row in VARIABLES.items():
        found = conversion(QUANTITIES[name], row.units, source="a file")
        assert (found.factor, found.offset) == (1, 0)
        assert QUANTITIES[name].units == row.units


@given(st.text(max_size=30))
def test_any_text_has_a_spelling(text):
    assert isinstance(spell(text), str)
    assert spell(spell(text)) == spell(text) or not spell(text)
