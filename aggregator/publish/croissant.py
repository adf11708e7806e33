"""The export described as Croissant 1.1, so that loaders and search engines can read it without us.

Rules: `encodingFormat` is `application/x-parquet` (anything else validates and then fails to load); every shard stands
with its size and SHA-256; the file set names them by pattern, relative to this file.

Does not: write files, or need mlcroissant (the tests do). Usage: `document = describe_export(recipe, ...)`.

Source: MLCommons, Croissant format specification 1.1.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from aggregator.publish.recipe import Recipe
from windrow_protocol.exports import ManifestFile

PARQUET: Final = "application/x-parquet"
_TYPES: Final = {
    "string": "sc:Text",
    "int32": "sc:Integer",
    "int64": "sc:Integer",
    "float64": "sc:Float",
    "bool": "sc:Boolean",
    "timestamp_ms": "sc:DateTime",
    "list<string>": "sc:Text",
}
_CR_TERMS: Final = (
    *(
        "arrayShape",
        "citeAs",
        "column",
        "containedIn",
        "equivalentProperty",
        "extract",
        "field",
        "fileObject",
    ),
    *("fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
    *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)


def _context() -> dict[str, Any]:
    terms: dict[str, Any] = {name: f"cr:{name}" for name in _CR_TERMS}
    terms |= {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "dct": "http://purl.org/dc/terms/",
        "description": {"@container": "@language"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "name": {"@container": "@language"},
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
    }
    return dict(sorted(terms.items()))


def _file(file: ManifestFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path.rsplit("/", 1)[-1],
        "contentUrl": file.path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": PARQUET,
        "sha256": file.sha256,
    }


def _field(name: str, kind: str, about: str) -> dict[str, Any]:
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"rows/{name}",
        "name": name,
        "description": about,
        "dataType": _TYPES[kind],
        "source": {"fileSet": {"@id": "train"}, "extract": {"column": name}},
    }
    if kind.startswith("list<"):
        field |= {"isArray": True, "arrayShape": "-1"}
    return field


def describe_export(
    recipe: Recipe, *, version: str, export_id: str, created_at_ms: int, shards: list[ManifestFile]
) -> dict[str, Any]:
    """Return the Croissant document of one export version."""
    settings = recipe.settings
    day = datetime.fromtimestamp(created_at_ms / 1000, UTC).date().isoformat()
    train = {
        "@type": "cr:FileSet",
        "@id": "train",
        "name": "train",
        "description": "All shards of the only split",
        "encodingFormat": PARQUET,
        "includes": "data/train-*.parquet",
    }
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "name": recipe.dataset,
        "description": settings.summary,
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "identifier": export_id,
        "url": f"urn:windrow:{recipe.dataset}:{version}",
        "license": settings.licence.name,
        "version": version,
        "datePublished": day,
        "creator": {"@type": "sc:Organization", "name": "Windrow"},
        "citeAs": f"Windrow {recipe.dataset} {version} ({day}), export {export_id}",
        "keywords": settings.tags,
        "distribution": [*(_file(shard) for shard in shards), train],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "rows",
                "name": "rows",
                "description": "One row for each text",
                "key": {"@id": "rows/id"},
                "field": [_field(name, each.type, each.about) for name, each in settings.columns.items()],
            }
        ],
    }
