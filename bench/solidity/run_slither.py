"""Slither over one standard JSON input: `python run_slither.py INPUT.json SOLC` prints its findings as a JSON list.

Run by the Python that has Slither, in a folder of its own; imports nothing of Windrow.
"""

from __future__ import annotations

import inspect
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from crytic_compile import CryticCompile
from crytic_compile.platform.solc_standard_json import SolcStandardJson
from slither import Slither
from slither.detectors import all_detectors
from slither.detectors.abstract_detector import AbstractDetector


def _named(element: dict[str, Any]) -> str:
    """A contract's name, or that of a function with its contract's before it."""
    inside = element.get("type_specific_fields", {}).get("parent", {})
    return f"{inside['name']}.{element['name']}" if element["type"] == "function" else element["name"]


asked = SolcStandardJson(json.loads(Path(sys.argv[1]).read_text()))
slither = Slither(CryticCompile(asked, solc=sys.argv[2]))
detectors = [
    each
    for each in vars(all_detectors).values()
    if inspect.isclass(each) and issubclass(each, AbstractDetector) and each is not AbstractDetector
]
for detector in detectors:
    slither.register_detector(detector)
findings = [
    {
        "check": finding["check"],
        "impact": finding["impact"],
        "confidence": finding["confidence"],
        "says": " ".join(finding["description"].split()),
        "files": sorted({each["source_mapping"]["filename_relative"] for each in finding["elements"]}),
        "names": sorted(
            {_named(each) for each in finding["elements"] if each["type"] in ("function", "contract")}
        ),
    }
    for of_detector in slither.run_detectors()
    for finding in of_detector
]
print(json.dumps({"version": version("slither-analyzer"), "detectors": len(detectors), "findings": findings}))
