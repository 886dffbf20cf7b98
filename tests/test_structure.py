"""The shape of the package: who may import whom, what is public, how large things grow."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest
from numpydoc.validate import validate

import xnee
from xnee.accessor import NEEAccessor
from xnee.variables import VARIABLES

PACKAGE = Path(xnee.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(PACKAGE.rglob("*.py"))

# The road, top to bottom. A new arrow is a decision: it is taken here and in docs/contributing.md.
MAY_IMPORT = {
    "variables": "",
    "pft": "",
    "grid": "",
    "unfinished": "",
    "bars": "",
    "scores": "variables pft",
    "features": "variables",
    "regions": "grid",
    "suspicion": "variables",
    "sources": "variables pft grid features regions",
    "cube": "variables pft grid unfinished features regions suspicion sources bars",
    "checking": "variables",
    "context": "variables checking",
    "windowing": "variables checking context",
    "census": "variables checking windowing",
    "outliers": "variables checking windowing",
    "models": "variables pft scores suspicion context windowing bars",
    "prediction": "variables pft checking context windowing",
    "cluster": "",
    "products": "variables pft grid unfinished regions bars",
    "comparison": "variables checking grid products",
    "evaluation": "variables pft scores windowing models products",
    "explanation": "variables pft windowing context models prediction",
    "applicability": "variables pft grid windowing context models prediction products explanation",
    "plotting": "variables pft grid scores models products",
    "accessor": "",
    "cli": "grid unfinished scores sources census cluster products evaluation xnee",
    "__main__": "cli",
}
# What a room may name in annotations only, or import inside a function when that is called: the faces are thin.
MAY_IMPORT_LATE = {
    "accessor": "cube context windowing census outliers models prediction products comparison evaluation "
    "explanation applicability plotting grid",
}
METHODS = sorted(name for name in dir(NEEAccessor) if not name.startswith("_"))


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return "xnee" if first == "__init__.py" else first.removesuffix(".py")


def is_room(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def imports(tree: ast.AST, *, late: bool = False) -> Iterator[tuple[str, bool]]:
    """Give each dotted name that is imported, and whether only for types or inside a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full, from xnee.room import name"
            yield from ((f"{node.module}.{alias.name}", late) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imports(node, late=True)
        else:
            yield from imports(node, late=late or isinstance(node, ast.FunctionDef))


def rooms_imported_by(room: str) -> dict[bool, set[str]]:
    found: dict[bool, set[str]] = {False: set(), True: set()}
    for path in FILES:
        if room_of(path) != room:
            continue
        for name, late in imports(ast.parse(path.read_text())):
            first, *rest = name.split(".")
            if first == "xnee":
                found[late].add(rest[0] if rest and is_room(rest[0]) else "xnee")
    return {late: rooms - {room} for late, rooms in found.items()}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room):
    found = rooms_imported_by(room)
    always, late = set(MAY_IMPORT[room].split()), set(MAY_IMPORT_LATE.get(room, "").split())
    assert found[False] <= always
    assert found[True] <= always | late


def test_the_table_is_a_road_without_circles():
    order = list(MAY_IMPORT)
    for room, allowed in MAY_IMPORT.items():
        above = {*allowed.split(), *MAY_IMPORT_LATE.get(room, "").split()} - {"xnee"}
        assert all(order.index(other) < order.index(room) for other in above), room


def test_every_room_has_a_line_in_the_table():
    assert {room_of(path) for path in FILES} - {"xnee"} == set(MAY_IMPORT)


def test_no_room_is_a_drawer_for_leftovers():
    names = {part.removesuffix(".py") for path in FILES for part in path.relative_to(PACKAGE).parts}
    assert not names & {"util", "utils", "helper", "helpers", "common", "misc", "tools"}


def test_no_file_beside_the_public_list_takes_a_public_name():
    # xnee/predict.py next to xnee.predict: the first use gives the function, the second the module.
    assert not {room_of(path) for path in FILES} & set(xnee.__all__)


