"""One training step of a stack of equal LSTMs: gradients written out, memory taken once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["Adam", "Stack"]

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class Stack:
    """Networks that train side by side, and the memory that their training needs.

    Networks are small, so that what costs is calls and memory, not arithmetic. Hence: input, bias and recurrent
    weights are one matrix, and a month is one batched product of ``[x, 1, h]`` with it; the gradient of that matrix
    is one product over all months; nothing is allocated in a step; no graph is recorded. Equations as in
    torch.nn.LSTM. ``tanh(x)`` is taken as ``2 sigmoid(2x) - 1``: torch's sigmoid is several times as fast on a CPU.

    Every operation treats networks alike whatever stands beside them: a network comes out the same, to the last bit,
    in any stack (what torch itself does otherwise, `xnee.models.training.train` makes up for).

    Parameters
    ----------
    weights
        As of `xnee.models.lstm.initial_weights`; copied.
    months
        Months in a window.
    batch
        Windows in a step.
    """

    def __init__(self, weights: Mapping[str, Tensor], *, months: int, batch: int) -> None:
        network, feature, four = weights["input"].shape
        hidden = four // 4
        self.feature, self.hidden, self.months = feature, hidden, months
        self.core = torch.cat([weights["input"], weights["bias"][:, None], weights["recurrent"]], dim=1)
        self.top = torch.cat([weights["head"], weights["offset"][:, None]], dim=1)
        self.core_slope, self.top_slope = torch.zeros_like(self.core), torch.zeros_like(self.top)
        self._read = self.core.new_zeros(network, months, batch, feature + 1 + hidden)  # [x, 1, h before]
        self._read[..., feature] = 1
        self._gates = self.core.new_zeros(months, network, batch, four)  # sigmoids, in the order i, f, g, o
        self._gates_slope = self.core.new_zeros(network, months, batch, four)
        shape = (months, network, batch, hidden)
        self._candidate, self._cell, self._squashed = (self.core.new_zeros(shape) for _ in range(3))
        self._last, self._back, self._through, self._part = (self.core.new_zeros(shape[1:]) for _ in range(4))
        self._four = self.core.new_zeros(network, batch, four)

    def weights(self) -> dict[str, Tensor]:
        """Give the weights as they are, as views.

        Returns
        -------
        dict
            As of `xnee.models.lstm.initial_weights`.
        """
        f, h = self.feature, self.hidden
        core = {"input": self.core[:, :f], "recurrent": self.core[:, f + 1 :], "bias": self.core[:, f]}
        return core | {"head": self.top[:, :h], "offset": self.top[:, h]}

    def run(self, x: Tensor, *, keep: Tensor | None) -> Tensor:
        """Run the first networks over windows of their own.

        Parameters
        ----------
        x
            ``(network, lag, sample, feature)``, scaled, oldest month first; perhaps of the first networks only.
        keep
            Dropout mask on the last hidden state, ``(network, sample, hidden)``, already divided by the share kept.

        Returns
        -------
        torch.Tensor
            ``(network, sample)``, scaled NEE of the last month.
        """
        n, f, h = len(x), self.feature, self.hidden
        read, core, last = self._read[:n], self.core[:n], self._last[:n]
        read[..., :f].copy_(x)
        for month in range(self.months):
            gates, cell = self._gates[month, :n], self._cell[month, :n]
            known = f + 1 + h if month else f + 1  # the first month has no state before it
            torch.bmm(read[:, month, :, :known], core[:, :known], out=gates)
            gates[..., 2 * h : 3 * h].mul_(2)
            i, forget, g, o = gates.sigmoid_().chunk(4, -1)
            candidate = torch.mul(g, 2, out=self._candidate[month, :n]).sub_(1)
            torch.mul(i, candidate, out=cell)
            if month:
                cell.addcmul_(forget, self._cell[month - 1, :n])
            squashed = torch.mul(cell, 2, out=self._squashed[month, :n]).sigmoid_().mul_(2).sub_(1)
            torch.mul(o, squashed, out=read[:, month + 1, :, f + 1 :] if month + 1 < self.months else last)
        if keep is not None:
            last.mul_(keep)
        return torch.bmm(last, self.top[:n, :h, None])[..., 0] + self.top[:n, h:]

    def differentiate(self, slope: Tensor, *, keep: Tensor | None) -> None:
        """Find the gradients of the weights, from that of the outputs of the last run.

        They are in ``core_slope`` and ``top_slope`` then.

        Parameters
        ----------
        slope
            ``(network, sample)``, derivative of each network's loss in its outputs.
        keep
            The mask of the run.
        """
        n, f, h = len(slope), self.feature, self.hidden
        self.top_slope[:n, :h] = torch.bmm(slope[:, None], self._last[:n])[:, 0]
        self.top_slope[:n, h] = slope.sum(1)
        back, through, part, four = self._back[:n], self._through[:n], self._part[:n], self._four[:n]
        torch.mul(slope[:, :, None], self.top[:n, None, :h], out=back)
        if keep is not None:
            back.mul_(keep)
        through.zero_()
        recurrent = self.core[:n, f + 1 :].transpose(1, 2)
        di, df, dg, do = four.chunk(4, -1)
        for month in range(self.months - 1, -1, -1):
            gates, squashed = self._gates[month, :n], self._squashed[month, :n]
            i, forget, _, o = gates.chunk(4, -1)
            torch.mul(back, squashed, out=do)
            torch.mul(back, o, out=part)
            through.add_(_tanh_backward(part, squashed, grad_input=part))
            torch.mul(through, self._candidate[month, :n], out=di)
            torch.mul(through, i, out=dg).mul_(4)  # 2 of the doubled argument, 2 of the doubled sigmoid
            if month:
                torch.mul(through, self._cell[month - 1, :n], out=df)
            else:
                df.zero_()
            raw = _sigmoid_backward(four, gates, grad_input=self._gates_slope[:n, month])
            if month:
                through.mul_(forget)
                torch.bmm(raw, recurrent, out=back)
        read, raw = self._read[:n].flatten(1, 2), self._gates_slope[:n].flatten(1, 2)
        torch.bmm(read.transpose(1, 2), raw, out=self.core_slope[:n])


class Adam:
    """AdamW with clipping for a stack: every network has its own norm, step count, step size and decay.

    Parameters
    ----------
    stack
        Networks.
    rate, decay
        ``(network,)``, double precision, step size at the start and decoupled weight decay.
    total
        ``(network,)``, steps in all, along which the step size falls to zero on half a cosine; None: it stays.
    clip
        Largest norm of a network's gradient.
    """

    def __init__(self, stack: Stack, *, rate: Tensor, decay: Tensor, total: Tensor | None, clip: float) -> None:
        self._pairs = [(stack.core.flatten(1), stack.core_slope.flatten(1)), (stack.top, stack.top_slope)]
        self._first, self._second, self._root = ([torch.zeros_like(w) for w, _ in self._pairs] for _ in range(3))
        self._rate, self._decay, self._total, self._clip = rate, decay, total, clip
        self._count = torch.zeros_like(rate)
        self._decays = bool((decay > 0).any())

    def step(self, active: int) -> None:
        """Move the first networks along their gradients, which are used up; the others stay exactly as they are.

        Parameters
        ----------
        active
            How many.
        """
        count = self._count[:active].add_(1)
        rate = self._rate[:active]
        if self._total is not None:
            rate = rate * 0.5 * (1 + torch.cos(torch.pi * (count - 1) / self._total[:active]))
        square = sum(torch.linalg.vector_norm(slope[:active], dim=1).double() ** 2 for _, slope in self._pairs)
        unbias1, unbias2 = 1 - 0.9**count, (1 - 0.999**count).sqrt_()
        columns = (
            (self._clip / torch.as_tensor(square).sqrt().clamp_min_(1e-12)).clamp_max_(1),
            -rate * unbias2 / unbias1,
            1e-8 * unbias2,
            1 - rate * self._decay[:active],
        )
        clip, move, least, shrink = (column[:, None].to(self._first[0].dtype) for column in columns)
        for (weight, slope), *moments in zip(self._pairs, self._first, self._second, self._root, strict=True):
            w, g, m, v, root = (value[:active] for value in (weight, slope, *moments))
            g.mul_(clip)
            m.lerp_(g, 0.1)
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            torch.sqrt(v, out=root).add_(least)
            if self._decays:
                w.mul_(shrink)
            w.addcdiv_(torch.mul(m, move, out=g), root)
