"""Writes the JSON schema of the manifest beside this file: `python -m viseme.avatar.schema`.

With ``--check`` it only says whether the file is current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from viseme.avatar.manifest import Manifest

__all__ = ["SCHEMA_PATH", "schema_text"]

SCHEMA_PATH: Final = Path(__file__).with_name("manifest.schema.json")


def schema_text() -> str:
    """Return the JSON schema (draft 2020-12) of `avatar.json`."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Manifest.model_json_schema(),
    }
    return json.dumps(schema, indent=2) + "\n"


def main() -> None:
    """Write the schema, or with ``--check`` only say whether it is current."""
    if "--check" not in sys.argv:
        SCHEMA_PATH.write_text(schema_text(), encoding="utf-8")
    elif SCHEMA_PATH.read_text("utf-8") != schema_text():
        sys.exit(f"{SCHEMA_PATH.name} is not current: run python -m viseme.avatar.schema.")


if __name__ == "__main__":
    main()
