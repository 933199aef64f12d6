import pytest

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
