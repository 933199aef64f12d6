"""The page of every text has each text of the catalogue once."""

import importlib
import itertools
import pathlib
import re
import string

import pytest

from sev_scheduling.explain.values.naming import Count

WRONG_LINES = (
    *('1 hosts', '1 of 1 pairs', '1 more amd-sev guests', '2 host', '0 slot.'),
    *('1 slot(s)', '1 are disabled', '2 is disabled', '(1 warnings)'),
)
RIGHT_LINES = (
    *('1 host', '0 of 1 host', '0 guests', '1 is disabled', '2 have none'),
    *('1 of 2 guests fits', 'so none was placed; ask for 1.', '11 hosts'),
)

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


def numbers_in(page, template):
    """Return the names of the values of a template that are numbers."""
    return {
        name
        for _, name, spec, _ in string.Formatter().parse(template)
        if name
        and ('|' in spec or name == 'n' or type(page.VALUES.get(name)) is int)
    }


def test_numbers_agree_with_their_nouns(page):
    """Every text with 0, 1 and 2 in place of each of its numbers."""
    printed = []
    such = page.catalogue.placement.SUCH_HOSTS['free']
    for module in page.MODULES.values():
        for table, key, template in page.texts(module):
            values = {**page.VALUES, **page.values_of(key.partition(' ')[0])}
            names = numbers_in(page, template)
            for number in (0, 1, 2) if names else ():
                given = values | dict.fromkeys(names, Count(number))
                # Made of the number of hosts.
                given['such'] = such.format(n=Count(number), model='amd-sev')
                line = template.format_map(page.Values(given))
                printed.append((table, key, number, line))

    assert len(printed) > 200
    assert [one for one in printed if disagreement(one[-1])] == []


PLURALS = {
    *('bytes', 'changes', 'claims', 'guests', 'hosts', 'images', 'pairs'),
    *('places', 'problems', 'providers', 'seconds', 'servers', 'slots'),
    *('steps', 'uuids', 'warnings', 'have', 'are', 'do', 'fit', 'ask'),
}
SINGULARS = {
    *(noun.removesuffix('s') for noun in PLURALS if noun.endswith('s')),
    *('is', 'does', 'fits', 'asks'),
}


def disagreement(line):
    """Return a number and the noun that does not agree with it, if any."""
    if '(s)' in line:
        return '(s)'
    words = re.sub(r'amd-sev|more|free|[(),.:;]', '', line).split()
    for number, noun in itertools.pairwise(words):
        if (number == '1' and noun in PLURALS) or (
            number in ('0', '2') and noun in SINGULARS
        ):
            return f'{number} {noun}'
    return ''


@pytest.mark.parametrize(
    ('line', 'wrong'),
    [
        *((line, True) for line in WRONG_LINES),
        *((line, False) for line in RIGHT_LINES),
    ],
)
def test_what_disagrees_is_found(line, wrong):
    assert bool(disagreement(line)) is wrong
