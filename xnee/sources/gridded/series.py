"""Files of one quantity become one lazy field, month by month."""

from __future__ import annotations

import dask.array as da
import numpy as np
import xarray as xr

from xnee.grid import coordinates
from xnee.sources.gridded.axes import Axes
from xnee.sources.gridded.choosing import Chosen
from xnee.sources.gridded.dating import is_settled, months_without_years, periods_of
from xnee.sources.gridded.months import Month, Plan, average, plan
from xnee.sources.gridded.periods import Periods
from xnee.sources.gridded.pieces import Piece, make_pieces
from xnee.sources.gridded.reading import Reading
from xnee.sources.gridded.sampling import check_sample
from xnee.sources.gridded.units import Quantity, spell

__all__ = ["make_field"]

_MEAN_MONTHS = (31, 28.2425, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Days of the months of a climatology: February of a mean year of 365.2425 days."""


def make_field(chosen: list[Chosen], quantity: Quantity, reading: Reading) -> xr.DataArray:
    """Join the layers of one quantity along time, in its canonical unit.

    Parameters
    ----------
    chosen
        One layer or more, in any order.
    quantity
        What they hold.
    reading
        What the user says.

    Returns
    -------
    xarray.DataArray
        ``(time, lat, lon)``, ``(month, lat, lon)`` for a climatology, or ``(lat, lon)``; lazy, month starts, both
        coordinates ascending.

    Raises
    ------
    ValueError
        If the files do not fit together, or are not what they are said to be.
    """
    _check_steps(chosen)
    label = chosen[0].layer.label + (f" and {len(chosen) - 1} more" if len(chosen) > 1 else "")
    months = months_without_years(chosen, reading)
    settled = months is None and is_settled(chosen, quantity, reading)
    spans = None if months is not None or settled else periods_of(chosen, quantity, reading, label)
    length = 30.0 if spans is None else float(np.median(spans.end - spans.start))
    pieces = make_pieces(chosen, quantity, reading, length)
    notes = [check_sample(pieces, quantity, reading, label)]
    if spans is not None:
        names = [piece.layer.file for piece in pieces for _ in range(piece.layer.steps)]
        made = plan(spans, names=names, coverage=reading.coverage, gaps=reading.gaps, label=label)
        _refuse_directions(made, quantity, label)
        field = _monthly(pieces, spans, made, quantity, reading.coverage)
        notes.append(made.note)
    else:
        field = _without_years(pieces, months, quantity)
    return field.rename(quantity.name).assign_attrs(_attrs(chosen[0], pieces, quantity, reading, spans, notes))


def _check_steps(chosen: list[Chosen]) -> None:
    """Refuse files without a single step."""
    for one in chosen:
        if one.layer.steps == 0:
            msg = f"{one.layer.label} has a time axis without a single step. Is the file whole? Download it again."
            raise ValueError(msg)


def _refuse_directions(made: Plan, quantity: Quantity, label: str) -> None:
    """Refuse to average angles: 350 and 10 degrees would make 180."""
    if quantity.name == "WD" and not made.monthly:
        msg = (
            f"{label} has a direction in steps shorter than months, and directions must not be averaged. Take the "
            "components of the wind, or average them to months first."
        )
        raise ValueError(msg)


def _stacked(pieces: list[Piece]) -> da.Array:
    """Put the values of all files one after the other, ``(step, lat, lon)``."""
    if len(pieces) == 1:
        return pieces[0].values()
    whole: da.Array = da.concatenate([piece.values() for piece in pieces], axis=0)  # type: ignore[no-untyped-call]
    return whole


def _on_cells(field: da.Array, axes: Axes, first: dict[str, object]) -> xr.DataArray:
    """Give a field its coordinates; `first` is the one before latitude, if any."""
    coords = first | coordinates(axes.lat.centres, axes.lon.centres)
    return xr.DataArray(field, coords=coords, dims=(*first, "lat", "lon"))


def _without_years(pieces: list[Piece], months: tuple[int, ...] | None, quantity: Quantity) -> xr.DataArray:
    """Make a climatology of `months`, or a map without time."""
    stored, axes = _stacked(pieces), pieces[0].axes
    if months is None:
        return _on_cells(stored[0], axes, {})
    order, per = np.argsort(months), {piece.unit.per for piece in pieces}
    field = stored if np.array_equal(order, np.arange(12)) else stored[order]
    length = np.array(_MEAN_MONTHS, dtype=stored.dtype)[:, None, None]
    if len(per) > 1:
        msg = f"the months of this climatology of {quantity.name} are in different kinds of units, per {sorted(per)}."
        raise ValueError(msg)
    if quantity.amount and per == {"day"}:
        field = field * length
    if not quantity.amount and per == {"period"}:
        field = field / length
    return _on_cells(field, axes, {"month": xr.Variable("month", np.arange(1, 13), {"long_name": "calendar month"})})


def _monthly(pieces: list[Piece], spans: Periods, made: Plan, quantity: Quantity, coverage: float) -> xr.DataArray:
    """Make months of a series: means over their days, and from these the totals of amounts."""
    series = _stacked(pieces)
    series = series if np.array_equal(made.order, np.arange(made.order.size)) else series[made.order]
    steps = [piece.unit.per for piece in pieces for _ in range(piece.layer.steps)]
    per = [steps[i] for i in made.order]
    if "month" in per and not made.monthly:
        msg = f"{quantity.name} per month was found in steps that are no months. Say what they are in with units=."
        raise ValueError(msg)
    # The amount of a period becomes one per day; where periods are months and totals are wanted, it is one already.
    total = made.monthly and quantity.amount
    lengths = (spans.end - spans.start)[made.order]
    divide = np.array([days if p == "period" and not total else 1.0 for days, p in zip(lengths, per, strict=True)])
    if np.any(divide != 1):
        series = series / divide.astype(series.dtype)[:, None, None]
    field = average(series, made, coverage)
    if quantity.amount:
        days = np.array([_days(month, per, total=total) for month in made.months], dtype=field.dtype)
        field = field if np.all(days == 1) else field * days[:, None, None]
    return _on_cells(field, pieces[0].axes, {"time": made.time})


def _days(month: Month | None, per: list[str], *, total: bool) -> float:
    """Give the days by which the mean of a month becomes its total; 1 where it is one already."""
    if month is None:
        return 1.0
    return 1.0 if total and per[month.steps.start] in ("period", "month") else month.length


def _attrs(
    first: Chosen,
    pieces: list[Piece],
    quantity: Quantity,
    reading: Reading,
    spans: Periods | None,
    notes: list[str],
) -> dict[str, str]:
    """Describe a field: what it is, where it came from, what was done to it."""
    files = sorted({piece.layer.file for piece in pieces})
    said, (scale, offset) = first.units(reading), first.packing(reading)
    steps = [f"{first.layer.variable or 'band'} in {spell(said) if said else '1'}"]
    if scale is not None:
        steps.append(f"stored numbers count {scale:g}" + (f", plus {offset:g}" if offset else ""))
    if spans is not None and spans.every != "month":
        steps.append(f"{spans.every} steps averaged by days, over {reading.coverage:.0%} of a month or more")
    if first.row.product:
        steps.append(f"read as {first.row.product}")
    return {
        "units": quantity.units,
        "long_name": quantity.long_name,
        "cell_methods": "time: sum" if quantity.amount else "time: mean",
        "source": files[0] if len(files) == 1 else f"{files[0]} ... {files[-1]} ({len(files)} files)",
        "conversion": "; ".join([*steps, *(note for note in notes if note)]),
    }
