"""`python -m infra.settings.schema`: writes `Pulumi.yaml`'s section `config` from the declarations."""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from infra.settings.kinds import Declaration
from infra.settings.stack import DECLARATIONS

PROJECT_FILE = Path(__file__).parents[2] / "Pulumi.yaml"

_WIDTH = 120


def project_file() -> str:
    """Gives the project file as it should be: what stands above `config:` as it is, and the settings as they are declared."""
    head, config, _ = PROJECT_FILE.read_text(encoding="utf-8").partition("\nconfig:\n")
    return head + config + "".join(f"  {line}\n" for declared in DECLARATIONS for line in _entry(declared))


def _entry(declared: Declaration) -> Iterator[str]:
    yield f"{declared.key}:"
    if ":" in declared.key:
        # Pulumi takes nothing but a value for a key of another namespace (sdk/go/common/workspace/project.go).
        yield f"  value: {_scalar(declared.default)}"
        return
    yield f"  type: {declared.kind.pulumi_type}"
    if declared.kind.pulumi_type == "array":
        yield "  items:"
        yield f"    type: {declared.kind.items}"
    line = f"  description: {declared.meaning}"
    # In one line, a colon before a space would begin another map.
    if len(line) + 2 <= _WIDTH and ": " not in declared.meaning:
        yield line
    else:
        yield "  description: >-"
        # A line that is folded after a hyphen would come back with a space in it.
        yield from textwrap.wrap(
            declared.meaning, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        )
    if declared.default is not None:
        yield f"  default: {_scalar(declared.default)}"


def _scalar(value: object) -> str:
    # A text that YAML would read as something else, a number for instance, is quoted as JSON, which YAML understands.
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w:.-]*", value) else json.dumps(value)


if __name__ == "__main__":
    PROJECT_FILE.write_text(project_file(), encoding="utf-8")
