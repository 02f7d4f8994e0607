"""Whatever the bytes are, the parser answers with a mapping or with a place and a remedy, soon."""

import contextlib
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from erlctl.errors import SpecError
from erlctl.spec import parser
from tests.spec.conftest import BASE

DEEP = 100_000


def refusal(data: str | bytes) -> str:
    """Return the only problem."""
    data = data.encode() if isinstance(data, str) else data
    with pytest.raises(SpecError) as caught:
        parser.parse(data, "s", [])
    (problem,) = caught.value.problems
    return str(problem)


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def _either_loader(request, monkeypatch):
    """Run with libyaml and with PyYAML's own parser, which not every machine has both of."""
    monkeypatch.setattr(parser, "_LOADER", getattr(yaml, request.param))


@pytest.mark.usefixtures("_either_loader")
@pytest.mark.parametrize(("text", "place", "words"), [
    (BASE + "training:\n\tsteps: 3\n", "5:1", "a tab is used for indentation"),
    (BASE + "training:\n  steps: 3\n\tbatch_size: 3\n", "6:1", "a tab is used for indentation"),
    (BASE + "network: {hidden: [64, 64\n", "4:19", "this '[' is not closed"),
    (BASE + "network: {hidden: [64]\nx: 1\n", "4:10", "this '{' is not closed"),
    (BASE + 'x: "abc\n', "5:1", "quoted scalar"),
    (BASE + "---\n" + BASE, "4:1", "a second document starts here"),
    (BASE + "x: @a\n", "4:4", "cannot start any token"),
    (BASE + "? [a]\n: b\n", "4:3", "a key must be a single word, got a list of 1 value"),
    (BASE + "x: *foo\n", "4:4", "the alias *foo is not allowed"),
    ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "1:4", "the anchor &a is not allowed"),
    (BASE + "training: {<<: {steps: 3}}\n", "4:12", "the merge key << is not allowed"),
    (BASE + "x: !!python/object/apply:os.system [ls]\n", "4:4", "os.system is not allowed"),
    (BASE + "x: !!int 3\n", "4:4", "types follow from the key"),
    # At 4:35, or where newer libyaml ends by itself.
    (BASE + "x: " + "[" * DEEP, "4", "nested more than 32 deep"),
    (BASE + "x: " + "[" * DEEP + "]" * DEEP, "4", "nested more than 32 deep"),
    ("".join(f"{' ' * n}k:\n" for n in range(1000)), "32:32", "nested more than 32 deep"),
    ("- a\n- b\n", "1:1", "a spec is a mapping `key: value` at its top, got a list of 2 values"),
    ("hello\n", "1:1", "got the text 'hello'"),
    ("", "1:1", "the file is empty; a spec needs at least name:"),
    ("# only a comment\n", "1:1", "the file is empty"),
    ("---\n", "1:1", "the file is empty"),
])
def test_a_broken_file_is_refused_at_its_place(text, place, words):
    message = refusal(text)
    assert message.startswith(f"s:{place}:")
    assert words in message


@pytest.mark.parametrize(("data", "words"), [
    (BASE.encode("utf-16"), "UTF-16"),
    (BASE.encode("utf-16-le"), "UTF-16"),
    (BASE.encode("utf-16-be"), "UTF-16"),
    (bytes(range(256)), "not a text at all"),
    (b"\x89PNG\r\n\x1a\n", "byte 0x89 is not UTF-8"),
    (BASE.encode() + b"# caf\xe9", "s:4:6: byte 0xe9 is not UTF-8"),
    (BASE.encode() + b"x: \x07", "s:4:4: character U+0007 is not allowed"),
    ((BASE + "x: a\u2028b").encode(), "s:4:5: character U+2028 is not allowed"),
])
def test_bytes_that_are_no_utf_8_text_are_refused(data, words):
    assert words in refusal(data)
    assert "save it as UTF-8" in refusal(data)


@pytest.mark.parametrize("data", [
    b"\xef\xbb\xbf" + BASE.encode(), BASE.replace("\n", "\r\n").encode(),
    b"%YAML 1.2\n---\n" + BASE.encode(), BASE.encode() + b"...\n",
])
def test_byte_order_mark_windows_lines_and_document_marks_are_fine(data):
    assert list(parser.parse(data, "s", []).keys) == ["name", "environment", "agent"]


@pytest.mark.parametrize("text", [
    "x: " + "[" * DEEP, "x: " + "{a: " * DEEP, "x: " + "a" * 1_000_000,
    "".join(f"k{n}: 1\n" for n in range(90_000)), "- x\n" * 250_000, "'" * 1_000_000,
])
def test_no_file_of_the_largest_size_takes_a_second(text):
    start = time.process_time()
    with contextlib.suppress(SpecError):
        parser.parse(text.encode(), "s", [])
    assert time.process_time() - start < 1


def test_too_many_values_are_refused():
    assert "more than 20000 values" in refusal("".join(f"k{n}: 1\n" for n in range(60_000)))


def test_duplicate_keys_are_problems_that_do_not_stop_the_reading():
    problems = []
    tree = parser.parse(b"a: 1\nb: {c: 1, c: 2}\na: 3\n", "s", problems)
    assert [str(problem) for problem in problems] == [
        "s:2:11: b.c: duplicate key: it was already given in line 2; remove one of them",
        "s:3:1: a: duplicate key: it was already given in line 1; remove one of them",
    ]
    assert tree.get("a").value == 1


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode)
       | st.text("{}[]:,-&*!|>'\"%@`? \n\tab#", max_size=60).map(str.encode))
def test_no_bytes_make_anything_but_a_mapping_or_a_spec_error(data):
    with contextlib.suppress(SpecError):
        assert parser.parse(data, "s", []).where.source == "s"
