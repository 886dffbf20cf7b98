"""The command line, one thin command a function."""

import xnee.cli.commands
import xnee.cli.judging
import xnee.cli.mapping  # noqa: F401  each registers its commands
from xnee.cli.app import main

__all__ = ["main"]