def test_import_stays_light():
    code = "import json, sys, xnee, xarray; xarray.Dataset().nee; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(run.stdout)}
    assert "xnee" in loaded
    assert not loaded & {"torch", "shap", "matplotlib", "sklearn", "scipy", "dask", "distributed", "rasterio"}


def test_public_list_is_the_api_page():
    page = re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "api.md").read_text(), flags=re.MULTILINE)
    assert sorted(page) == sorted(name for name in xnee.__all__ if name != "__version__")


def test_api_page_shows_every_method_of_the_accessor():
    page = re.findall(r"`ds\.nee\.(\w+)", (ROOT / "docs" / "api.md").read_text())
    assert sorted(page) == METHODS


@pytest.mark.parametrize("name", xnee.__all__)
def test_public_names_are_there_each_time(name):
    assert getattr(xnee, name) is getattr(xnee, name)
    assert not inspect.ismodule(getattr(xnee, name))
    assert name in dir(xnee)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'xnee' has no attribute 'predcit'"):
        xnee.predcit  # noqa: B018


def test_type_checkers_see_the_public_list():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    seen = {name.rpartition(".")[2]: name.rpartition(".")[0] for name, late in imports(tree) if late}
    assert seen == xnee._HOME


def test_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert xnee.__version__ == project["version"]


def test_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("name", METHODS)
def test_accessor_repeats_the_function(name):
    face, function = inspect.signature(getattr(NEEAccessor, name)), inspect.signature(getattr(xnee, name))
    assert list(face.parameters.values())[1:] == list(function.parameters.values())[1:]
    assert face.return_annotation == function.return_annotation


@pytest.mark.parametrize("name", METHODS)
def test_accessor_methods_are_thin(name):
    body = ast.parse(dedent(inspect.getsource(getattr(NEEAccessor, name)))).body[0].body
    assert [type(statement) for statement in body] == [ast.Expr, ast.ImportFrom, ast.Return]


def functions(path: Path) -> Iterator[str]:
    """Dotted names of the functions that other files may use."""
    module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for name, member in list(vars(import_module(module)).items()):
        if inspect.isfunction(member) and member.__module__ == module and not name.startswith("_"):
            yield f"{module}.{name}"


COMPLETE = {"GL07", "GL08", "SS01", "SS02", "SS03", "SS05", "PR01", "PR02", "PR03", "PR07", "RT01", "RT03", "YD01"}


def incomplete(name: str) -> list[str]:
    # The command line finds the help of *files in the docstring under files, where numpydoc wants the star.
    errors = [(code, text.replace("*", "")) for code, text in validate(name)["errors"] if code in COMPLETE]
    twice = {code: set(re.findall(r"'(\w+)'", text)) for code, text in errors if code in {"PR01", "PR02"}}
    starred = len(twice) == 2 and twice["PR01"] == twice["PR02"]
    return [f"{code} {text}" for code, text in errors if not (starred and code in twice)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_docstrings_are_complete(path):
    wrong = {name: incomplete(name) for name in functions(path)}
    assert not {name: errors for name, errors in wrong.items() if errors}


@pytest.mark.parametrize("name", [name for name in xnee.__all__ if name.islower()])
def test_public_functions_show_an_example(name):
    if not inspect.isfunction(getattr(xnee, name)):
        return
    where = f"{getattr(xnee, name).__module__}.{name}"
    assert "EX01" not in {code for code, _ in validate(where)["errors"]}, f"{where} has no Examples section"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert node.end_lineno - first.lineno + 1 <= 60, f"{node.name} is longer than a page"


def test_conventions_page_has_the_table_of_the_code():
    page = (ROOT / "docs" / "conventions.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    told = [row for row in rows if row[0] in VARIABLES]
    held = [[v.name, v.long_name, v.units, f"{v.low:g}", f"{v.high:g}", v.cell_method] for v in VARIABLES.values()]
    assert told == held
