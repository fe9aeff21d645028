"""The findings of a doctor: one line each, grouped, with a remedy where something should be done."""

import msgspec

OK, WARNING, FAILED, UNKNOWN = "ok", "warning", "failed", "unknown"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `remedy` is what to do; empty where nothing is."""

    group: str
    name: str
    status: str
    found: str
    remedy: str = ""


def finding(group: str, name: str, found: str, *, bad: str = "", worse: str = "") -> Finding:
    """A finding that is well, unless there is a remedy: `bad` for a warning, `worse` for a failure."""
    status = FAILED if worse else WARNING if bad else OK
    return Finding(group, name, status, found, worse or bad)


def unknown(group: str, name: str, why: str) -> Finding:
    """Something that could not be looked at, and why."""
    return Finding(group, name, UNKNOWN, why)
