"""The main job on the embedded synthetic world, whose true map is known."""

from __future__ import annotations

import shutil
from pathlib import Path
from time import perf_counter

import xarray as xr

import xnee
from xnee.cli.files import beside, check_folder_free, write_figure, write_file
from xnee.cli.printing import print_budget, print_contribution, print_written
from xnee.evaluation.skill import skill_table
from xnee.grid import cell_area
from xnee.products.budget import budget
from xnee.scores import Tally
from xnee.sources.synthetic import synthetic_cube, synthetic_towers, true_nee

__all__ = ["run_demo", "synthetic_world"]


def synthetic_world(out: Path, *, seed: int, overwrite: bool) -> dict[Path, str]:
    """Write the world that the demo runs on.

    Parameters
    ----------
    out
        Folder; made if it is not there.
    seed
        Which weather and noise.
    overwrite
        Whether files that are there are replaced.

    Returns
    -------
    dict
        What each file holds, by path.

    Raises
    ------
    FileExistsError
        If one is there and not to be replaced.
    """
    paths = [out / f"{name}.zarr" for name in ("towers", "cube", "truth")]
    check_folder_free(out, [path.name for path in paths], overwrite=overwrite)
    out.mkdir(parents=True, exist_ok=True)
    sites, world = synthetic_towers(seed=seed), synthetic_cube(seed=seed)
    truth = true_nee(world).to_dataset(name="NEE").assign(forest_fraction=world["pft_fraction"].sum("pft"))
    for path, ds in zip(paths, (sites, world, truth), strict=True):
        write_file(ds, path)
    months = f"{sites.sizes['site']} towers, {int(sites['NEE'].notnull().sum())} months of NEE"
    return dict(zip(paths, (months, f"cube {dict(world.sizes)}", "the NEE that a perfect model maps"), strict=True))


def run_demo(out: Path, *, seed: int) -> None:
    """Fit, evaluate, map, add up and explain; print it all and leave the files in a folder.

    Parameters
    ----------
    out
        Folder for everything that is made; what an earlier demo left there is replaced.
    seed
        Which weather, noise and networks.

    Raises
    ------
    FileExistsError
        If the folder holds something that no demo made.
    """
    start = perf_counter()
    _clear_demo(out)
    sites, world = synthetic_towers(seed=seed), synthetic_cube(seed=seed)
    print(f"Synthetic world: {sites.sizes['site']} towers, cube {dict(world.sizes)}\n")
    model = xnee.fit(sites, seed=seed, progress=True)
    with beside(out / "model") as unfinished:
        model.save(unfinished)
    print(model, "\n")
    scores = xnee.evaluate(
        sites,
        model,
        folds=5,
        baselines=["PFT seasonal cycle", "site seasonal cycle", "random forest"],
        progress=True,
    )
    write_file(scores, out / "skill.nc")
    print(skill_table(scores), "\n")
    xnee.to_product(xnee.predict(world, model), out / "NEE_synthetic.nc")
    product = xnee.open_product(out / "NEE_synthetic.nc")
    write_figure(xnee.plot(product), out / "map.png")
    print_budget(product)
    _compare_with_truth(product, world)
    why = xnee.explain(sites, model, samples=4, background=25, method="permutation", permutations=300)
    write_file(why, out / "explanation.nc")
    write_figure(xnee.plot(why), out / "contribution.png")
    print_contribution(why)
    files = ", ".join(name for name in _DEMO_FILES if (out / name).exists() and name != _MARK)
    print(f"\n{perf_counter() - start:.0f} s")
    print_written(out, files)


_MARK = ".xnee-demo"
_DEMO_FILES = ("model", "skill.nc", "NEE_synthetic.nc", "map.png", "explanation.nc", "contribution.png", _MARK)


def _clear_demo(out: Path) -> None:
    """Make the demo's folder; take away only what an earlier demo, known by its mark, made in it."""
    check_folder_free(out, ())
    if out.exists() and any(out.iterdir()) and not (out / _MARK).exists():
        msg = f"{out} is not empty and no earlier demo made it. Choose another folder with --out."
        raise FileExistsError(msg)
    for name in _DEMO_FILES:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).touch()


def _compare_with_truth(product: xr.Dataset, world: xr.Dataset) -> None:
    truth = true_nee(world)
    predicted = product["NEE"].transpose(*truth.dims)
    both = (truth.notnull() & predicted.notnull()).to_numpy()
    tally = Tally.of(truth.to_numpy()[both], predicted.to_numpy()[both])
    print(
        f"Map against the true map: R2 {tally.r2:.2f}, RMSE {tally.rmse:.1f} g C m-2 month-1, {tally.count} cell-months"
    )
    area = product["forest_fraction"] * cell_area(product["lat"], product["lon"])
    year = int(budget(product)["year"][-1])
    true_total = float((truth.sel(time=str(year)).sum("time") * area).sum()) * 1e-12
    print(f"True total of {year}: {true_total:.1f} Tg C yr-1\n")
