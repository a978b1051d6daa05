"""Settings checked by pydantic; problems come out as one of hybridner's own errors, with the path of the key and the fix."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Annotated, Any, ClassVar, TypeVar, overload

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from hybridner.errors import HybridNerError
from hybridner.redaction import is_secret_name

_T = TypeVar("_T")

#: What pydantic's types of errors expected, in our words.
_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "path_type": "a path",
    "none_required": "nothing",
}
#: The bound that pydantic's types of errors name, and our words for it.
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
#: What pydantic adds to a key's path for one branch of a union.
_BRANCH = re.compile(
    r"(str|int|float|bool|none)$|(constrained-|lax-or-strict|function-|is-instance|dict|list|tuple|set|nullable)\W?"
)
#: Characters of a wrong value that a message shows.
_SHOWN = 80


def _number_from_text(value: object) -> object:
    """YAML reads 2e-5 as a text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


#: A whole number; neither 3.0, "3" nor true.
Integer = Annotated[int, Field(strict=True)]
#: A finite number; not true.
Number = Annotated[float, BeforeValidator(_number_from_text), Field(strict=True, allow_inf_nan=False)]


_is_nested: ContextVar[bool] = ContextVar("is_nested", default=False)


class Settings(BaseModel):
    """Base of everything that users set: frozen, every key known, and wrong values raise `error_class`.

    Subclasses are written like dataclasses, with `Integer`, `Number` and pydantic's `Field(ge=...)` for the ranges.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)

    #: What is raised for wrong values.
    error_class: ClassVar[type[HybridNerError]] = HybridNerError

    def __init__(self, /, **values: Any) -> None:
        if _is_nested.get():
            super().__init__(**values)  # what is wrong becomes a part of what is wrong with the whole
            return
        token = _is_nested.set(True)
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise self.error_class(describe(error)) from None
        finally:
            _is_nested.reset(token)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: object) -> object:
        unknown = [str(key) for key in data if key not in cls.model_fields] if isinstance(data, Mapping) else []
        if unknown:
            raise PydanticCustomError("unknown_keys", "", {"keys": unknown, "known": list(cls.model_fields)})
        return data


def one_of(choices: Iterable[str]) -> AfterValidator:
    """For ``Annotated[str, one_of(REGISTRY)]``: a text that is one of the choices."""
    allowed = tuple(choices)
    expected = " or ".join(filter(None, (", ".join(map(repr, allowed[:-1])), repr(allowed[-1]))))

    def check(value: str) -> str:
        if value not in allowed:
            raise PydanticCustomError("literal_error", "", {"expected": expected})
        return value

    return AfterValidator(check)


@overload
def validate(schema: type[_T], data: object, error: type[HybridNerError], where: str = "") -> _T: ...


@overload
def validate(schema: object, data: object, error: type[HybridNerError], where: str = "") -> Any: ...


def validate(schema: Any, data: object, error: type[HybridNerError], where: str = "") -> Any:
    """The data as `schema`, a `Settings` class or any other type that pydantic knows.

    Args:
        schema: what it should be.
        data: as read from a file or given by a user.
        error: what is raised.
        where: stands before each problem, such as the name of a file.

    Raises:
        HybridNerError: of the class `error`; a line for each problem: the path of the key, what was expected, what was found.
    """
    token = _is_nested.set(True)
    try:
        return TypeAdapter(schema).validate_python(data)
    except ValidationError as problem:
        raise error(describe(problem, where)) from None
    finally:
        _is_nested.reset(token)


def describe(error: ValidationError, where: str = "") -> str:
    """The problems of a ValidationError, one a line."""
    lines: dict[str, dict[str, None]] = {}
    found: dict[str, str] = {}
    for path, expected, got in _merge_branches(list(_problems(error))):
        lines.setdefault(path, {})[expected] = None
        found[path] = got
    prefix = f"{where}: " if where else ""
    return "\n".join(
        prefix + (f"{path}: " if path else "") + " or ".join(expected) + found[path] for path, expected in lines.items()
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


_Location = tuple[int | str, ...]
#: Path of the key, what is wrong or was expected, and what was found (with a comma before it) or nothing.
_Problem = tuple[_Location, str, str]


def _problems(error: ValidationError) -> Iterator[_Problem]:
    for detail in error.errors(include_url=False):
        path = detail["loc"]
        if detail["type"] == "unknown_keys":
            for key in detail["ctx"]["keys"]:
                yield (*path, key), f"unknown key{did_you_mean(key, detail['ctx']['known'])}", ""
        else:
            yield path, *_wording(detail)


def _wording(detail: ErrorDetails) -> tuple[str, str]:
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    shown = "" if any(is_secret_name(str(part)) for part in detail["loc"]) else _shorten(value)
    got = f", got {shown}" if shown else ""
    if kind == "missing":
        return "missing", ""
    if kind in ("literal_error", "enum"):
        choices = str(context["expected"])
        near = difflib.get_close_matches(str(value), re.findall(r"'([^']*)'", choices), 1)
        return f"expected {choices}", got + (f"; did you mean {near[0]!r}?" if near else "")
    if kind in ("value_error", "assertion_error"):
        return str(context["error"]), ""
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}", got
    if kind in _BOUNDS:
        name, wording = _BOUNDS[kind]
        return f"expected {wording} {context[name]:g}", got
    return detail["msg"].removeprefix("Value error, "), got


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _merge_branches(problems: list[_Problem]) -> Iterator[tuple[str, str, str]]:
    """One problem for a value that fits no branch of a union, in place of one for each branch."""
    parents = [path[:-1] for path, _, _ in problems if path and isinstance(path[-1], str) and _BRANCH.match(path[-1])]
    seen: set[_Location] = set()
    for path, expected, got in problems:
        if path and parents.count(path[:-1]) > 1:
            path = path[:-1]
            expected = expected.removeprefix("expected ") if path in seen else expected
            seen.add(path)
        yield ".".join(map(str, path)), expected, got
