"""Exports made on the spot for tests: archives with hostile names and sizes, and the reading of a whole export."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

from extension_bridge.importers.items import ImportedItem, ImportReport
from extension_bridge.importers.registry import importer_named


def zipped(path: Path, files: dict[str, bytes], *, modes: dict[str, int] | None = None) -> Path:
    """Write a ZIP archive of these files; `modes` gives Unix modes, as for a link."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return path


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """Return a ZIP archive of these files."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return held.getvalue()


def read_all(path: Path, source: str) -> tuple[list[ImportedItem], ImportReport]:
    """Return all items of an export and the report at the end."""
    with importer_named(source).reads(path) as reading:
        items = list(reading)
        return items, reading.report
