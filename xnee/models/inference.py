"""Running an ensemble along series of drivers: the kernel of all prediction, and the blocks that it is fed with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xnee.models.lstm import forward_series
from xnee.models.scaling import Inputs, Scaler, encode, feature_drivers, place_features
from xnee.models.training import threads
from xnee.windowing import complete

__all__ = ["Kernel", "run_ensemble"]

_GATE_BYTES = 1_500_000
"""Gates of a block on a CPU: its tensors stay in the cache of a core, and calls are few."""
_DEVICE_BYTES = 256_000_000
"""Gates of a block on a GPU, which pays for each call."""
_ALIGN = 64
"""Columns of a tensor are a multiple of this, so that no operation has a rest, which it would round in another way."""
_RUN = 256
"""Columns that static inputs are written out to before they are added: torch is slow along short rows."""
# oneDNN multiplies twice as fast as MKL on processors that are not Intel's. For plain tensors torch has it only here.
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # type: ignore[no-untyped-call]


def run_ensemble(
    weights: Mapping[str, NDArray[np.float32]],
    scaler: Scaler,
    inputs: Inputs,
    x: NDArray[np.floating],
    *,
    context: NDArray[np.floating],
    pft: str,
    length: int,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Predict every month of driver series that has a complete past.

    On a CPU a month comes out the same to the last bit whatever series, months and threads stand beside it.

    Parameters
    ----------
    weights
        As of `xnee.models.lstm.initial_weights`, networks are members.
    scaler, inputs
        Of the ensemble.
    x
        ``(series, time, driver)``, canonical units.
    context
        ``(series, statistic, driver)``, see `xnee.context.series_context`.
    pft
        Forest type of all series.
    length
        Months in a window.
    device
        ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    numpy.ndarray
        ``(member, series, time)``, g C m-2 month-1; NaN where a window holds a gap or the context is not known.
    """
    series, months, _ = x.shape
    members, hidden = weights["head"].shape
    y = np.full((members, series, months), np.nan, dtype="f4")
    still = place_features(inputs, scaler, context, pft)
    known = complete(x, length) & np.isfinite(still).all(axis=1, keepdims=True)
    rows = np.flatnonzero(known.any(axis=1))
    run: Kernel | _Device = Kernel(weights, length) if device == "cpu" else _Device(weights, length, device)
    varying = len(feature_drivers(inputs.drivers))
    on_months, on_still = _part(scaler, slice(varying)), _part(scaler, slice(varying, None))

    def predict(block: _Block) -> None:
        past = slice(block.first, block.first + block.count + length - 1)
        features = np.nan_to_num(on_months.features(encode(x[block.rows, past], inputs.drivers)))
        scaled = run(features, on_still.features(still[block.rows]))
        y[:, block.rows, past.start + length - 1 : past.stop] = scaler.to_target(scaled)

    columns = (_GATE_BYTES if device == "cpu" else _DEVICE_BYTES // members) // (16 * hidden)
    _each(predict, list(_blocks(rows, months - length + 1, columns)), side_by_side=device == "cpu")
    y[:, ~known] = np.nan
    return y


def _part(scaler: Scaler, columns: slice) -> Scaler:
    """Give the scales of some of the features."""
    return Scaler(scaler.mean[columns], scaler.std[columns], scaler.target_mean, scaler.target_std)


@dataclass(frozen=True)
class _Block:
    """Series, and first months of windows, that are run together."""

    rows: NDArray[np.intp]
    first: int
    count: int


def _blocks(rows: NDArray[np.intp], windows: int, columns: int) -> Iterator[_Block]:
    """Cut series into blocks of about as many windows: whole series where they fit, else parts of one."""
    if windows < 1:
        return
    count = min(windows, columns)
    series = max(1, columns // count)
    for start in range(0, rows.size, series):
        for first in range(0, windows, count):
            yield _Block(rows[start : start + series], first, min(count, windows - first))


def _each(predict: Callable[[_Block], None], blocks: list[_Block], *, side_by_side: bool) -> None:
    """Run blocks one after the other; on the threads that torch may use, where nothing else runs beside."""
    # dask runs tiles side by side: threads of threads would only get in each other's way
    alone = threading.current_thread() is threading.main_thread()
    workers = min(torch.get_num_threads(), len(blocks)) if side_by_side and alone else 1
    if workers <= 1:
        for block in blocks:
            predict(block)
        return
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(predict, blocks):
            pass


class Kernel:
    """Networks that are run on a CPU along series that they share.

    A window of `length` months starts from a zero state. What a month adds to the gates is computed once and shared by
    all windows that hold the month; windows are columns, and those of one lag lie side by side in it, so that nothing
    is cut out or copied. ``sigmoid(x)`` is taken as ``(1 + tanh(x / 2)) / 2``, and halves are moved into the weights:
    numpy's tanh is the fastest there is.

    Parameters
    ----------
    weights
        As of `xnee.models.lstm.initial_weights`.
    length
        Months in a window.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], length: int) -> None:
        # glibc hands blocks of more than 128 kB back to the system as soon as they are free, and the next product pays
        # for fresh pages: a third of the time. Once a larger block was freed, it keeps all that are smaller.
        torch.empty(31 * 2**20, dtype=torch.uint8)
        self.length = length
        self.members, self.hidden = weights["head"].shape
        one = torch.arange(self.hidden)
        order = torch.cat([one + k * self.hidden for k in (0, 1, 3, 2)])  # input, forget, output, cell
        half = torch.full((4 * self.hidden,), 0.5)
        half[3 * self.hidden :] = 1
        w = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}

        def rows(value: Tensor) -> Tensor:
            return (value[..., order] * half).transpose(-1, -2).contiguous()

        self._input = rows(w["input"]).flatten(0, 1)  # (member x gate, feature)
        self._bias = (w["bias"][:, order] * half).flatten()[:, None]
        self._recurrent = rows(w["recurrent"] * 0.5)  # the state is kept twice as large
        self._head = w["head"][:, None] * 0.5
        self._offset = w["offset"].numpy()

    def __call__(self, features: NDArray[np.float32], still: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run all windows of some series.

        Parameters
        ----------
        features
            ``(series, time, feature)``, scaled, no gaps.
        still
            ``(series, feature)``, the features after those, which do not change in time.

        Returns
        -------
        numpy.ndarray
            ``(member, series, time - length + 1)``, scaled NEE of the last month of each window.
        """
        series, months, _ = features.shape
        count = months - self.length + 1
        columns = -(-count * series // _ALIGN) * _ALIGN
        with torch.inference_mode(), threads(1):
            projected = self._project(features, still, columns + (self.length - 1) * series)
            memory = torch.zeros(4, self.hidden, columns), torch.empty(4 * self.hidden, columns)
            y = np.empty((self.members, series, count), dtype="f4")
            for member, gates in enumerate(projected.view(self.members, 4 * self.hidden, -1)):
                state = self._recur(gates, self._recurrent[member], series, *memory)
                last = _product(self._head[member], state)[0, : count * series]
                y[member] = last.view(count, series).T.numpy() + self._offset[member]
        return y

    def _project(self, features: NDArray[np.float32], still: NDArray[np.float32], least: int) -> Tensor:
        """Give what each month adds to the gates of each network: ``(member x gate, month x series)``."""
        series, months, varying = features.shape
        repeats = max(1, _RUN // series)
        width = -(-least // (repeats * series)) * repeats * series
        x = torch.zeros(varying, width)
        x[:, : months * series] = torch.from_numpy(features.transpose(2, 1, 0).reshape(varying, -1))
        projected = _product(self._input[:, :varying], x)
        # columns are summed one by one: a product would round a series otherwise if it stands alone
        own = self._bias.repeat(1, series)
        for column, value in zip(self._input[:, varying:].T, torch.from_numpy(still).T, strict=True):
            own += column[:, None] * value
        projected.view(len(own), -1, repeats * series).add_(own.repeat(1, repeats)[:, None])
        return projected

    def _recur(self, projected: Tensor, recurrent: Tensor, series: int, memory: Tensor, first: Tensor) -> Tensor:
        """Run one network; give twice the last hidden state, ``(hidden, window x series)``."""
        cell, squashed, state, candidate = memory.unbind()
        columns = cell.shape[1]
        for lag in range(self.length):
            month = projected[:, lag * series : lag * series + columns]
            # there is no state before the first month
            gates = _product(recurrent, state).add_(month) if lag else first.copy_(month)
            np.tanh(gates.numpy(), out=gates.numpy())
            i, f, o, g = gates.chunk(4)
            torch.addcmul(g, i, g, out=candidate)
            if lag:
                cell.addcmul_(f, cell).lerp_(candidate, 0.5)  # ((1 + f) c + (1 + i) g) / 2
            else:
                torch.mul(candidate, 0.5, out=cell)
            np.tanh(cell.numpy(), out=squashed.numpy())
            torch.addcmul(squashed, o, squashed, out=state)
        return state


def _product(left: Tensor, right: Tensor) -> Tensor:
    if _ONEDNN:
        result: Tensor = torch.ops.mkldnn._linear_pointwise.default(left, right.T, None, "none", [], "")
        return result
    return left @ right


class _Device:
    """The same on a GPU."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], length: int, device: str) -> None:
        self._weights = {name: torch.from_numpy(np.ascontiguousarray(w)).to(device) for name, w in weights.items()}
        self._length, self._device = length, device

    def __call__(self, features: NDArray[np.float32], still: NDArray[np.float32]) -> NDArray[np.float32]:
        repeated = np.broadcast_to(still[:, None], (*features.shape[:2], still.shape[1]))
        x = torch.from_numpy(np.concatenate([features, repeated], axis=2)).to(self._device)
        with torch.inference_mode():
            scaled: NDArray[np.float32] = forward_series(self._weights, x[None], self._length).cpu().numpy()
        return scaled
