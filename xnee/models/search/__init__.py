"""Hyper-parameter search: every combination of a space, in stacks, from the training part only."""
