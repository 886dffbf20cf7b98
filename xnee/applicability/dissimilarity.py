"""How unlike its training points a point is: the dissimilarity index of Meyer and Pebesma (2021), on plain arrays.

Meyer, H. and Pebesma, E. (2021): Predicting into unknown space? Estimating the area of applicability of spatial
prediction models. Methods in Ecology and Evolution 12, 1620-1633, doi 10.1111/2041-210X.13650.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KDTree

__all__ = ["Neighbourhood", "upper_whisker"]

_BLOCK = 4_000_000
"""Distances that are held at a time."""


@dataclass(frozen=True)
class Neighbourhood:
    """Training points, and how far a point may lie from them.

    Parameters
    ----------
    tree
        Index of the points.
    mean_distance
        Mean of the distances between all pairs of points, which makes distances comparable between models.
    threshold
        Largest dissimilarity of the area of applicability.
    training
        ``(point,)``, dissimilarity of each training point: distance to the nearest point of another fold over
        `mean_distance`.
    """

    tree: KDTree
    mean_distance: float
    threshold: float
    training: NDArray[np.float64]

    @classmethod
    def of(cls, points: NDArray[np.floating], fold: NDArray[np.generic]) -> Neighbourhood:
        """Learn from training points what is usual.

        Parameters
        ----------
        points
            ``(point, predictor)``, standardised and multiplied by the predictors' importance.
        fold
            ``(point,)``, fold of the cross-validation that tells what the model can do; 2 folds or more.

        Returns
        -------
        Neighbourhood
            With the largest dissimilarity among training points that is no outlier as its threshold.

        Raises
        ------
        ValueError
            If there are fewer than 2 folds or all points are the same.

        Examples
        --------
        >>> known = Neighbourhood.of(np.array([[0.0], [1.0], [3.0]]), np.array(["a", "b", "b"]))
        >>> known.mean_distance, known.training.tolist(), known.threshold
        (2.0, [0.5, 0.5, 1.5], 1.5)
        >>> known.dissimilarity(np.array([[3.0], [9.0]])).tolist()
        [0.0, 3.0]
        """
        at: NDArray[np.float64] = np.ascontiguousarray(points, dtype="f8")
        if np.unique(fold).size < 2:
            msg = (
                f"a threshold needs points of 2 folds or more, got {len(points)} points of {np.unique(fold).size}: "
                "what the model does at other towers was never tested."
            )
            raise ValueError(msg)
        mean, nearest = _pairs(at, fold)
        if not mean > 0:
            msg = (
                f"all {len(points)} training points are the same to the model: every driver is constant, or every "
                "weight is 0. Distances mean nothing then; choose drivers that vary."
            )
            raise ValueError(msg)
        return cls(KDTree(at, leaf_size=20), mean, upper_whisker(nearest / mean), nearest / mean)

    def dissimilarity(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Give the distance of points to the nearest training point, over the mean distance of training points.

        Parameters
        ----------
        points
            ``(point, predictor)``, on the same scale.

        Returns
        -------
        numpy.ndarray
            ``(point,)``, 0 or more; at most `threshold` inside the area of applicability.
        """
        if not len(points):
            return np.empty(0)
        distance: NDArray[np.float64] = self.tree.query(points, k=1)[0][:, 0]
        return distance / self.mean_distance


def _pairs(points: NDArray[np.float64], fold: NDArray[np.generic]) -> tuple[float, NDArray[np.float64]]:
    """Mean distance over all pairs, and each point's distance to the nearest of another fold."""
    count = len(points)
    centred = points - points.mean(axis=0)  # small numbers: the difference of squares below loses less
    square = (centred**2).sum(axis=1)
    total, nearest = 0.0, np.empty(count)
    step = max(1, _BLOCK // count)
    for start in range(0, count, step):
        some = slice(start, start + step)
        squared = square[some, None] + square - 2 * centred[some] @ centred.T
        rows = np.arange(*some.indices(count))
        squared[np.arange(rows.size), rows] = 0
        total += np.sqrt(np.maximum(squared, 0)).sum()
        closest = np.where(fold[some, None] == fold, np.inf, squared).argmin(axis=1)
        nearest[some] = np.linalg.norm(points[some] - points[closest], axis=1)
    return float(total) / max(count * (count - 1), 1), nearest


def upper_whisker(values: NDArray[np.floating]) -> float:
    """Give the largest value that is no outlier in a box plot of Tukey's.

    Parameters
    ----------
    values
        Any shape, at least one.

    Returns
    -------
    float
        The largest value not more than 1.5 box lengths above the upper hinge; hinges are medians of the halves.

    Examples
    --------
    >>> upper_whisker(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    4.0
    """
    ordered = np.sort(np.asarray(values, dtype="f8").ravel())
    half = (ordered.size + 1) // 2
    lower, upper = np.median(ordered[:half]), np.median(ordered[-half:])
    return float(ordered[ordered <= upper + 1.5 * (upper - lower)].max())
