"""Whether a JSON Schema grew or broke. Bodies grow by optional fields only.

Writers of the old version must still be understood (`breaking_changes`), and readers of the old version must not be
surprised by what is written now (`surprises`). Compared are the parts of JSON Schema that our models produce; a
keyword that changed and that no rule knows is reported too, so nothing slips through by being new.
"""

from collections.abc import Iterator, Mapping

Json = Mapping[str, object]

_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "$id", "$schema", "deprecated"})
_LOWER_BOUNDS = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER_BOUNDS = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_HANDLED = frozenset(
    {"$ref", "$defs", "anyOf", "type", "enum", "const", "properties", "required", "items", "additionalProperties"}
)


def breaking_changes(old: Json, new: Json) -> list[str]:
    """What the new schema refuses, or forgets, of what the old one allowed: one line each; empty when compatible."""
    return list(_Comparison(old, new, fields_may_go=False).compare(old, new, "body"))


def surprises(old: Json, new: Json) -> list[str]:
    """Where a body of the new schema may hold, or lack, what readers of the old one rely on; new fields they ignore."""
    lines = _Comparison(new, old, fields_may_go=True).compare(new, old, "body")
    return [f"{where}: readers of the old version do not expect this" for where in sorted({_place(x) for x in lines})]


def _place(line: str) -> str:
    return line.partition(":")[0]


class _Comparison:
    """Two whole documents, so that references can be followed in each."""

    def __init__(self, old: Json, new: Json, *, fields_may_go: bool) -> None:
        self._roots = (old, new)
        self._fields_may_go = fields_may_go
        self._seen: set[tuple[str, str]] = set()

    def compare(self, old: Json, new: Json, where: str) -> Iterator[str]:
        pair = (str(old.get("$ref")), str(new.get("$ref")))
        if pair in self._seen and pair != ("None", "None"):
            return
        self._seen.add(pair)
        old, new = _resolved(old, self._roots[0]), _resolved(new, self._roots[1])
        if "anyOf" in old or "anyOf" in new:
            yield from self._alternatives(old, new, where)
            return
        yield from _values(old, new, where)
        yield from _bounds(old, new, where)
        yield from self._object(old, new, where)
        yield from self._nested(old, new, where)
        yield from _others(old, new, where)

    def _alternatives(self, old: Json, new: Json, where: str) -> Iterator[str]:
        """Each old alternative must be covered by a new one."""
        choices = _choices(new)
        for number, choice in enumerate(_choices(old)):
            if not any(self._covers(choice, other) for other in choices):
                yield f"{where}: alternative {number + 1} ({_kind(choice, self._roots[0])}) is no longer allowed"

    def _covers(self, old: Json, new: Json) -> bool:
        return not list(_Comparison(*self._roots, fields_may_go=self._fields_may_go).compare(old, new, ""))

    def _object(self, old: Json, new: Json, where: str) -> Iterator[str]:
        before, after = _mapping(old, "properties"), _mapping(new, "properties")
        for name in sorted(before.keys() - after.keys()):
            if not self._fields_may_go:
                yield f"{where}.{name}: removed"
        for name in sorted(_names(new, "required") - _names(old, "required")):
            yield f"{where}.{name}: newly required"
        for name in sorted(before.keys() & after.keys()):
            yield from self.compare(_schema(before[name]), _schema(after[name]), f"{where}.{name}")

    def _nested(self, old: Json, new: Json, where: str) -> Iterator[str]:
        for keyword, label in (("items", "[]"), ("additionalProperties", ".*")):
            before, after = old.get(keyword, True), new.get(keyword, True)
            if isinstance(after, Mapping):
                if isinstance(before, Mapping):
                    yield from self.compare(_schema(before), _schema(after), where + label)
                elif before is True and not _allows_all(after):
                    yield f"{where}{label}: narrowed"
            elif after is False and before is not False:
                yield f"{where}{label}: no longer allowed"


def _values(old: Json, new: Json, where: str) -> Iterator[str]:
    before, after = _types(old), _types(new)
    if after is not None and (before is None or not _types_within(before, after)):
        yield f"{where}: type {_shown(before)} became {_shown(after)}"
    allowed_before, allowed_after = _enum(old), _enum(new)
    if allowed_after is not None:
        if allowed_before is None:
            yield f"{where}: limited to {sorted(map(str, allowed_after))}"
        for value in sorted(map(str, (allowed_before or set()) - allowed_after)):
            yield f"{where}: value {value!r} removed"


def _bounds(old: Json, new: Json, where: str) -> Iterator[str]:
    for keyword in sorted(_LOWER_BOUNDS | _UPPER_BOUNDS):
        before, after = old.get(keyword), new.get(keyword)
        if after is None or before == after:
            continue
        tighter = keyword in _LOWER_BOUNDS
        if before is None or (_number(after) > _number(before)) == tighter:
            yield f"{where}: {keyword} {before} became {after}"


def _others(old: Json, new: Json, where: str) -> Iterator[str]:
    """Keywords without a rule: dropping one allows more, adding or changing one may allow less."""
    known = _ANNOTATIONS | _LOWER_BOUNDS | _UPPER_BOUNDS | _HANDLED
    for keyword in sorted(new.keys() - known):
        if old.get(keyword) != new[keyword]:
            yield f"{where}: {keyword} {old.get(keyword)!r} became {new[keyword]!r}"


def _resolved(schema: Json, root: Json) -> Json:
    while isinstance(reference := schema.get("$ref"), str):
        target: object = root
        for part in reference.removeprefix("#/").split("/"):
            target = _schema(target)[part]
        schema = {**_schema(target), **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def _choices(schema: Json) -> list[Json]:
    alternatives = schema.get("anyOf")
    return [_schema(item) for item in alternatives] if isinstance(alternatives, list) else [schema]


def _kind(schema: Json, root: Json) -> str:
    return _shown(_types(_resolved(schema, root)))


def _types(schema: Json) -> frozenset[str] | None:
    given = schema.get("type")
    if given is None:
        return None
    return frozenset(map(str, given)) if isinstance(given, list) else frozenset({str(given)})


def _types_within(old: frozenset[str], new: frozenset[str]) -> bool:
    return all(kind in new or (kind == "integer" and "number" in new) for kind in old)


def _enum(schema: Json) -> set[object] | None:
    if "const" in schema:
        return {schema["const"]}
    values = schema.get("enum")
    return set(values) if isinstance(values, list) else None


def _allows_all(schema: Json) -> bool:
    return not schema.keys() - _ANNOTATIONS


def _mapping(schema: Json, keyword: str) -> Json:
    return _schema(schema.get(keyword, {}))


def _names(schema: Json, keyword: str) -> set[str]:
    names = schema.get(keyword, [])
    return set(map(str, names)) if isinstance(names, list) else set()


def _schema(value: object) -> Json:
    if isinstance(value, Mapping):
        return value
    if value is True:
        return {}
    raise ValueError(f"not a schema: {value!r}")


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return value
    raise ValueError(f"not a number: {value!r}")


def _shown(types: frozenset[str] | None) -> str:
    return "any" if types is None else " or ".join(sorted(types))
