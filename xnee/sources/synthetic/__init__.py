"""A China-like world with a known answer: towers, a driver cube, and the NEE that a stated formula gives.

Nothing in it was measured. It stands in for data in the demo and in tests, and it shows whether a model learns what
there is to learn: `docs/synthetic-world.md` tells which drivers matter, how much memory does, and which are decoys.
"""

from xnee.sources.synthetic.cube import synthetic_cube
from xnee.sources.synthetic.formula import MEMORY, PARAMETERS, formula_nee, true_nee
from xnee.sources.synthetic.towers import RECORDS, synthetic_towers

__all__ = ["MEMORY", "PARAMETERS", "RECORDS", "formula_nee", "synthetic_cube", "synthetic_towers", "true_nee"]
