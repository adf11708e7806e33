"""Changes `node.toml`, keeping what its owner wrote there by hand.

Rules: checked as a whole before it is written, and written whole; comments and order stay. A running node takes over
changes to its budget by itself (`owner_watch`).

Does not: read the environment or flags. Usage: `change_settings(home, {"day_mb_max": 500})`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contributor_node.identity import write_whole
from contributor_node.owner.settings import SETTINGS_FILE, check_settings, read_toml
from windrow_protocol.errors import WindrowError


def change_settings(home: Path, changes: Mapping[str, Any]) -> Path:
    """Set some settings in the file; None removes one. Returns its path.

    Raises WindrowError `bad_config`, after which the file is as it was, or `home_unwritable`.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = home / SETTINGS_FILE
    read_toml(path)  # refuses, in our words, what nobody could read
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    except (OSError, TOMLKitError) as error:
        raise WindrowError("bad_config", f"{path}: {error}") from error
    for name, value in changes.items():
        if value is None:
            document.pop(name, None)
        else:
            document[name] = value
    check_settings([(str(path), document.unwrap())])
    write_whole(path, tomlkit.dumps(document).encode())
    return path
