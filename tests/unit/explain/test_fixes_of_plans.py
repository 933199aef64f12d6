"""A plan of changes in words, and what has become of them."""

import shlex

import pytest

from sev_scheduling.audit import AuditFix, Change, Item, Outcome, Plan
from sev_scheduling.explain.fixes import ChangesPage, PlanPage
from sev_scheduling.problems import Caveat, Fix, Severity, Target


def fix(name, *, unset=(), caveats=(), **put):
    changes = [
        Fix(target=Target.IMAGE, name=name, set=put, caveats=caveats),
        Fix(target=Target.IMAGE, name=name, unset=unset, caveats=caveats),
    ]
    return AuditFix(
        Item(Target.IMAGE, name, f'{name}-id'),
        tuple(one for one in changes if one.command()),
        1,
        1,
    )


PLAIN = fix('a', hw_x='1')
UEFI = fix('b', caveats=(Caveat.BOOTS_WITH_UEFI,), hw_y='2', unset=('hw_z',))


def page(fixes=(), left_out=()):
    return PlanPage(Plan(tuple(fixes), tuple(left_out), None, None))


def test_the_commands_are_a_script():
    assert page([PLAIN], [UEFI]).script() == (
        'openstack image set --property hw_x=1 a\n'
        '# If the image boots with UEFI:\n'
        'openstack image set --property hw_y=2 b\n'
        'openstack image unset --property hw_z b'
    )
    assert page().script() == '# There is nothing to fix.'
    plan = Plan((), (), Severity.ERROR, Severity.ERROR)
    assert PlanPage(plan).script() == (
        '# No command fixes what is wrong; leave --fix and --apply out to see '
        'it.'
    )
    assert PlanPage(plan).preview() == PlanPage(plan).script()[2:]


def test_what_is_to_be_made_is_shown_before():
    assert page([PLAIN], [UEFI]).preview() == (
        'To change:\n'
        '  openstack image set --property hw_x=1 a\n'
        'Left out, as it depends on what is not known here; --accept NAME|ID '
        'of what meets its condition:\n'
        '  # If the image boots with UEFI:\n'
        '  openstack image set --property hw_y=2 b\n'
        '  openstack image unset --property hw_z b'
    )
    assert page().preview() == 'There is nothing to fix.'
    assert (
        page([], [UEFI])
        .preview()
        .startswith('There is nothing to fix without a condition.\nLeft out')
    )


@pytest.mark.parametrize(
    ('number', 'text'),
    [
        (1, 'Make this 1 change? [y/N] '),
        (3, 'Make these 3 changes? [y/N] '),
    ],
)
def test_the_question_counts(number, text):
    assert page([PLAIN] * number).question() == text


def test_all_that_was_made():
    found = ChangesPage(
        [Change(PLAIN, Outcome.DONE), Change(UEFI, Outcome.NOT_NEEDED)]
    )

    assert found.view() == (
        '1 change made.\n'
        '  done:\n'
        '    openstack image set --property hw_x=1 a\n'
        '  was right already:\n'
        '    openstack image set --property hw_y=2 b\n'
        '    openstack image unset --property hw_z b'
    )


def test_each_has_its_line_as_it_is_made():
    changes = [Change(PLAIN, Outcome.DONE), Change(UEFI, Outcome.REFUSED)]

    assert [ChangesPage(changes).line(change) for change in changes] == [
        '1 of 2 done: openstack image set --property hw_x=1 a',
        '2 of 2 refused: openstack image set --property hw_y=2 b; '
        'openstack image unset --property hw_z b',
    ]


def test_what_stopped_it():
    found = ChangesPage(
        [
            Change(PLAIN, Outcome.DONE, ('hw_x',)),
            Change(UEFI, Outcome.REFUSED, ('hw_y',), 'Glance says no.'),
            Change(PLAIN),
        ]
    )

    assert found.view() == (
        '1 of 3 changes made, then stopped.\n'
        '  done:\n'
        '    openstack image set --property hw_x=1 a\n'
        '  refused:\n'
        '    openstack image set --property hw_y=2 b\n'
        '    openstack image unset --property hw_z b\n'
        '    In part: hw_y changed.\n'
        '    Glance says no.\n'
        '  not done:\n'
        '    openstack image set --property hw_x=1 a'
    )
    assert found.reason == (
        '1 of 3 changes made, then stopped. Glance says no.'
    )


@pytest.mark.parametrize('outcome', Outcome)
def test_every_outcome_has_its_words(outcome):
    found = ChangesPage([Change(PLAIN, outcome)]).view().splitlines()

    assert len(found) == 3
    assert shlex.split(found[-1]) == PLAIN.changes[0].argv()


def test_what_nobody_agrees_to_is_not_made():
    assert page([PLAIN]).not_made == 'Nothing was changed.'
