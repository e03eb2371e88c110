"""Inputs: what each type takes and refuses."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.definition.inputs import _ADAPTER as ADAPTER
from orchestrator.definition.inputs import AnyInput, InputError, read_input, spec_of
from orchestrator.definition.timbres import timbre_id
from orchestrator.domain.pipeline import InputSpec
from orchestrator.metastudio.ssml import SPOKEN_LIMIT


def read(declared: dict[str, Any], value: Any, region: str | None = "cn-north-4") -> Any:
    return read_input(spec_of(ADAPTER.validate_python(declared)), value, region)


@pytest.mark.parametrize(
    ("declared", "given_value", "value"),
    [
        ({}, "012", "012"),
        ({"type": "string", "pattern": "[A-Z]+-[0-9]+"}, "LAMP-1", "LAMP-1"),
        ({"type": "text"}, "a < b & c", "a < b & c"),
        ({"type": "ssml"}, "5 < 6 & so on", "5 < 6 & so on"),
        ({"type": "ssml"}, "<speak>a<break time='1s'/></speak>", "<speak>a<break time='1s'/></speak>"),
        ({"type": "integer"}, " 012 ", 12),
        ({"type": "integer"}, 3, 3),
        ({"type": "number"}, "1e5", 100000.0),
        ({"type": "number", "min": 0, "max": 2.5}, 2, 2),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "0", False),
        ({"type": "boolean"}, True, True),
        ({"type": "choice", "choices": ["a", "b"]}, " b ", "b"),
        ({"type": "list"}, "a, b ,c", ["a", "b", "c"]),
        ({"type": "list"}, '["a", 1]', ["a", 1]),
        ({"type": "map"}, '{"a": {"b": 1}}', {"a": {"b": 1}}),
        ({"type": "file", "accept": ["png", ".jpg"]}, "a/B.JPEG", "a/B.JPEG"),
        ({"type": "asset"}, "0c7798664ee7178b3dba3bbef57c32e7", "0c7798664ee7178b3dba3bbef57c32e7"),
        ({"type": "timbre"}, " emma ", "aca15f9fe7912b2d5d8eb827f2d1327b"),
        ({"type": "timbre"}, "e3623c3d911bc3bfdbcdff51ab8d86f6", "e3623c3d911bc3bfdbcdff51ab8d86f6"),
    ],
)
def test_values_are_read(declared: dict[str, Any], given_value: Any, value: Any) -> None:
    """Text is read by type; data of the right type is taken as it is."""
    result = read(declared, given_value)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("declared", "value", "words"),
    [
        ({}, 12, "not a text"),
        ({"max_length": 3}, "abcd", "more than 3"),
        ({"min_length": 3}, "ab", "fewer than 3"),
        ({"pattern": "[a-z]"}, "ab", "does not match"),
        ({"type": "text"}, "x" * (SPOKEN_LIMIT + 1), "10,001 characters to be spoken"),
        ({"type": "ssml"}, "x" * (SPOKEN_LIMIT + 1), "10,001 characters to be spoken"),
        (
            {"type": "ssml"},
            "<speak>" + "x" * (SPOKEN_LIMIT + 1) + "</speak>",
            "10,001 characters to be spoken",
        ),
        ({"type": "ssml"}, "<speak>" + "<break/>" * 20_000 + "</speak>", "with its tags"),
        (
            {"type": "ssml"},
            "<speak>a & b</speak>",
            "& begins no entity (line 1, column 10 of the text: S104)",
        ),
        ({"type": "ssml"}, "a <break/> b", "tags count only inside <speak>"),
        ({"type": "ssml"}, "<break/>", "tags count only inside <speak>"),
        ({"type": "ssml"}, '<!DOCTYPE a [<!ENTITY b "c">]><speak>&b;</speak>', "declaration"),
        ({"type": "integer"}, "1.5", "not a whole number"),
        ({"type": "integer"}, True, "not a whole number"),
        ({"type": "integer", "min": 2}, "1", "less than 2"),
        ({"type": "integer"}, "9" * 5000, "not a whole number"),
        ({"type": "number"}, "nan", "not a number"),
        ({"type": "number"}, "1_000", "not a number"),
        ({"type": "number", "max": 1}, "1.1", "more than 1"),
        ({"type": "boolean"}, "maybe", "neither true nor false"),
        ({"type": "boolean"}, 1, "neither true nor false"),
        ({"type": "choice", "choices": ["red", "green"]}, "gren", "not one of red, green"),
        ({"type": "list", "max_items": 1}, "a,b", "2 members"),
        ({"type": "list"}, "[1, NaN]", "not JSON"),
        ({"type": "list"}, "[" * 100_000, "not JSON"),
        ({"type": "map"}, "[1]", "not a mapping"),
        ({"type": "file", "accept": ["png"]}, "a.gif", "not a file of type png"),
        ({"type": "file"}, "a\0b", "not a path"),
        ({"type": "asset"}, "a b", "not an asset id"),
        ({"type": "timbre"}, "Emmma", "no timbre 'Emmma'"),
    ],
)
def test_values_that_do_not_fit_are_refused(declared: dict[str, Any], value: Any, words: str) -> None:
    """Each refusal says what is wrong with the value."""
    with pytest.raises(InputError) as caught:
        read(declared, value)
    assert words in str(caught.value)


def test_every_mistake_in_a_speech_is_a_part_of_its_error() -> None:
    """Each part has its own place in the text and its own suggestion."""
    with pytest.raises(InputError) as caught:
        read({"type": "ssml"}, "<speak>a<brake time='1s'/>\nb & c</speak>")
    assert [(str(part), part.suggestion) for part in caught.value.parts] == [
        ("there is no tag <brake> (line 1, column 9 of the text: S203)", "did you mean 'break'?"),
        ("& begins no entity (line 2, column 3 of the text: S104)", "write & as &amp;"),
    ]


def test_speech_is_measured_without_its_tags() -> None:
    """10,000 spoken characters pass, whatever tags stand between them."""
    text = "<speak>" + "x<break time='200ms'/>" * 5_000 + "x" * 5_000 + "</speak>"
    assert read({"type": "ssml"}, text) == text


def test_timbres_are_resolved_for_the_region() -> None:
    """A name means another id in each region; corrections of the published table are applied."""
    assert timbre_id("Yunge", "ap-southeast-3") == "cbcfbfa73488876ce507144c87307440"
    assert timbre_id("Friendly female", "cn-east-3") == "39b9cedccec1f19b33d8f7ce1a6d35b9"
    assert timbre_id("Emma", None) == "Emma"


@pytest.mark.parametrize(
    ("name", "region", "words", "suggestion"),
    [
        ("David", "ap-southeast-3", "damaged", "give the timbre's id"),
        ("Emma", "eu-west-0", "not published for eu-west-0", "ap-southeast-3, cn-east-3, cn-north-4"),
        ("Dania", "cn-north-4", "no timbre 'Dania'", "did you mean 'Daniel'?"),
        ("Zzzz", "cn-north-4", "no timbre 'Zzzz'", "give the timbre's id"),
    ],
)
def test_timbres_that_cannot_be_resolved(name: str, region: str, words: str, suggestion: str) -> None:
    """An id that nobody can vouch for is not sent."""
    with pytest.raises(InputError, match=words) as caught:
        read({"type": "timbre"}, name, region)
    assert suggestion in caught.value.suggestion


def test_an_input_with_a_default_is_not_required() -> None:
    """`required` follows from the default; `required: false` works without one."""
    assert spec_of(ADAPTER.validate_python({})).required
    assert not spec_of(ADAPTER.validate_python({"default": "x"})).required
    assert not spec_of(ADAPTER.validate_python({"required": False})).required


def test_every_type_says_what_it_is() -> None:
    """Each type has a docstring, which the reference shows."""
    for member in get_args(get_args(AnyInput)[0]):
        assert get_args(member)[0].__doc__


@given(
    st.sampled_from(
        ["string", "text", "ssml", "integer", "number", "boolean", "list", "map", "file", "asset", "timbre"]
    ),
    st.text(max_size=60),
)
def test_any_text_is_read_or_refused(kind: str, text: str) -> None:
    """No cell crashes the reading of inputs."""
    try:
        read_input(InputSpec(kind), text, "cn-north-4")
    except InputError:
        return


@pytest.mark.parametrize(
    ("declared", "given_value"),
    [
        ({"type": "map"}, r'{"a": "\ufdd0token\ufdd1"}'),
        ({"type": "map"}, r'{"\ufdd0token\ufdd1": 1}'),
        ({"type": "list"}, r'["\ufdd0token\ufdd1"]'),
        ({"type": "list"}, r'[["\ufdd0"]]'),
    ],
)
def test_no_escape_of_json_smuggles_a_secret_in(declared: dict[str, Any], given_value: str) -> None:
    """The marks of a secret show only when the cell has been read."""
    with pytest.raises(InputError, match=r"U\+FDD0"):
        read(declared, given_value)


@pytest.mark.parametrize("pattern", ["(a+)+$", "([a-z0-9]+-?)+", "(a|a)*", "(a|aa)+"])
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    """With a backtracking engine this test would not end."""
    with pytest.raises(InputError, match="does not match"):
        read({"type": "string", "pattern": pattern}, "a" * 5000 + "!")


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "[", "a{5000}"])
def test_a_pattern_that_re2_does_not_know_is_refused(pattern: str) -> None:
    """When the definition is read, not when a row is."""
    with pytest.raises(ValueError, match="not a regular expression that RE2 knows"):
        read({"type": "string", "pattern": pattern}, "a")
