"""Write the JSON schema of the files of a results folder: python docs/schema.py. It is checked by the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from invbench.store.files import Record
from invbench.store.schema import Bench, Run, ScoredSet

TO = Path(__file__).with_name("records.schema.json")


def schema() -> dict[str, Any]:
    """Of ``run.json``, a row of ``records.jsonl``, a value of ``sets.json``, and ``bench-<solver>.json``."""
    _, components = msgspec.json.schema_components([Run, Record, ScoredSet, Bench], ref_template="#/$defs/{name}")
    part = components["Part"]
    del part["properties"]["options"]  # in JSON, the options stand beside the name
    part["additionalProperties"] = True
    for name in ("value", "low", "high"):  # null where there is none
        number = components["Score"]["properties"][name]
        components["Score"]["properties"][name] = {"anyOf": [number, {"type": "null"}]}
    del components["Score"]["properties"]["n"]  # the number of images, which stand beside it
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": dict(sorted(components.items()))}


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    TO.write_text(text())
