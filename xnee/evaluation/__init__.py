"""How good a model is: splits, baselines, cross-validation and the table that shows them side by side."""
