"""Evaluates IAM policies as AWS does, as far as this project's policies go; what they do not use is refused, not guessed.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

Statement = Mapping[str, Any]
Context = Mapping[str, str | Sequence[str]]
ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition"}


def listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


@cache
def wildcard(pattern: str, *, fold: bool = False) -> re.Pattern[str]:
    """The regular expression of a pattern: `*` is any text, `?` one character but no other pattern's `*`, all else itself."""
    if "${" in pattern:
        raise ValueError(f"unresolved variable in {pattern}")
    parts = {"*": ".*", "?": "[^*]"}
    return re.compile("".join(parts.get(character) or re.escape(character) for character in pattern),
                      re.DOTALL | (re.IGNORECASE if fold else 0))


def matches(pattern: str, value: str, *, fold: bool = False) -> bool:
    return wildcard(pattern, fold=fold).fullmatch(value) is not None


def arn_matches(pattern: str, value: str) -> bool:
    """ArnLike: each of the six parts is matched alone, so that no `*` reaches over a colon."""
    patterns, values = pattern.split(":", 5), value.split(":", 5)
    return len(patterns) == len(values) == 6 and all(map(matches, patterns, values))


POSITIVE = {
    "StringEquals": lambda expected, value: expected == value,
    "StringLike": matches,
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
    "Bool": lambda expected, value: expected.lower() == value.lower(),
}
NEGATED = {"StringNotEquals": "StringEquals", "StringNotLike": "StringLike", "ArnNotEquals": "ArnEquals", "ArnNotLike": "ArnLike"}


def condition_holds(operator: str, key: str, expected: Sequence[str], context: Context) -> bool:
    """One operator and one key. A key that the request lacks fails every operator but the negated ones, IfExists, Null and ForAllValues."""
    folded = {name.lower(): value for name, value in context.items()}
    present = key.lower() in folded
    if operator == "Null":
        return present != (expected[0].lower() == "true")
    quantifier, _, rest = operator.rpartition(":")
    if quantifier not in {"", "ForAllValues", "ForAnyValue"}:
        raise ValueError(f"unsupported operator {operator}")
    name, optional = rest.removesuffix("IfExists"), rest.endswith("IfExists")
    if name not in POSITIVE and name not in NEGATED:
        raise ValueError(f"unsupported operator {operator}")
    if not present:
        return optional or quantifier == "ForAllValues" or (not quantifier and name in NEGATED)

    def holds(value: str) -> bool:
        test = POSITIVE[NEGATED.get(name, name)]
        return any(test(text, value) for text in expected) != (name in NEGATED)

    values = listed(folded[key.lower()])
    return any(map(holds, values)) if quantifier == "ForAnyValue" else all(map(holds, values))


def applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    if set(statement) - ELEMENTS:
        raise ValueError(f"unsupported element in {statement}")
    return (any(matches(pattern, action, fold=True) for pattern in listed(statement["Action"]))
            and any(matches(pattern, resource) for pattern in listed(statement["Resource"]))
            and all(condition_holds(operator, key, [str(text) for text in listed(expected)], context)
                    for operator, keys in statement.get("Condition", {}).items() for key, expected in keys.items()))


def allowed(statements: Iterable[Statement], action: str, resource: str, context: Context | None = None) -> bool:
    """Whether a role with these statements and no boundary may do it: an Allow applies, and no Deny."""
    effects = {statement["Effect"] for statement in statements if applies(statement, action, resource, context or {})}
    return effects == {"Allow"}


def covers(outer: Statement, action: str, resource: str, conditions: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a statement allows at least this: a pattern covers a text of which it matches each character, wildcards included, and a
    condition covers one on the same key that takes no other values."""
    if outer["Effect"] != "Allow":
        return False
    inner = {key: [str(text) for text in listed(values)] for keys in conditions.values() for key, values in keys.items()}
    return (any(matches(pattern, action, fold=True) for pattern in listed(outer["Action"]))
            and any(matches(pattern, resource) for pattern in listed(outer["Resource"]))
            and all(key in inner and all(any(matches(str(pattern), text) for pattern in listed(patterns)) for text in inner[key])
                    for keys in outer.get("Condition", {}).values() for key, patterns in keys.items()))
