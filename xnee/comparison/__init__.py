"""A map beside others: the same cells, the same years, and what has been published."""

from xnee.comparison.anchors import ANCHORS, Anchor
from xnee.comparison.comparing import compare
from xnee.comparison.table import comparison_table

__all__ = ["ANCHORS", "Anchor", "compare", "comparison_table"]
