"""Describes a table of routes as OpenAPI 3.1, from the routes and the message structs themselves.

Rules: nothing is described twice by hand: what is not in `Route` or in a struct is not in the description.

Does not: serve. Usage: `describe(routes)`.

Source: OpenAPI Specification 3.1.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from storage.env import Route
from windrow_protocol.errors import REASONS
from windrow_protocol.messages import STATEMENTS
from windrow_protocol.signing import SIGNATURE_HEADER

_REFUSAL: Final = {"$ref": "#/components/schemas/Refusal"}
_PARAMETER = re.compile(r"{(\w+)(?::[^}]*)?}")


def describe(routes: list[Route]) -> dict[str, Any]:
    """Return the OpenAPI description of some routes."""
    spoken = [route for route in routes if route.message is not None]
    kinds = [*(route.message for route in spoken), *STATEMENTS]
    bodies, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    body_of = {id(route): body for route, body in zip(spoken, bodies, strict=False)}
    schemas["Refusal"] = _refusal_schema()
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.pattern)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, body_of.get(id(route)))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Windrow", "version": "1", "description": "See docs/protocol.md for signatures."},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(route: Route, body: dict[str, Any] | None) -> dict[str, Any]:
    refusal = {"description": "Refused, with a reason", "content": {"application/json": {"schema": _REFUSAL}}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "responses": {"200": {"description": "Done"}, "4XX": refusal, "5XX": refusal},
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.pattern)
    ]
    if route.purpose:
        operation["description"] = f"Signed with purpose `{route.purpose}`."
        parameters.append(
            {"name": SIGNATURE_HEADER, "in": "header", "required": True, "schema": {"type": "string"}}
        )
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {route.media: {"schema": body}}}
    return operation


def _refusal_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["error", "sentence", "remedy"],
        "properties": {
            "error": {"type": "string", "enum": sorted(REASONS)},
            "sentence": {"type": "string"},
            "detail": {"type": "string"},
            "remedy": {"type": "string"},
        },
    }
