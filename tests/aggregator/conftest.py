"""What several files of this room begin with."""

from __future__ import annotations

from pathlib import Path

import pytest
from people_world import given_home


@pytest.fixture(scope="session")
def people_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which six people gave a month of history; tests work on copies."""
    return given_home(tmp_path_factory.mktemp("people") / "house")
