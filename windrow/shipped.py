"""Finds what is shipped beside the packages: recipes and examples, in a checkout or inside an installed wheel.

Rules: a checkout's own folder wins, so that editing a recipe takes effect at once.

Does not: read them. Usage: `shipped_folder("datasets")`.
"""

from __future__ import annotations

from pathlib import Path

from windrow_protocol.errors import WindrowError

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """Return the folder of `datasets` or `examples`. Raises WindrowError `not_found`."""
    for folder in (_PACKAGE.parent / name, _PACKAGE / "shipped" / name):
        if folder.is_dir() and (name != "datasets" or (folder / "web_text").is_dir()):
            return folder
    raise WindrowError("not_found", f"the folder `{name}` that comes with Windrow")
