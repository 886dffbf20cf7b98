"""The command line, one thin command a function."""

import xnee.cli.commands
import xnee.cli.judging  # noqa: F401  both register their commands
from xnee.cli.app import main

__all__ = ["main"]
