"""The page of codes has a section for each code, and its example is one."""

import importlib
import pathlib

import pytest

from sev_scheduling import Cause, Code, VerdictCode

EXT = pathlib.Path(__file__).parents[2] / 'doc/source/_ext'


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(EXT))
    return importlib.import_module('codeexamples')


def test_every_example_has_its_code_and_no_other(page):
    wrong = []
    for kind in ('request', 'host', 'placement'):
        for code in page.codes(kind):
            found = [e for _, e in page.found_in(code)]
            if not found or any(
                [r.code for r in explanation.reasons] != [code]
                for explanation in found
            ):
                wrong.append((code, found))

    assert wrong == []


def test_every_code_of_the_library_is_in_one_of_the_lists(page):
    listed = [
        code
        for kind in ('request', 'host', 'placement')
        for code in page.codes(kind)
    ]

    assert len(listed) == len({*listed})
    assert {*Code, *VerdictCode, *Cause} - {*listed} == {Cause.NONE}
