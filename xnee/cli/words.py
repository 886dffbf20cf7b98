"""Messages of functions, in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter, signature
from typing import Any

from cyclopts import CycloptsError, MissingArgumentError, UnusedCliTokensError

__all__ = ["flag", "in_shell_words", "misspelt"]

_OTHER_NAMES = {
    "model.save": "fit",
    "read_fluxnet": "towers",
    "build_cube": "cube",
    "repeat_climatology": "climatology-cube",
    "area_of_applicability": "applicability",
    "to_product": "predict",
    "to_geotiff": "geotiff",
}
"""Functions and the commands that call them, where the names differ."""
_OTHER_OPTIONS = {"levels": "quantiles"}
"""Arguments of functions and the options that give them, where the names differ."""
_ALONE = r"(?<![\w.'\"/=-])"
"""Not inside a longer name, a path or a quotation."""
_VALUE = r"""\.\.\.|'[^']*'|"[^"]*"|\[[^\]]*\]|\([^)]*\)|[\w*/-]+(?:[.:][\w*/-]+)*"""


def flag(name: str) -> str:
    """Write a parameter as a word of the command line.

    Parameters
    ----------
    name
        As in Python.

    Returns
    -------
    str
        With dashes.

    Examples
    --------
    >>> flag("test_fraction")
    '--test-fraction'
    """
    return "--" + name.replace("_", "-")


def in_shell_words(message: str, command: Callable[..., Any], commands: Mapping[str, Callable[..., Any]]) -> str:
    """Say what a function said to who typed a command: the way out in words that can be typed.

    Functions name functions and their arguments. A function that is a command becomes ``xnee command``; an argument
    that the running command, or one that the message speaks of, has as an option becomes that: ``name=value`` turns to
    ``--name value``, ``name=True`` to ``--name``, ``a_name`` to ``--a-name``, and so does ``name`` in ``name must``. A
    list after ``such as`` is written as it is typed. Anything else stays as it is.

    Parameters
    ----------
    message
        Of an error.
    command
        The one that runs.
    commands
        All, by the names that are typed.

    Returns
    -------
    str
        The same, in these words.

    Examples
    --------
    >>> def fit(sites, *, lags=6, test_fraction=0.2, overwrite=False): ...
    >>> in_shell_words("Lower test_fraction, leave lags=3 out, or give overwrite=True.", fit, {"fit": fit})
    'Lower --test-fraction, leave --lags 3 out, or give --overwrite.'
    """
    functions = {name.replace("-", "_"): name for name in commands} | _OTHER_NAMES
    options = _options(command)

    def spoken_of(found: re.Match[str]) -> str:
        room, name, values = found["room"], found["name"], found["values"]
        ours = room == "xnee." or room.endswith("nee.") or (not room and values is not None)
        if not ours and name not in _OTHER_NAMES:
            return found[0]  # a word like any other
        own = _options(commands[functions[name]])
        options.update(own)
        return " ".join(["xnee", functions[name], *re.findall(_pair(own), values or "")])

    call = rf"{_ALONE}(?P<room>(?:\w+\.)*?)(?P<name>{_any(functions)})(?:\((?P<values>[^()]*)\))?(?!\w|\.\w)"
    message = re.sub(call, spoken_of, message)
    message = re.sub(_pair(options), lambda found: _typed(*found[0].split("=", 1)), message)
    own = _options(command)
    names = {name: name for name in own} | {old: new for old, new in _OTHER_OPTIONS.items() if new in own}
    message = re.sub(rf"^(?:{_any(names)})(?= must (?!end in ))", lambda found: flag(names[found[0]]), message)
    message = re.sub(r"(?<=such as )\[[^\]]*\]", lambda found: found[0][1:-1].replace(",", ""), message)
    long = {name for name in _options(command) if "_" in name}
    return re.sub(rf"{_ALONE}(?:{_any(long)})(?![\w(=])", lambda found: flag(found[0]), message)


def misspelt(error: CycloptsError) -> str:
    """Say what is wrong with the words themselves: in one line, with how the command is typed.

    Parameters
    ----------
    error
        Of the parser.

    Returns
    -------
    str
        Without a line break.
    """
    who = " ".join(["xnee", *(error.command_chain or ())])
    text, typed = " ".join(str(error).split()), ""
    if isinstance(error, UnusedCliTokensError):
        text, typed = f"{' '.join(error.unused_tokens or ())!r} is more than {who} takes", _usage(who, error.target)
    elif isinstance(error, MissingArgumentError) and error.tokens_so_far:
        text = text.replace("positional arguments", "values, separated by spaces")
    elif isinstance(error, MissingArgumentError) and error.argument is not None:
        shown, hint = _shown(error.target, error.argument.name), text.partition(" argument. ")[2]
        text, typed = f"{shown} is missing, or has no value. {hint}".strip(), _usage(who, error.target)
    return f"{text}{'' if text[-1] in '.?' else '.'} {typed}See {who} --help."


def _shown(command: Callable[..., Any] | None, name: str) -> str:
    """Write a parameter as the help does: those without a name in capitals."""
    plain = name.removeprefix("--").replace("-", "_")
    return name if command is None or plain in _options(command) else plain.upper()


def _usage(who: str, command: Callable[..., Any] | None) -> str:
    """Write what must be given, in its order."""
    if command is None:
        return ""
    words = [who]
    for name, one in signature(command).parameters.items():
        if one.kind is Parameter.VAR_POSITIONAL:
            words.append(f"{name.upper()} ...")
        elif one.default is Parameter.empty:
            words.append(f"{flag(name)} {name.upper()}" if one.kind is Parameter.KEYWORD_ONLY else name.upper())
    return f"It is typed {' '.join(words)}, then the other options. "


def _options(command: Callable[..., Any]) -> set[str]:
    return {name for name, one in signature(command).parameters.items() if one.kind is Parameter.KEYWORD_ONLY}


def _any(names: Iterable[str]) -> str:
    """Give a pattern of any of the names, the longest first; of nothing if there is none."""
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)"


def _pair(names: Iterable[str]) -> str:
    return rf"{_ALONE}(?:{_any(names)})=(?:{_VALUE})?"


def _typed(name: str, value: str) -> str:
    """Write an argument as it is typed."""
    if value in ("True", "False", ""):
        return flag(f"no_{name}" if value == "False" else name)
    if value[0] in "[(":
        value = " ".join(part.strip() for part in value[1:-1].split(",") if part.strip())
    return f"{flag(name)} {value}".replace("'", "").replace('"', "")
