"""What aggregates say of their hosts."""

import pytest

from sev_scheduling.hosts.aggregates import (
    MACHINE_TYPE_KEY,
    Contradiction,
    machine_types_of,
    parse_machine_types,
)


@pytest.mark.parametrize(
    ('entries', 'found'),
    [
        ([], {}),
        (['q35'], {'x86_64': 'q35'}),
        (['x86_64=q35', 'aarch64=virt'], {'x86_64': 'q35', 'aarch64': 'virt'}),
        ([' x86_64 = pc-q35-8.2 '], {'x86_64': 'pc-q35-8.2'}),
        (['q35', 'x86_64=q35'], {'x86_64': 'q35'}),
    ],
)
def test_machine_types_in_nova_s_list_format(entries, found):
    assert parse_machine_types(entries) == found


@pytest.mark.parametrize(
    ('entries', 'told'),
    [
        ([''], "'' is not of the form x86_64=q35 or q35"),
        ([' '], 'is not of the form'),
        (['='], "'=' is not of the form"),
        (['x86_64='], "'x86_64=' is not"),
        (['=q35'], "'=q35' is not"),
        (['x86_64=q35=pc'], "'x86_64=q35=pc' is not"),
        (['q35', 'x86_64=pc'], "'x86_64' stands there twice"),
        (['a\n=b='], r"'a\n=b=' is not"),
    ],
)
def test_entries_of_another_format(entries, told):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        parse_machine_types(entries)
    assert told in str(raised.value)
    assert '\n' not in str(raised.value)


def said(**values):
    return [(n, {MACHINE_TYPE_KEY: text}) for n, text in values.items()]


@pytest.mark.parametrize(
    ('values', 'found'),
    [
        pytest.param({}, {}, id='no aggregate'),
        pytest.param({'a': 'q35'}, {'x86_64': 'q35'}, id='one'),
        pytest.param(
            {'a': 'pc-q35-8.2', 'b': 'q35'}, {'x86_64': 'q35'}, id='versions'
        ),
        pytest.param(
            {'a': 'q35', 'b': 'aarch64=virt'},
            {'x86_64': 'q35', 'aarch64': 'virt'},
            id='of different architectures',
        ),
    ],
)
def test_aggregates_that_agree(values, found):
    theirs = machine_types_of([('other', {}), *said(**values)])

    assert theirs.found == found
    assert theirs.contradictions == theirs.unusable == ()


def test_a_contradiction_leaves_that_architecture_unknown():
    theirs = machine_types_of(said(a='q35,aarch64=virt', b='pc', c='q35'))

    assert theirs.found == {'aarch64': 'virt'}
    assert theirs.contradictions == (
        Contradiction('x86_64', ('a', 'q35'), ('b', 'pc')),
    )


def test_what_cannot_be_read_is_named_and_the_others_count():
    theirs = machine_types_of(said(a='=', b='q35'))

    assert theirs.found == {'x86_64': 'q35'}
    assert [name for name, _ in theirs.unusable] == ['a']
