"""Cubes: built from files by a recipe, checked, and sampled at towers."""

from xnee.cube.build import build_cube
from xnee.cube.provenance import provenance_table
from xnee.cube.recipe import DriverRecipe, LandCoverRecipe, Recipe, Source
from xnee.cube.recipe_file import read_recipe

__all__ = [
    "DriverRecipe",
    "LandCoverRecipe",
    "Recipe",
    "Source",
    "build_cube",
    "provenance_table",
    "read_recipe",
]
