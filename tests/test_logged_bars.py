import sys
from time import sleep

import xnee.bars
from xnee.bars import bar


class Terminal:
    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_a_log_gets_the_beginning_and_the_end(capsys):
    assert list(bar(range(1000), desc="NEE")) == list(range(1000))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("|")[0] for line in lines] == ["NEE:   0%", "NEE: 100%"]
    assert all(line.isascii() for line in lines)


def test_a_log_gets_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(xnee.bars, "_EVERY", 0.05)
    with bar(desc="train", total=4) as told:
        for _ in range(4):
            sleep(0.06)
            told.update()
    shown = capsys.readouterr().err
    assert "\r" not in shown
    assert "\x1b" not in shown
    shares = dict.fromkeys(line.split("|")[0][-4:] for line in shown.splitlines())  # the end may be told twice
    assert list(shares) == ["  0%", " 25%", " 50%", " 75%", "100%"]


def test_a_terminal_gets_a_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    list(bar(range(3), desc="NEE"))
    assert "\rNEE: 100%" in terminal.text


def test_nothing_is_written_where_nothing_is_wanted(capsys):
    list(bar(range(3), disable=True))
    assert capsys.readouterr().err == ""
