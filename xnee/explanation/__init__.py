"""Why a model says what it says: values by driver, and by driver and lag, in units of NEE."""

from xnee.explanation.checks import Method
from xnee.explanation.lags import explain_lags
from xnee.explanation.maps import explain_map
from xnee.explanation.shares import contribution
from xnee.explanation.towers import explain

__all__ = ["Method", "contribution", "explain", "explain_lags", "explain_map"]
