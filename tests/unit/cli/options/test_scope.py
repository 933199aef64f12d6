import argparse

import pytest

from sev_scheduling.cli.options.scope import read_scope
from sev_scheduling.exceptions import InputError

UUID = '3fd1e6a2-0000-4000-8000-00000000000a'


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (['--aggregate', ''], 'empty'),
        (['--aggregate', f'{UUID},'], 'empty'),
        (['--required', 'fast'], "'fast' is no trait"),
        (['--forbidden', '!CUSTOM_A'], "'!CUSTOM_A' is no trait"),
    ],
)
@pytest.mark.parametrize('command', ['explain', 'schedule', 'capacity'])
def test_an_option_that_cannot_be_meant_is_refused(
    run, flavor, command, options, named
):
    request = ['--flavor', flavor('m1.sev')] * (command != 'capacity')
    ran = run(command, *request, '--cloud', 'none.yaml', *options)

    assert (ran.status, ran.out) == (2, '')
    assert options[0] in ran.err
    assert named in ran.err


def test_a_trait_is_not_both_required_and_forbidden():
    parsed = argparse.Namespace(
        required=['CUSTOM_A', 'CUSTOM_B'], forbidden=['CUSTOM_B']
    )

    with pytest.raises(InputError, match='both name CUSTOM_B; give one'):
        read_scope(parsed, None)
