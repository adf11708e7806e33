"""From the lake to an immutable export version: recipe, rows, checks, card, Croissant, manifest."""

from aggregator.publish.export import Export, export_folder, publish
from aggregator.publish.recipe import Recipe, load_recipe, recipe_names

__all__ = ["Export", "Recipe", "export_folder", "load_recipe", "publish", "recipe_names"]
