"""Figures of what the other rooms return. Nothing is shown, saved or downloaded."""

from xnee.plotting.drawing import KINDS, Kind, plot

__all__ = ["KINDS", "Kind", "plot"]
