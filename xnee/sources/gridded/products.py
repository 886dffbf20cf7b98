"""What is known about products beyond what their files say: one row for each thing that must be known.

A row that fits a file adds to it or puts it right. What nobody needs to know about a product, because its files say it,
is not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from xnee.sources.gridded.axes import Labels
from xnee.sources.gridded.raster import simple

__all__ = ["NAMES", "PRODUCTS", "ROUTES", "Row", "rows_of"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity of one product.

    Parameters
    ----------
    product
        Its name, for `open_driver(product=...)`.
    quantity
        A name of `xnee.sources.gridded.units.QUANTITIES`.
    files
        Pattern that the file's name holds; empty where files are called anything.
    variables
        Names of the variable, in the words of `simple`.
    units
        What the numbers are in, whatever the file says.
    replaces
        Units that mean something else than they say.
    fallback_units
        What the numbers are in where the file does not say.
    scale
        What one stored integer counts, whatever the file says. Floats are scaled already.
    fallback_scale
        The same, where the file does not say.
    missing
        Stored numbers that are no values.
    bits
        The row is for numbers stored in so many bits only.
    every
        What a step is.
    labels
        Where in its cell a label stands.
    accumulates
        Whether hours are counted from the beginning of the day, so that they cannot be averaged.
    """

    product: str
    quantity: str
    files: str = ""
    variables: tuple[str, ...] = ()
    units: str | None = None
    replaces: Mapping[str, str] = field(default_factory=dict)
    fallback_units: str | None = None
    scale: float | None = None
    fallback_scale: float | None = None
    missing: tuple[float, ...] = ()
    bits: int | None = None
    every: str | None = None
    labels: Labels | None = None
    accumulates: bool = False


def _rows(product: str, files: str, table: Mapping[str, tuple[str, str]]) -> tuple[Row, ...]:
    """Make rows of a product of which only the units are known, by quantity: variable and unit."""
    return tuple(
        Row(product=product, quantity=name, files=files, variables=(variable,), fallback_units=units)
        for name, (variable, units) in table.items()
    )


