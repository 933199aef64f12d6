"""What Placement answers one step: None where it does not, and one warning."""

from __future__ import annotations

import logging

import pytest

from sev_scheduling import opts
from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.nova.lookups import Answers, Lookups
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.warning_log import Warnings
from tests.unit.nova.factories import SERVER, SEV


@pytest.fixture
def answers(world):
    """Answers about a cloud of one host, whose slot a server holds."""
    world.claim(world.pool(world.host('alpha')))

    def make(**options):
        options = Options(**options)
        lookups = Lookups(options)
        return Answers(lookups, lookups.deadline(), options, Warnings())

    return make


def ask_all(answers):
    return [
        answers.slots(),
        answers.held_models(SERVER),
        answers.providers_with('a provider'),
        answers.providers(),
    ]


def test_each_look_up_is_answered(answers):
    found = answers()
    assert found.providers().has('a provider') is False
    assert len(found.slots().hosts) == 1
    assert [model.name for model in found.held_models(SERVER)] == [SEV]


@pytest.mark.parametrize('policy', [opts.PROTECTED, opts.PASS, opts.REFUSE])
def test_a_failure_is_logged_once_and_answered_as_nothing(
    answers, broken, caplog, policy
):
    found = answers(on_placement_failure=policy)
    broken(PlacementUnavailable('It is down.'))
    with caplog.at_level(logging.WARNING):
        assert ask_all(found) == [None] * 4
    (record,) = caplog.records
    assert record.getMessage() == (
        'Look-ups for encrypted guests fail, and on_placement_failure is '
        f'{policy}: It is down.'
    )


@pytest.mark.parametrize(
    ('policy', 'known'),
    [(opts.PROTECTED, True), (opts.PASS, True), (opts.REFUSE, False)],
)
def test_what_was_known_of_providers_is_used_unless_guests_are_refused(
    answers, broken, clock, policy, known
):
    found = answers(on_placement_failure=policy)
    before = found.providers()
    broken(PlacementUnavailable('It is down.'))
    clock.now += 3600.0
    assert found.providers() is (before if known else None)
