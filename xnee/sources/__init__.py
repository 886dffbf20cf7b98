"""Readers: each reads one family of files and gives Datasets in the words and units of `xnee.variables`."""
