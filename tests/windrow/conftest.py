"""One running house and one built demo site for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_site_size import SITE_DOCUMENTS, SITE_MODULES
from running_house import RunningHouse, running_house

from windrow.demo_site import SiteManifest
from windrow.demo_site.build import build_site


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    """A real `windrow up` with its devnet."""
    with running_house(tmp_path_factory.mktemp("running")) as running:
        yield running


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SiteManifest]:
    """A small demo site, built once."""
    root = tmp_path_factory.mktemp("site")
    steps: list[tuple[int, int]] = []
    manifest = build_site(
        root,
        modules_max=SITE_MODULES,
        documents_max=SITE_DOCUMENTS,
        progress=lambda *step: steps.append(step),
    )
    assert steps == [
        (done, SITE_MODULES + SITE_DOCUMENTS) for done in range(1, SITE_MODULES + SITE_DOCUMENTS + 1)
    ]
    return root, manifest
