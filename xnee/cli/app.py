"""The command line as such; the commands are in the files beside this one."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn, get_args

from cyclopts import App, CycloptsError, Parameter, Token

from xnee.cli.files import check_inputs
from xnee.cli.words import in_shell_words, misspelt

__all__ = ["Names", "Numbers", "app", "main", "pairs"]

app = App(
    name="xnee",
    help="From flux towers to a national map of forest net ecosystem exchange.",
    default_parameter=Parameter(consume_multiple=True),  # --drivers TEMP PRE PAR
)


def _values(hint: Any, tokens: Sequence[Token]) -> tuple[Any, ...]:
    """Take values that are separated by commas as well; in "random forest, context" the comma is part of the name."""
    one = get_args(hint)[0]
    return tuple(one(word) for token in tokens for word in re.split(r",(?! )", token.value) if word)


# Not for what holds paths, in which commas are letters like others.
Names = Annotated[tuple[str, ...], Parameter(converter=_values)]
Numbers = Annotated[tuple[float, ...], Parameter(converter=_values)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and turn refusals into one line and exit status 2.

    Parameters
    ----------
    arguments
        Words of the command line; by default those of the process.
    """
    handler = logging.StreamHandler()
    handler.addFilter(first_time())
    if isinstance(sys.stdout, io.TextIOWrapper):  # so that the plan is in a log before the work begins
        sys.stdout.reconfigure(line_buffering=True)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", handlers=[handler])
    try:
        command, given, _ = app.parse_args(arguments, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        _refuse(misspelt(error))
    commands = {name: run for name in app if not name.startswith("-") and (run := app[name].default_command)}
    try:
        if command in commands.values():  # and not --help
            check_inputs(command, given.arguments)
        with warnings.catch_warnings():
            warnings.showwarning = _tell
            command(*given.args, **given.kwargs)
    except BrokenPipeError:  # who read what is printed has enough, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries again as it ends
        raise SystemExit(141) from None  # as the shell counts it
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # as the shell counts it
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError, RuntimeError) as error:
        _refuse(in_shell_words(str(error), command, commands))


def _tell(message: Warning | str, *_: object, **__: object) -> None:
    print(f"xnee: {message}", file=sys.stderr)  # without the line of our code that warned


def _refuse(message: str) -> NoReturn:
    print(f"xnee: {message}", file=sys.stderr)
    raise SystemExit(2) from None


def first_time() -> Callable[[logging.LogRecord], bool]:
    """Make a filter that lets each message through once: several functions of a run look at the same cube.

    Returns
    -------
    callable
        For `logging.Handler.addFilter`.
    """
    told: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        before = len(told)
        told.add(record.getMessage())
        return len(told) > before

    return is_new


def pairs(words: tuple[str, ...], *, example: str) -> dict[str, str]:
    """Read words of the form name=value.

    Parameters
    ----------
    words
        As given.
    example
        One that is right.

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
        msg = f"pairs are given as name=value, e.g. {example}, several with spaces between; got {list(words)}."
        raise ValueError(msg)
    return dict(word.split("=") for word in words)
