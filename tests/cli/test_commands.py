import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.cli import main
from xnee.cli.files import open_file, write_figure, write_file
from xnee.products.store import open_product

KIND = r"holds towers \(site, time\); predict needs a cube \(time, lat, lon\), made by xnee cube\."


def run(*words):
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code
    return 0


@pytest.fixture
def road(towers, cube, fitted, tmp_path):
    """Files as the first commands leave them."""
    write_file(towers(sites=10), tmp_path / "sites.nc")
    write_file(cube(months=36), tmp_path / "cube.zarr")
    fitted.save(tmp_path / "model")
    return tmp_path


def test_what_is_written_is_what_is_read(cube, tmp_path):
    ds = cube()
    for name in ("cube.zarr", "cube.nc"):
        write_file(ds, tmp_path / name)
        back = open_file(tmp_path / name).load()
        xr.testing.assert_equal(back.drop_vars("pft"), ds.drop_vars("pft"))
        assert [str(p) for p in back["pft"].values] == ds["pft"].values.tolist()
        assert back["TEMP"].attrs == ds["TEMP"].attrs


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ((), "climatology-cube"),
        (("--help",), "climatology-cube"),
        (("predict", "--help"), "--calibration"),
        (("--version",), "."),
    ],
)
def test_help_is_given(capsys, words, shown):
    assert run(*words) == 0
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("words", [("predikt",), ("fit",), ("fit", "sites.nc", "--out", "x", "--strategy", "best")])
def test_words_that_are_not_known_are_refused(capsys, words):
    assert run(*words) != 0
    assert capsys.readouterr().err


def test_from_cube_to_report(road, capsys):
    assert run("predict", road / "cube.zarr", road / "model", "--out", road / "nee.nc") == 0
    assert run("report", road / "nee.nc", "--out", road / "report") == 0
    text = capsys.readouterr().out
    assert "Tg C yr-1" in text
    assert all(f"wrote {road / name}\n" in text for name in ("nee.nc", "report/budget.csv", "report/map.png"))
    assert {"map.png", "budget.csv"} == {p.name for p in (road / "report").iterdir()}
    table = pd.read_csv(road / "report" / "budget.csv")
    assert "NEE_total (Tg C yr-1)" in table.columns
    assert not [name for name in table.columns if "forest" in name]
    assert np.isfinite(open_product(road / "nee.nc")["NEE"]).any()
    (road / "report" / "budget.csv").write_text("mine")
    assert run("report", road / "nee.nc", "--out", road / "report") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "exists already. Choose another name, or give --overwrite." in shown.err
    assert (road / "report" / "budget.csv").read_text() == "mine"
    assert run("report", road / "nee.nc", "--out", road / "report", "--overwrite", "--by", "pft,year") == 0
    assert (road / "report" / "budget.csv").read_text() != "mine"
    assert run("report", road / "nee.nc", "--out", road / "none", "--by", "years") == 2
    assert not (road / "none").exists()


def test_fit_takes_several_drivers(road, capsys):
    words = (
        "fit",
        road / "sites.nc",
        "--out",
        road / "two",
        "--drivers",
        "TEMP",
        "PRE",
        "--members",
        "1",
        "--lags",
        "1",
    )
    assert run(*words) == 0
    shown = capsys.readouterr()
    assert "drivers: TEMP, PRE" in shown.out
    assert shown.out.endswith(f"wrote {road / 'two'}\n")
    assert "train: 100%" in shown.err
    assert (road / "two" / "model.json").exists()


def test_fit_replaces_a_model_only_when_told_and_only_by_a_whole_one(road, capsys):
    words = ("fit", road / "sites.nc", "--out", road / "model", "--members", "1", "--lags", "1", "--strategy", "pooled")
    before = (road / "model" / "model.json").read_text()
    assert run(*words) == 2
    assert "model exists already. Choose another name, or give --overwrite." in capsys.readouterr().err
    assert run(*words, "--overwrite", "--drivers", "P") == 2
    assert (road / "model" / "model.json").read_text() == before
    assert run(*words, "--overwrite") == 0
    assert "lags 0-1 months" in capsys.readouterr().out
    assert (road / "model" / "model.json").read_text() != before
    assert sorted(p.name for p in road.iterdir()) == ["cube.zarr", "model", "sites.nc"]
    assert run(*words[:3], road / "cube.zarr", "--overwrite") == 2  # a store is no model
    assert "something else than what would be written" in capsys.readouterr().err


