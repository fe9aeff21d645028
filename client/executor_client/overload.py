"""What to send again where a replica was overloaded, and how its answer and the earlier one become one.

`overloaded` says that the host kept a run from a processor; it says nothing of the program. Verdicts on the other test cases
of the same submission hold.
"""

from collections.abc import Mapping
from typing import Any

_OVERLOADED, _ACCEPTED = "overloaded", "accepted"


def again(request: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """The request for what is still to be run or judged; None where the answer is whole."""
    if "test_results" not in answer:
        return dict(request) if answer["run"]["status"] == _OVERLOADED else None
    positions = _overloaded(answer)
    if not positions:
        return None
    if "problem" in request:
        return dict(request)  # which of its cases are run is the package's
    cases = request.get("test_cases") or ()
    return {**request, "test_cases": [cases[position] for position in positions]}


def merged(answer: dict[str, Any], newer: dict[str, Any]) -> dict[str, Any]:
    """The first answer with what the newer one, to `again`, says of the cases that were overloaded."""
    if "test_results" not in answer or "problem" in answer:
        return newer
    results = list(answer["test_results"])
    for position, result in zip(_overloaded(answer), newer["test_results"], strict=True):
        results[position] = result
    statuses = [result["status"] for result in results]
    compiled = {"compile": newer["compile"]} if "compile" in newer else {}
    points = {"score": sum(result.get("score", 0.0) for result in results)} if "score" in answer else {}
    return {
        **answer,
        **compiled,
        **points,
        "test_results": results,
        "passed": statuses.count(_ACCEPTED),
        "status": next((status for status in statuses if status != _ACCEPTED), _ACCEPTED),
    }


def _overloaded(answer: Mapping[str, Any]) -> list[int]:
    return [position for position, result in enumerate(answer["test_results"]) if result["status"] == _OVERLOADED]
