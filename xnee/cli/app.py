"""The command line as such; the commands are in the files beside this one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from cyclopts import App, Parameter

from xnee.cli.files import check_inputs
from xnee.cli.words import in_shell_words

__all__ = ["app", "main", "pairs"]

app = App(
    name="xnee",
    help="From flux towers to a national map of forest net ecosystem exchange.",
    default_parameter=Parameter(consume_multiple=True),  # --drivers TEMP PRE PAR
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and turn refusals into one line and exit status 2.

    Parameters
    ----------
    arguments
        Words of the command line; by default those of the process.
    """
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    command, given, _ = app.parse_args(arguments)  # says by itself what is wrong with the words
    commands = {name: run for name in app if not name.startswith("-") and (run := app[name].default_command)}
    try:
        if command in commands.values():  # and not --help
            check_inputs(command, given.arguments)
        command(*given.args, **given.kwargs)
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # as the shell counts it
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError, RuntimeError) as error:
        print(f"xnee: {in_shell_words(str(error), command, commands)}", file=sys.stderr)
        raise SystemExit(2) from None


def pairs(words: tuple[str, ...]) -> dict[str, str]:
    """Read words of the form name=value.

    Parameters
    ----------
    words
        As given.

    Returns
    -------
    dict
        Values by name.

    Raises
    ------
    ValueError
        If one has another form.
    """
    if not all(word.count("=") == 1 for word in words):
        msg = f"pairs are given as name=value, e.g. ndvi=NDVI; got {list(words)}."
        raise ValueError(msg)
    return dict(word.split("=") for word in words)