def test_fit_takes_what_a_search_chose(road, capsys):
    words = (
        "--drivers",
        "TEMP",
        "--lags",
        "1",
        "--folds",
        "2",
        "--sample",
        "4",
        "--method",
        "halving",
        "--workers",
        "1",
    )
    assert run("search", road / "sites.nc", "--out", road / "search", *words) == 0
    text = capsys.readouterr().out
    assert "smallest network within one standard error" in text
    assert f"wrote {road / 'search'}\n" in text
    settings = ("--search", road / "search", "--members", "1")
    assert run("fit", road / "sites.nc", "--out", road / "searched", *settings) == 0
    text = capsys.readouterr().out
    assert "<NEEModel searched" in text
    assert "drivers: TEMP\n" in text


def test_evaluate_takes_schemes_and_baselines(road, capsys):
    words = ("--schemes", "temporal,group-k-fold", "--groups", "pft", "--folds", "2")
    trees = "random forest, context"  # the comma is of its name
    assert (
        run("evaluate", road / "sites.nc", road / "model", *words, "--baselines", trees, "--out", road / "skill.nc")
        == 0
    )
    text = capsys.readouterr().out
    assert f"wrote {road / 'skill.nc'}\n" in text
    assert "group-k-fold: 2 folds" in text
    assert trees in text
    assert (
        run("evaluate", road / "sites.nc", road / "model", "--schemes", "temporal", "--alone", "--baselines", "x") == 2
    )
    assert "leave-site-out" not in capsys.readouterr().err  # one kind of scheme will do


def test_intervals_quantiles_and_applicability_stand_in_the_product(road, capsys):
    words = ("calibrate", road / "sites.nc", road / "model", "--out", road / "sure.nc", "--folds", "2")
    assert run(*words, "--level", "0.8") == 0
    text = capsys.readouterr().out
    assert "Intervals of 80% at sites left out (leave-site-out, 2 folds)" in text
    assert "too few sites for a factor of their own" in text
    assert f"wrote {road / 'sure.nc'}\n" in text
    assert run(*words, "--level", "0.9", "--overwrite") == 0  # ten sites are just enough
    more = ("--calibration", road / "sure.nc", "--quantiles", "0.05", "0.95", "--applicability", road / "sites.nc")
    assert run("predict", road / "cube.zarr", road / "model", "--out", road / "nee.nc", *more) == 0
    product = open_product(road / "nee.nc")
    assert {"NEE_low", "NEE_high", "NEE_quantile", "AOA", "DI"} <= set(product)
    assert product["quantile"].to_numpy().tolist() == [0.05, 0.95]
    there = product["NEE"].notnull()
    assert bool(((product["NEE_low"] < product["NEE"]) == there).all())
    assert bool((product["AOA"].notnull() == there).all())
    words = ("--out", road / "report", "--calibration", road / "sure.nc")
    assert run("report", road / "nee.nc", *words) == 0
    assert "90 %: interval of the true total" in capsys.readouterr().out
    assert "NEE_total_low (Tg C yr-1)" in (road / "report" / "budget.csv").read_text()


def test_the_synthetic_world_is_written_as_files(tmp_path, capsys):
    world = tmp_path / "world"
    assert run("synthetic", "--out", world) == 0
    assert "11 towers, 561 months of NEE" in capsys.readouterr().out
    first = open_file(world / "towers.zarr").load()
    assert run("synthetic", "--out", world, "--seed", "1") == 2
    assert "towers.zarr exists already. Choose another name, or give --overwrite." in capsys.readouterr().err
    assert run("synthetic", "--out", world, "--seed", "1", "--overwrite") == 0
    assert not open_file(world / "towers.zarr").load()["TEMP"].equals(first["TEMP"])


