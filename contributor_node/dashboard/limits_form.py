"""The form in which an owner changes limits: caps on bytes, on speed, and the hours.

Rules: what was fixed by a flag or the environment at the node's start cannot be changed here, and says so. What was
typed becomes settings of `node.toml`, checked there as a whole.

Does not: write (see `settings_file`). Usage: `change_settings(home, typed_limits(fields))`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from contributor_node.dashboard.markup import Markup, fill, joined
from contributor_node.dashboard.pages import View, template
from contributor_node.dashboard.tongue import Language, say
from contributor_node.owner.settings import NodeSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.settings import Resolved


class _Limit(NamedTuple):
    label: str
    hint: str
    kind: str
    attributes: str


_NUMBER = "field", 'type="number" inputmode="numeric" min="0" max="10000000" step="1" required'
_TEXT = "field wide-field", 'type="text" maxlength="500" autocomplete="off" spellcheck="false"'
LIMITS = {
    "day_mb_max": _Limit("Megabytes a day", "0 stops all work", *_NUMBER),
    "month_gb_max": _Limit("Gigabytes a month", "0 stops all work", *_NUMBER),
    "down_kb_s_max": _Limit("Kilobytes a second down", "0 is no limit", *_NUMBER),
    "up_kb_s_max": _Limit("Kilobytes a second up", "0 is no limit", *_NUMBER),
    "schedule": _Limit("Hours", "empty is always; such as mon-fri 22:00-07:00; sat,sun 00:00-24:00", *_TEXT),
}
_FIELD = (
    '<p class="{kind}"><label for="{name}">{label}<small id="{name}-hint">{hint}</small></label>'
    '<input id="{name}" name="{name}" aria-describedby="{name}-hint" value="{value}" {attributes}></p>'
)
_STARTED_WITH = frozenset({"flag", "environment"})


def limits_form(view: View, settings: Resolved[NodeSettings]) -> Markup:
    """Return the form, filled with what counts now."""
    fields = joined(_field(view.language, name, limit, settings) for name, limit in LIMITS.items())
    return fill(template("limits", view.language), path=view.path, form=view.form, fields=fields)


def _field(language: Language, name: str, limit: _Limit, settings: Resolved[NodeSettings]) -> Markup:
    source = settings.sources[name]
    is_fixed = source in _STARTED_WITH
    fixed = say(language, "fixed at the start ({source})").format(source=source)
    return fill(
        _FIELD,
        name=name,
        label=say(language, limit.label),
        hint=fixed if is_fixed else say(language, limit.hint),
        kind=limit.kind,
        value=str(getattr(settings.values, name)),
        attributes=Markup(limit.attributes + (" disabled" if is_fixed else "")),
    )


def typed_limits(fields: Mapping[str, str], language: Language = "en") -> dict[str, Any]:
    """Return the settings that were typed in. Raises WindrowError `bad_config` for what is no number."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(NodeSettings)}
    typed: dict[str, Any] = {}
    for name in LIMITS.keys() & fields.keys():
        try:
            typed[name] = msgspec.convert(fields[name].strip(), kinds[name], strict=False)
        except msgspec.ValidationError as error:
            wanted = say(language, "{limit}: a whole number from 0 to 10,000,000")
            wanted = wanted.format(limit=say(language, LIMITS[name].label))
            raise WindrowError("bad_config", wanted) from error
    return typed