# In monthly means ECMWF scales accumulations to one day, while the label stays m and J m-2
# (Confluence: ERA5-Land, "monthly means of accumulations"). Daily sums are per day too.
_ERA5 = (
    Row(product="ERA5-Land", quantity="PRE", variables=("tp",), replaces={"m": "m d-1"}, accumulates=True),
    Row(
        product="ERA5-Land",
        quantity="shortwave",
        variables=("ssrd",),
        replaces={"J m-2": "J m-2 d-1"},
        accumulates=True,
    ),
)
_CMFD = _rows(
    "CMFD",
    r"_(CMFD|ITPCAS)_",
    {
        "TEMP": ("temp", "K"),
        "PRE": ("prec", "mm h-1"),
        "PA": ("pres", "Pa"),
        "WS": ("wind", "m s-1"),
        "specific_humidity": ("shum", "kg kg-1"),
        "shortwave": ("srad", "W m-2"),
    },
)
_TERRACLIMATE = _rows(
    "TerraClimate",
    r"TerraClimate_",
    {
        "highest_temperature": ("tmax", "degC"),
        "lowest_temperature": ("tmin", "degC"),
        "PRE": ("ppt", "mm"),
        "VPD": ("vpd", "kPa"),
        "WS": ("ws", "m s-1"),
        "shortwave": ("srad", "W m-2"),
    },
)
_PENG = tuple(
    Row(
        product="Peng 1 km",
        quantity=name,
        files=rf"(^|/){variable}_\d{{4}}(_\d{{4}})?\.nc",
        variables=(variable,),
        fallback_units=units,
        fallback_scale=0.1,
        bits=16,
        every="month",
    )
    for name, variable, units in (("TEMP", "tmp", "degC"), ("PRE", "pre", "mm"))
)
_CN05 = _rows("CN05.1", r"CN05\.1_", {"TEMP": ("tm", "degC"), "PRE": ("pre", "mm d-1"), "WS": ("win", "m s-1")})
# Layers cut out of the same files are none; what names NDVI beside them is: MOD13C2_NDVI_quality_filtered.
_NO_OTHER = r"(?!.*std)(?=.*NDVI|(?!.*(EVI|quality|reliab|reflectance|angle)))"
# The scale_factor 10000 of MODIS vegetation indices means: divide.
_MODIS_NDVI = tuple(
    Row(
        product=product,
        quantity="NDVI",
        files=files,
        variables=variables,
        units="1",
        scale=1e-4,
        missing=(-3000,),
        every=every,
    )
    for product, files, variables, every in (
        ("MOD13C2", rf"M[OY]D13C2{_NO_OTHER}", ("cmg_0_05_deg_monthly_ndvi", "ndvi"), "month"),
        ("MOD13C1", rf"M[OY]D13C1{_NO_OTHER}", ("cmg_0_05_deg_16_days_ndvi", "ndvi"), "16-day"),
    )
)
# The scale differs by version: what the file says goes first.
_GLASS = tuple(
    Row(
        product="GLASS",
        quantity=name,
        files=files,
        variables=(name.lower(),),
        units="1",
        fallback_scale=scale,
        missing=(fill,),
        bits=bits,
        every="8-day",
    )
    for name, files, bits, scale, fill in (
        ("LAI", r"GLASS01", 16, 0.01, 2550),
        ("LAI", r"GLASS01", 8, 0.1, 255),
        ("FAPAR", r"GLASS09", 8, 0.004, 255),
    )
)
_OTHERS = (
    # 32766 is land under snow all year, 32767 water; files cut in a GIS add a missing value of their own.
    Row(
        product="GOSIF",
        quantity="SIF",
        files=r"GOSIF(?!.?GPP)",
        variables=("sif", "gosif"),
        units="W m-2 um-1 sr-1",
        scale=1e-4,
        missing=(32766, 32767),
        every="8-day",
    ),
    Row(product="SNU", quantity="FAPAR", files=r"fpar.*snu|snu.*fpar", variables=("fpar",), units="1", missing=(-10,)),
    # Integers of 0.1 degC under the label degC; labels are the south-west corners. See xnee.read_biome4.
    Row(
        product="BIOME4",
        quantity="TEMP",
        files=r"BIOME4_inputdata",
        variables=("temp",),
        units="degC",
        scale=0.1,
        labels="south-west",
    ),
    Row(product="BIOME4", quantity="PRE", files=r"BIOME4_inputdata", variables=("prec",), labels="south-west"),
)
# Rasters that hold none of our drivers, though their names resemble those that do.
_NO_DRIVERS = (
    Row(product="GOSIF GPP", quantity="gross primary production", files=r"GOSIF.?GPP"),
    *(
        Row(
            product=f"MOD13{kind} layers",
            quantity="another layer than NDVI",
            files=rf"M[OY]D13{kind}(?!{_NO_OTHER})",
        )
        for kind in ("C1", "C2")
    ),
)
# Maps of classes: no driver is made of them. Asking for one names read_land_cover.
_CLASSES = tuple(
    Row(product=product, quantity="land cover", files=files)
    for product, files in (("MCD12C1", r"MCD12C1"), ("MCD12Q1", r"MCD12Q1|MCD12_"))
)

PRODUCTS: tuple[Row, ...] = (
    *_ERA5,
    *_CMFD,
    *_TERRACLIMATE,
    *_PENG,
    *_CN05,
    *_MODIS_NDVI,
    *_GLASS,
    *_OTHERS,
    *_NO_DRIVERS,
    *_CLASSES,
)

NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "TEMP": (
            "t2m",
            "2t",
            "tas",
            "temp",
            "tmp",
            "air",
            "tem",
            "tm",
            "tair",
            "tmean",
            "2m_temperature",
            "temperature",
            "t",
        ),
        "PRE": (
            "tp",
            "pr",
            "prec",
            "pre",
            "precip",
            "precipitation",
            "ppt",
            "prcp",
            "total_precipitation",
            "rain",
            "mtpr",
            "avg_tprate",
        ),
        "VPD": ("vpd",),
        "WD": ("wd", "wdir", "wind_direction"),
        "WS": ("ws", "wind", "sfcwind", "wind_speed", "si10", "win"),
        "PA": ("sp", "ps", "pres", "pressfc", "surface_pressure"),
        "PAR": ("par", "ppfd"),
        "FAPAR": ("fapar", "fpar", "fpar_500m"),
        "VWC": ("swvl1", "vwc", "swvl", "volumetric_soil_water_layer_1"),
        "TS": ("stl1", "soil_temperature_level_1", "tsoil"),
        "AGE": ("age", "forest_age", "forestage", "stand_age"),
        "SIF": ("sif", "gosif", "csif"),
        "LAI": ("lai", "lai_500m"),
        "NDVI": ("ndvi",),
        "dew_point": ("d2m", "2d", "dew_point", "2m_dewpoint_temperature"),
        "highest_temperature": ("tmax", "tasmax", "tmx", "tmmx"),
        "lowest_temperature": ("tmin", "tasmin", "tmn", "tmmn"),
        "specific_humidity": ("shum", "huss", "qair"),
        "relative_humidity": ("hurs", "rhum", "rhu", "rh"),
        "eastward_wind": ("u10", "10u", "uas", "uwnd", "u", "10m_u_component_of_wind"),
        "northward_wind": ("v10", "10v", "vas", "vwnd", "v", "10m_v_component_of_wind"),
        "shortwave": (
            "ssrd",
            "rsds",
            "srad",
            "swdown",
            "dswrf",
            "surface_solar_radiation_downwards",
            "msdwswrf",
            "avg_sdswrf",
        ),
        "land_fraction": ("land", "lsm", "sftlf", "gldas_mask", "land_fraction"),
    }
)
"""Names of each quantity in files, in the words of `simple`; its name in the vocabulary is always one.

Sea-level pressure (psl, msl), skin temperature (ts, skt), soil water in kg m-2 (mrsos) and leaf areas of one vegetation
type (lai_hv, lai_lv) are left out on purpose: they are other things.
"""

ROUTES: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "VPD": (("TEMP", "dew_point"), ("TEMP", "specific_humidity", "PA"), ("TEMP", "relative_humidity")),
        "WS": (("eastward_wind", "northward_wind"),),
        "WD": (("eastward_wind", "northward_wind"),),
        "PAR": (("shortwave",),),
        "TEMP": (("highest_temperature", "lowest_temperature"),),
    }
)
"""What a driver can be made of where the files do not hold it, the best first."""


def rows_of(file: str, *, product: str | None) -> list[Row]:
    """List what is known about a file by its name.

    Parameters
    ----------
    file
        Its name without folders.
    product
        The product that the user names; it goes before the name of the file.

    Returns
    -------
    list of Row
        Those of all quantities, and those that fit files of any name.

    Raises
    ------
    ValueError
        If there is no such product.

    Examples
    --------
    >>> [row.quantity for row in rows_of("GOSIF_2001.M01.tif", product=None) if row.files]
    ['SIF']
    """
    known: Iterable[str] = dict.fromkeys(row.product for row in PRODUCTS)
    if product is not None and simple(product) not in map(simple, known):
        msg = f"unknown product {product!r}; known are {', '.join(known)}. Leave it out, and say units= and scale=."
        raise ValueError(msg)
    if product is not None:
        return [row for row in PRODUCTS if simple(row.product) == simple(product)]
    return [row for row in PRODUCTS if re.search(row.files, file, flags=re.IGNORECASE)]
