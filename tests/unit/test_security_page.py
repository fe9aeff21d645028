"""The security page's table is the one that the filter is made from; `python -m tests.unit.test_security_page` writes it."""

from pathlib import Path

from runtime.sandbox import seccomp
from runtime.sandbox.filters import OWN_PID

_PAGE = Path(__file__).resolve().parents[2] / "docs/security.md"
_START = "<!-- rules: written by `python -m tests.unit.test_security_page`, checked by its test -->\n"
_END = "<!-- end of rules -->\n"


def table() -> str:
    """The rules as a Markdown table."""
    rules = seccomp.rules(
        notify=True, shared_uid=True, own_pid_namespace=False, devices_readable_only=True, neighbours=True, warm=True
    )
    rows = ["| calls | when | answer | why |", "|---|---|---|---|"]
    for rule in rules:
        when = " and ".join(map(str, rule.when)).replace(f"{OWN_PID:#x}", "its own pid")
        rows.append(f"| {', '.join(f'`{call}`' for call in rule.calls)} | {when} | {rule.answer} | {rule.reason} |")
    return "\n".join(rows) + "\n"


def _replaced(text: str) -> str:
    head, rest = text.split(_START)
    return head + _START + table() + _END + rest.split(_END)[1]


def test_the_table_of_rules_is_that_of_the_code() -> None:
    text = _PAGE.read_text("utf-8")
    assert _replaced(text) == text


if __name__ == "__main__":
    _PAGE.write_text(_replaced(_PAGE.read_text("utf-8")), "utf-8")
