"""Every code has a row, and every row can be rendered in every view."""

import inspect
import re
import string

import pytest

from sev_scheduling.diagnosis import NO_CANDIDATE, Cause
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values.naming import Count
from sev_scheduling.hosts.verdict import VerdictCode
from sev_scheduling.problems import Advice, Code, Target

SUBJECTS = [*filter(inspect.ismodule, vars(catalogue).values())]


class _Anything(dict):
    """Has a value of every name; numbers choose words."""

    def __missing__(self, name):
        return Count(2) if name == 'n' else _Value(f'<{name}>')


class _Value(str):
    __slots__ = ()

    def __format__(self, spec):
        return f'{Count(2):{spec}}' if '|' in spec else str(self)


def test_a_row_stands_in_one_module():
    notes = [vars(module).get('NOTES', {}) for module in SUBJECTS]
    names = [
        name
        for module in SUBJECTS
        for name, value in vars(module).items()
        if isinstance(value, dict) and name.isupper() and name != 'NOTES'
    ]

    assert sum(map(len, notes)) == len(catalogue.NOTES)
    assert len(names) == len({*names})


def templates():
    """Yield every text of the catalogue, with the name of its table."""
    tables = {
        name: table
        for module in SUBJECTS
        for name, table in vars(module).items()
        if name[0].isupper() and name.isupper() and name != 'NOTES'
    }
    for name, table in tables.items():
        if isinstance(table, dict):
            for key, row in table.items():
                texts = row
                if isinstance(
                    row, (catalogue.rows.Row, catalogue.rows.ProblemRow)
                ):
                    texts = [
                        getattr(row, slot)
                        for slot in row.__slots__
                        if slot != 'asked'
                    ]
                for text in [texts] if isinstance(texts, str) else texts:
                    yield pytest.param(text, id=f'{name} {key} {text[:20]}')
        else:
            yield pytest.param(table, id=name)


@pytest.mark.parametrize(
    ('table', 'codes'),
    [
        (catalogue.request.PROBLEMS, Code),
        (catalogue.hosts.VERDICTS, {*VerdictCode, NO_CANDIDATE}),
        (catalogue.placement.CAUSES, {*Cause} - {Cause.NONE}),
    ],
    ids=['problems', 'verdicts', 'causes'],
)
def test_every_code_has_a_row(table, codes):
    assert {code for code, _ in table} == {*codes}


def test_all_advice_and_every_change_has_words():
    assert catalogue.fixes.ADVICE.keys() == {*Advice}
    assert catalogue.fixes.CHANGES.keys() == {
        (target, sets) for target in Target for sets in (True, False)
    }


def test_every_kind_of_constraint_has_a_name():
    assert catalogue.placement.CONSTRAINTS.keys() == {*Cause} - {
        Cause.NONE,
        Cause.UNKNOWN_NAME,
        Cause.NO_MODEL,
        Cause.GUESTS,
        Cause.SEVERAL,
        Cause.COMBINATION,
        Cause.UNCLEAR,
        Cause.UNKNOWN,
    }


@pytest.mark.parametrize('template', [*templates()])
def test_a_template_makes_one_clean_line(template):
    text = template.format_map(_Anything())

    assert (
        text == ' '.join(text.split()) or template is catalogue.request.ASKED
    )
    assert '{' not in text
    assert not re.search(r'\.\.|;\.|,\.', text)


@pytest.mark.parametrize('template', [*templates()])
def test_what_chooses_words_by_number_has_both(template):
    for _, _, spec, _ in string.Formatter().parse(template):
        if spec:
            assert len(spec.split('|')) == 2


TENANT = [
    pytest.param(row, id=f'{code} {case}')
    for table in (catalogue.hosts.VERDICTS, catalogue.placement.CAUSES)
    for (code, case), row in table.items()
]


@pytest.mark.parametrize('row', TENANT)
def test_tenants_read_whole_sentences_without_names_and_numbers(row):
    for text in filter(None, (row.tenant, row.tenant_advice)):
        assert text[0].isupper()
        assert text.endswith('.') or text.endswith('{command}')
    names = {n for _, n, _, _ in string.Formatter().parse(row.tenant) if n}
    assert names.isdisjoint(
        {'host', 'n', 'used', 'usable', 'reserved', 'free', 'total', 'these'}
        | {'figures', 'slots_used', 'slots_total', 'ratios', 'hypervisors'}
    )
