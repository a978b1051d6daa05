"""Whatever comes as the body of a request, it is read or refused with a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybridner.errors import InputError
from hybridner.serving import parse_request, read_request

any_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["inputs", "parameters", "threshold", "decoding"]) | st.text(), inner, max_size=4)
    ),
)


@given(st.binary() | any_json.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b'{"inputs": "\xff"}')
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        request = parse_request(body)
    except InputError:
        return  # and nothing else
    assert json.loads(body)["inputs"] == request.inputs


@given(st.text() | st.lists(st.text()))
def test_results_have_the_form_of_the_inputs(inputs: str | list[str]) -> None:
    request = read_request({"inputs": inputs, "parameters": None})
    assert request.shaped(request.texts) == inputs
    assert request.parameters.given == {}


def test_parameters_are_checked_one_by_one() -> None:
    with pytest.raises(InputError) as caught:
        read_request({"inputs": "a", "parameters": {"threshold": 1.5, "decoding": "Flat", "stragety": "score"}})
    assert str(caught.value).splitlines() == [
        "parameters.stragety: unknown key; did you mean 'strategy'?",
    ]
    with pytest.raises(InputError) as caught:
        read_request({"inputs": "a", "parameters": {"threshold": 1.5, "decoding": "Flat", "simplify": 1, "strategy": "score"}})
    assert str(caught.value).splitlines() == [
        "parameters.threshold: expected at most 1, got 1.5",
        "parameters.decoding: expected 'flat' or 'nested', got 'Flat'; did you mean 'flat'?",
        "parameters.simplify: expected true or false, got 1",
    ]
