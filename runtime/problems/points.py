"""How the points of a 2025-09 problem are shared among its groups and cases."""

import math

import msgspec

from runtime.problems.model import Aggregation, Case, Group, Scores

#: Of `secret`, where no group says how many points there are.
_ALL = 100.0


def shared(root: Group) -> Group:
    """The tree with each group's and case's `max_score`; samples have no points.

    A group that states its `max_score` has it. `secret` has the sum of its groups' where all state theirs, else 100. Where
    scores are added the others share what is left evenly; where they are not each has all of the points around it.
    """
    items = tuple(_secret(item) if item.name == "secret" else _without(item) for item in root.items)
    (most,) = [item.max_score for item in items if item.name == "secret"] or [0.0]
    return msgspec.structs.replace(root, items=items, max_score=most)


def _without(item: Case | Group) -> Case | Group:
    if isinstance(item, Case):
        return msgspec.structs.replace(item, accept_score=0.0, max_score=0.0, scores=Scores.IGNORED)
    return msgspec.structs.replace(item, items=tuple(map(_without, item.items)), max_score=0.0)


def _secret(item: Case | Group) -> Case | Group:
    if isinstance(item, Case):
        return _with_share(item, _ALL, Scores.ALLOWED)
    stated = item.max_score
    if stated is None:
        scores = [child.max_score for child in item.items if isinstance(child, Group)]
        known = [score for score in scores if score is not None]
        stated = sum(known) if known and len(known) == len(item.items) else _ALL
    return _with_share(item, stated, Scores.ALLOWED)


def _with_share(item: Case | Group, share: float, scores: Scores) -> Case | Group:
    if isinstance(item, Case):
        if math.isfinite(share):
            return msgspec.structs.replace(item, accept_score=share, max_score=share, scores=scores)
        required = Scores.REQUIRED if scores is Scores.ALLOWED else scores
        return msgspec.structs.replace(item, accept_score=None, max_score=None, scores=required)
    own = share if item.max_score is None else item.max_score
    shares = [_share(child, item, own) for child in item.items]
    inner = Scores.FORBIDDEN if item.aggregation is Aggregation.PASS_FAIL else Scores.ALLOWED
    items = tuple(_with_share(child, part, inner) for child, part in zip(item.items, shares, strict=True))
    return msgspec.structs.replace(item, items=items, max_score=own if math.isfinite(own) else None)


def _share(child: Case | Group, group: Group, own: float) -> float:
    """The most points that `child` can have, where its group has `own`."""
    if child.max_score is not None:
        return child.max_score
    if group.aggregation is not Aggregation.SUM:
        return own
    stated = [item.max_score for item in group.items if item.max_score is not None]
    return max(0.0, own - sum(stated)) / (len(group.items) - len(stated))
