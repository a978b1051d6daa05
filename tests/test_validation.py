"""Checked settings: each problem on a line, with the path of the key, what was expected, what was found, and the nearest name."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from hybridner.errors import HybridNerError, LlmError, RecipeError
from hybridner.validation import Integer, Number, Settings, one_of, validate


class Engine(Settings):
    error_class: ClassVar[type[HybridNerError]] = LlmError
    cylinders: Integer = Field(default=4, ge=1, le=16)
    fuel: Literal["petrol", "diesel"] = "petrol"
    color: Annotated[str, one_of({"red": 1, "green": 2, "blue": 3})] = "red"
    api_key: Integer | None = None


class Car(Settings):
    error_class: ClassVar[type[HybridNerError]] = RecipeError
    name: str
    weight: Number = 1.0
    is_new: bool = False
    engine: Engine = Engine()
    parts: Mapping[str, Engine] = Field(default_factory=dict)
    colors: tuple[str, ...] = ()
    maker: str | dict[str, Any] = ""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "name: missing"),
        ({"name": "x", "weigth": 2}, "weigth: unknown key; did you mean 'weight'?"),
        ({"name": "x", "zzz": 2}, "zzz: unknown key; known: colors, engine, is_new, maker, name, parts, weight"),
        ({"name": 3}, "name: expected a text, got 3"),
        ({"name": "x", "weight": "heavy"}, "weight: expected a number, got 'heavy'"),
        ({"name": "x", "weight": True}, "weight: expected a number, got True"),
        ({"name": "x", "weight": float("nan")}, "weight: expected a finite number, got nan"),
        ({"name": "x", "is_new": "perhaps"}, "is_new: expected true or false, got 'perhaps'"),
        ({"name": "x", "engine": {"cylinders": 4.5}}, "engine.cylinders: expected a whole number, got 4.5"),
        ({"name": "x", "engine": {"cylinders": 0}}, "engine.cylinders: expected at least 1, got 0"),
        ({"name": "x", "engine": {"cylindres": 4}}, "engine.cylindres: unknown key; did you mean 'cylinders'?"),
        ({"name": "x", "engine": 5}, "engine: expected a mapping, got 5"),
        (
            {"name": "x", "engine": {"fuel": "deisel"}},
            "engine.fuel: expected 'petrol' or 'diesel', got 'deisel'; did you mean 'diesel'?",
        ),
        ({"name": "x", "parts": {"spare": {"fuel": []}}}, "parts.spare.fuel: expected 'petrol' or 'diesel', got []"),
        (
            {"name": "x", "engine": {"color": "gren"}},
            "engine.color: expected 'red', 'green' or 'blue', got 'gren'; did you mean 'green'?",
        ),
        ({"name": "x", "colors": ["red", 4]}, "colors.1: expected a text, got 4"),
        ({"name": "x", "maker": 3}, "maker: expected a text or a mapping, got 3"),
        ({"name": "x", "engine": {"api_key": "hush-hush"}}, "engine.api_key: expected a whole number"),
        ({"name": 1, "weight": "a"}, "name: expected a text, got 1\nweight: expected a number, got 'a'"),
    ],
)
def test_what_is_wrong_and_where(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Car(**values)
    assert str(caught.value) == message
    with pytest.raises(LlmError) as caught_elsewhere:
        validate(Car, values, LlmError, "car.yaml")
    assert str(caught_elsewhere.value) == "\n".join(f"car.yaml: {line}" for line in message.splitlines())


def test_right_values() -> None:
    car = Car(name="x", weight="2e-5", engine={"cylinders": 8}, maker={"a": 1}, colors=["red"])  # type: ignore[arg-type]
    assert car.weight == 2e-5
    assert car.engine == Engine(cylinders=8)
    assert car.colors == ("red",)
    assert pickle.loads(pickle.dumps(car)) == car
    assert validate(Car, car.model_dump(), RecipeError) == car
    with pytest.raises(HybridNerError):
        validate(Car, "no mapping", RecipeError)


_KEYS = st.text(max_size=5) | st.sampled_from(list(Car.model_fields))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner),
    max_leaves=10,
)


@given(_JSON)
def test_whatever_is_given_there_is_a_car_or_a_message(data: Any) -> None:
    message = "a car"
    try:
        validate(Car, data, RecipeError)
    except RecipeError as error:
        message = str(error)
    assert message.strip()
