"""The command line, ``xnee demo | towers | cube | fit | predict | evaluate | explain | report``."""

from xnee.cli.commands import main

__all__ = ["main"]
