"""Where a model may be believed, and whether that keeps its word."""

from xnee.applicability.area import area_of_applicability
from xnee.applicability.mapped import with_applicability
from xnee.applicability.outside import outside_share, outside_table
from xnee.applicability.skill import applicability_skill

__all__ = ["applicability_skill", "area_of_applicability", "outside_share", "outside_table", "with_applicability"]
