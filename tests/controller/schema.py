# SPDX-License-Identifier: Apache-2.0
"""The JSON Schemas of reports: run.json (docs/run.schema.json) and find-rate's
(docs/find-rate.schema.json). A report with a key that its schema does not have, or without one that
it asks for, is no such report: check() raises."""

import json
import pathlib

import jsonschema

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def _validator(name):
    schema = json.loads((DOCS / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


_RUN = _validator("run.schema.json")
_FIND_RATE = _validator("find-rate.schema.json")


def check(report):
    """Returns the report."""
    (_FIND_RATE if report["task"] == "find-rate" else _RUN).validate(report)
    return report
