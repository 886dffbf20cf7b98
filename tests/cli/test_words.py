import pytest

from xnee.cli.app import app
from xnee.cli.words import in_shell_words

COMMANDS = {name: run for name in app if (run := app[name].default_command)}


@pytest.mark.parametrize(
    ("command", "said", "typed"),
    [
        ("predict", "give overwrite=True, or append=True to add.", "give --overwrite, or --append to add."),
        ("search", "Give a new or empty folder: out=...", "Give a new or empty folder: --out ..."),
        ("fit", "made with lags=6; got lags=12. Leave lags out.", "made with --lags 6; got --lags 12. Leave lags out."),
        ("fit", "Lower test_fraction=0.2, or test_fraction.", "Lower --test-fraction 0.2, or --test-fraction."),
        ("predict", "a folder with split='year'; got 'x'", "a folder with --split year; got 'x'"),
        ("predict", 'predict with cover="by-year".', "predict with --cover by-year."),
        ("report", "as in by=('pft', 'year'); got ()", "as in --by pft year; got ()"),
        ("evaluate", "needs groups=, the name", "needs --groups, the name"),
        ("fit", "read_fluxnet(..., sites=...), or --sites", "xnee towers --sites ..., or --sites"),
        ("fit", "Give read_fluxnet the site table: sites=...", "Give xnee towers the site table: --sites ..."),
        ("report", "with to_product(..., regions=...) and ask", "with xnee predict --regions ... and ask"),
        ("report", "the folder that model.save() wrote", "the folder that xnee fit wrote"),
        ("evaluate", "use predict() for others; xnee.fit.", "use xnee predict for others; xnee fit."),
        ("predict", "what cube.nee.predict(model) gives", "what xnee predict gives"),
        (
            "predict",
            "levels must be 0 to 1, such as [0.05, 0.5]; got [5.0]",
            "--quantiles must be 0 to 1, such as 0.05 0.5; got [5.0]",
        ),
        ("fit", "drivers must be names", "--drivers must be names"),
        ("geotiff", "give overwrite=False", "give --no-overwrite"),
    ],
)
def test_ways_out_are_words_that_can_be_typed(command, said, typed):
    assert in_shell_words(said, COMMANDS[command], COMMANDS) == typed


@pytest.mark.parametrize(
    "said",
    [
        "the model was fitted with test_fraction=0",  # no option of report
        "pairs are given as name=value, e.g. ndvi=NDVI",
        "/data/out=x/by=y.nc does not exist",
        "'out=here' is no name",
        "report and plot what the search found, e.g. with xnee.open_flux or xnee.pft.Legend(codes=...)",
        "a cube (time, lat, lon) needs pft_fraction",
    ],
)
def test_other_words_stay(said):
    assert in_shell_words(said, COMMANDS["report"], COMMANDS) == said