@pytest.mark.slow
def test_the_synthetic_world_can_be_worked_on(tmp_path, capsys):
    assert run("synthetic", "--out", tmp_path) == 0
    quick = ("--drivers", "TEMP", "--lags", "5", "--members", "1", "--strategy", "pooled")
    assert run("fit", tmp_path / "towers.zarr", "--out", tmp_path / "model", *quick) == 0
    assert run("predict", tmp_path / "cube.zarr", tmp_path / "model", "--out", tmp_path / "nee.nc") == 0
    assert run("compare", tmp_path / "nee.nc", "--other", f"truth={tmp_path / 'truth.zarr'}") == 0
    assert "truth" in capsys.readouterr().out


def test_applicability_writes_the_map_and_prints_the_share(road, capsys):
    target = road / "where.nc"
    assert run("applicability", road / "cube.zarr", road / "sites.nc", road / "model", "--out", target) == 0
    assert {"DI", "AOA"} <= set(open_file(target).data_vars)
    text = capsys.readouterr().out
    assert "outside" in text
    assert text.endswith(f"wrote {target}\n")


def test_compare_prints_totals(road, capsys):
    assert run("predict", road / "cube.zarr", road / "model", "--out", road / "nee.nc") == 0
    other = open_product(road / "nee.nc")[["NEE", "forest_fraction"]].load()
    write_file(other, road / "other.nc")
    words = ("--other", f"twin={road / 'other.nc'}", "--min-forest", "0.1", "--out", road / "compared.nc")
    assert run("compare", road / "nee.nc", *words) == 0
    text = capsys.readouterr().out
    assert "twin" in text
    assert text.endswith(f"wrote {road / 'compared.nc'}\n")
    assert abs(open_file(road / "compared.nc")["bias"]).max() < 1e-3


def test_explain_writes_months_of_the_past(road, capsys):
    words = ("explain", road / "sites.nc", road / "model", "--out", road / "lags.nc", "--samples", "1", "--lags")
    assert run(*words, "--background", "4") == 0
    assert "months before the target" in capsys.readouterr().out


def test_plot_draws_a_product_and_towers(road):
    assert run("predict", road / "cube.zarr", road / "model", "--out", road / "nee.nc") == 0
    assert run("plot", road / "nee.nc", "--out", road / "map.png") == 0
    assert run("plot", road / "sites.nc", "--model", road / "model", "--out", road / "towers.pdf") == 0
    assert (road / "map.png").stat().st_size > 10_000


def test_exports_for_other_tools(road, capsys):
    assert run("predict", road / "cube.zarr", road / "model", "--out", road / "nee.nc") == 0
    assert "tile" in capsys.readouterr().out  # the plan, before work
    assert run("export", road / "nee.nc", "--out", road / "ilamb.nc") == 0
    assert run("geotiff", road / "nee.nc", "--out", road / "nee.tif", "--statistic", "months") == 0
    assert "nee" in open_file(road / "ilamb.nc")
    assert (road / "nee.tif").exists()
    assert run("report", road / "nee.nc", "--out", road / "report", "--by", "year", "season") == 0
    assert "JJA" in capsys.readouterr().out


