"""The page of every text has each text of the catalogue once."""

import importlib
import itertools
import pathlib

import pytest

EXT = pathlib.Path(__file__).parents[2] / 'doc/source/_ext'


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(EXT))
    return importlib.import_module('everytext')


def test_every_text_can_be_printed(page):
    for module in page.MODULES.values():
        for table, key, template in page.texts(module):
            lines = page.rendered(template, key.partition(' ')[0])
            assert 1 <= len(lines) <= 2, (table, key)
            assert not any('{' in line for line in lines)


def test_no_text_of_the_catalogue_is_left_out(page):
    catalogue = page.catalogue
    printed = [
        text
        for module in page.MODULES.values()
        for _, _, text in page.texts(module)
    ]

    for row in (
        *catalogue.hosts.VERDICTS.values(),
        *catalogue.placement.CAUSES.values(),
    ):
        texts = {getattr(row, name) for name in row.__slots__}
        assert texts - {''} <= {*printed}
    for row in catalogue.request.PROBLEMS.values():
        assert {row.text, row.line} - {''} <= {*printed}
    for operator, tenant in catalogue.hosts.HEADLINES.values():
        assert {operator, tenant} <= {*printed}
    assert {*catalogue.fixes.ADVICE.values()} <= {*printed}
    for row in catalogue.NOTES.values():
        assert row.text in printed
    assert printed.count(catalogue.rows.ASK_OPERATOR) == 1 + sum(
        row.tenant_advice == catalogue.rows.ASK_OPERATOR
        for row in (
            *catalogue.hosts.VERDICTS.values(),
            *catalogue.placement.CAUSES.values(),
        )
    )


def test_numbers_agree_with_their_nouns(page):
    wrong = []
    for module in page.MODULES.values():
        for table, key, template in page.texts(module):
            code = key.partition(' ')[0]
            for line in page.rendered(template, code):
                words = line.replace('(', ' ').split()
                wrong += [
                    (table, key, line)
                    for number, noun in itertools.pairwise(words)
                    if number == '1' and noun.rstrip('.,;:') in PLURALS
                ]
    assert wrong == []


PLURALS = {'claims', 'guests', 'hosts', 'servers', 'slots'}
