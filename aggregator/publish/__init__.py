"""From the lake to an immutable export version: recipe, rows, checks, card, Croissant, manifest."""

from aggregator.publish.export import Export, publish
from aggregator.publish.recipe import Recipe, load_recipe, recipe_names

__all__ = ["Export", "Recipe", "load_recipe", "publish", "recipe_names"]