def test_explain_writes_values_and_figure(road, capsys):
    words = ("explain", road / "sites.nc", road / "model", "--out", road / "why.nc", "--samples", "1")
    assert run(*words, "--background", "4") == 0
    assert (road / "why.png").exists()
    text = capsys.readouterr().out
    assert "rows sum to 100" in text
    assert text.endswith(f"wrote {road / 'why.nc'}\nwrote {road / 'why.png'}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("predict", "{cube}", "no-model", "--out", "x.nc"), "no-model has none. Give the folder that xnee fit wrote"),
        (("predict", "no.zarr", "{model}", "--out", "x.nc"), "no.zarr does not exist"),
        (("predict", "{cube}", "{model}", "--out", "x.tif"), "ends in .nc or .zarr, or is a folder with --split year"),
        (("fit", "{sites}", "--out", "{model}"), "exists already"),
        (("fit", "{sites}", "--out", "{here}/new", "--drivers", "P"), "'P' is refused"),
        (("fit", "{sites}", "--out", "{here}/no/new"), "not an existing, writable folder"),
        (("fit", "{here}/damaged.nc", "--out", "{here}/new"), "cannot be read as nc"),
        (("towers", "{here}/*.csv", "--out", "{here}/new.nc"), r"\*\.csv"),
        (("evaluate", "{sites}", "{model}", "--out", "{here}/scores.csv"), "scores.csv must end in .nc"),
        (("explain", "{sites}", "{model}", "--out", "{here}/why.zarr"), "why.zarr must end in .nc"),
        (("towers", "x.csv", "--out", "{here}/new.nc", "--columns", "ndvi"), "name=value, e.g. ndvi=NDVI"),
        (
            ("compare", "{here}/no.nc", "--other", "x", "--out", "{here}/c.nc"),
            "name=value, e.g. X-BASE=xbase.nc, several",
        ),
        (("fit", "{sites}", "--out", "{here}/new", "--search", "s", "--drivers", "TEMP"), "--search or --drivers"),
        (("fit", "{sites}", "--out", "{here}/new", "--search", "{here}/none"), "none"),
        (("fit", "{sites}", "--out", "{here}/new", "--device", "gpu"), "device must be 'cpu'"),
        (("report", "{here}/no.nc", "--out", "{here}/r"), "there is no product"),
        (("demo", "--out", "{here}"), "not empty and no earlier demo made it"),
        (("predict", "{sites}", "{model}", "--out", "x.nc"), KIND),
        (
            ("predict", "{model}", "{cube}", "--out", "x.nc"),
            "model is the folder of a model; .*: the order is CUBE MODEL",
        ),
        (("predict", "{cube}", "{cube}", "--out", "x.nc"), "holds a cube .*; predict needs a model, made by xnee fit"),
        (("evaluate", "{model}", "{sites}"), "needs towers .*, made by xnee towers: the order is SITES MODEL"),
        (("applicability", "{sites}", "{cube}", "{model}", "--out", "x.nc"), "the order is CUBE SITES MODEL"),
        (("report", "{cube}", "--out", "{here}/r"), "holds a cube .*; report needs a product, made by xnee predict"),
        (("fit", "{here}/table.csv", "--out", "{here}/new"), "table.csv is no .nc or .zarr; fit needs towers"),
        (("fit", "{sites}", "--out", "{here}/new", "--search", "{model}"), "needs a search for --search"),
        (("predict", "{cube}", "{model}", "--out", "x", "--calibration", "{sites}"), "needs a calibration for --calib"),
        (("predict", "{cube}", "{model}", "--out", "{cube}", "--overwrite"), "would be read and written at once"),
        (("predict", "{cube}", "{model}", "--out", "x.nc", "--cover", "by-year"), "--cover by-year needs pft_fraction"),
        (("evaluate", "{sites}", "{model}", "--schemes", "temporal"), "--alone if one kind is really what you want"),
        (("calibrate", "{sites}", "{model}", "--out", "{here}/s.zarr"), "s.zarr must end in .nc"),
        (
            ("predict", "{cube}", "{model}", "--out", "x.nc", "--quantiles", "5", "95"),
            "--quantiles must .* 0.05 0.5 0.95;",
        ),
        (
            ("predict", "{cube}", "{model}", "--out", "x.nc", "--quantiles", "0.05,x"),
            "Invalid value for --quantiles: .*'x'",
        ),
        (
            ("predict", "{cube}", "{model}", "--out", "x.nc", "--calibration", "{here}/sure.nc"),
            "of other networks than",
        ),
        (("predict", "{cube}", "{model}", "--out", "x.nc", "--regions", "{here}/no.json"), "no such file"),
        (("predict", "{cube}", "{model}", "--out", "x.nc", "--cores", "8"), "add --cluster slurm or --cluster pbs"),
        (("predict", "{cube}", "{model}", "--out", "x.nc", "--cluster", "pbs"), "with qsub, which is not found here"),
        (("fit", "{sites}", "--out", "{here}/new", "--drivers", "TEMP,PRES"), "--drivers must .*Did you mean PRE?"),
        (
            ("fit", "{sites}", "--out", "{here}/new", "--driver", "PRE"),
            r"Did you mean --drivers\? See xnee fit --help\.",
        ),
        (("fit", "{sites}"), "--out is missing.* It is typed xnee fit SITES --out OUT, then the other options"),
        (("predict", "{cube}", "--out", "x.nc"), "MODEL is missing.* It is typed xnee predict CUBE MODEL --out OUT"),
        (("fit", "{sites}", "{model}", "--out", "x"), "model' is more than xnee fit takes. It is typed xnee fit SITES"),
        (
            ("compare", "x.nc", "--other", "a=b", "--period", "2001-01,2001-12"),
            "requires 2 values, separated by spaces",
        ),
        (("predikt",), 'Unknown command "predikt". Did you mean "predict"?'),
        (
            ("report", "{here}/no.nc", "--out", "{here}/table.csv"),
            "table.csv is a file, and .*table.csv is to be a folder",
        ),
        (("demo", "--out", "{here}/table.csv"), "is a file, and"),
        (("synthetic", "--out", "{here}/table.csv/world"), "is a file, and"),
        (("plot", "{sites}", "--out", "{here}/x.png"), "give the model that was fitted on them: xnee plot --model"),
    ],
)
def test_a_refusal_is_one_line_and_no_traceback(road, capsys, words, message):
    (road / "damaged.nc").write_bytes(b"not a file of any kind")
    (road / "table.csv").write_text("site_id,timestamp\n")
    factors = xr.Dataset({name: ("pft", np.ones(6)) for name in ("factor", "residual")})
    pfts = ["DBF", "DNF", "ENF", "EBF", "MF", "all"]
    write_file(factors.assign_coords(pft=pfts).assign_attrs(level=0.9, lags=11), road / "sure.nc")
    places = {"model": road / "model", "cube": road / "cube.zarr", "sites": road / "sites.nc", "here": road}
    before = sorted(p.name for p in road.iterdir())
    assert run(*(word.format(**places) for word in words)) == 2
    shown = capsys.readouterr()
    error = shown.err.strip()
    assert shown.out == "", "refused before any work"
    assert re.search(message, error)
    assert error.count("\n") == 0
    assert error.startswith("xnee: ")
    assert "Traceback" not in error
    assert sorted(p.name for p in road.iterdir()) == before


