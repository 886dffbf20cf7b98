"""docs/command-line.md: what it shows can be typed, and no command is left out."""

import re
import shlex
from pathlib import Path

import pytest

from xnee.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("xnee ")])
def test_each_line_can_be_typed(line):
    app.parse_args(shlex.split(line, comments=True)[1:], print_error=False, exit_on_error=False)


def test_each_command_has_a_row():
    rows = "".join(re.findall(r"^\| (`[^|]*) \|", PAGE, flags=re.MULTILINE))
    assert set(re.findall(r"`([a-z-]+)`", rows)) == {name for name in app if not name.startswith("-")}
