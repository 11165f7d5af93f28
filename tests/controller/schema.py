# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of run.json (docs/run.schema.json). A report with a key that the schema does not
have, or without one that it asks for, is no such report: check() raises."""

import json
import pathlib

import jsonschema

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] / "docs" / "run.schema.json").read_text(
    encoding="utf-8"))
jsonschema.Draft202012Validator.check_schema(SCHEMA)
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def check(report):
    """Returns the report."""
    _VALIDATOR.validate(report)
    return report