def test_a_module_is_the_command():
    def shown(*words):
        return subprocess.run(words, capture_output=True, text=True, check=False)

    whole = shown(sys.executable, "-m", "xnee", "--help")
    assert whole.returncode == 0
    assert whole.stdout == shown(Path(sys.executable).with_name("xnee"), "--help").stdout
    wrong = shown(sys.executable, "-m", "xnee", "report", "no.nc", "--out", "x")
    assert (wrong.returncode, wrong.stderr) == (2, "xnee: there is no product no.nc.\n")


TWICE = """
import logging
from xnee.cli.app import app, main

@app.command
def twice():
    for cells in (7, 7, 8):
        logging.getLogger("xnee.prediction").warning("TEMP has no value in %d cells", cells)

main(["twice"])
"""


def test_a_message_is_told_once_in_a_run():
    shown = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=True).stderr
    assert shown.splitlines() == [f"xnee.prediction: TEMP has no value in {cells} cells" for cells in (7, 8)]


def test_no_half_of_a_figure_gets_the_name(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def full(_figure, path, **_options):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    write_figure(Figure(), tmp_path / "map.png")
    before = (tmp_path / "map.png").read_bytes()
    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="No space left"):
        write_figure(Figure(), tmp_path / "map.png")
    assert [p.name for p in tmp_path.iterdir()] == ["map.png"]
    assert (tmp_path / "map.png").read_bytes() == before


@pytest.mark.slow
def test_the_demo_recovers_its_world(tmp_path, capsys):
    assert run("demo", "--out", tmp_path / "demo") == 0
    text = capsys.readouterr().out
    r2 = float(text.split("Map against the true map: R2 ")[1].split(",")[0])
    assert r2 >= 0.8
    assert run("demo", "--out", tmp_path / "demo") == 0  # a second demo replaces the first
