import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling import Code, Field, Fix, Problem, Severity, merge
from sev_scheduling.problems import Target, advice, message


def problem(severity=Severity.ERROR, **facts):
    return Problem(
        code=Code.HOST_DEVICE,
        severity=severity,
        field=Field('request'),
        fix=Fix(),
        **facts,
    )


def test_an_error_refuses_and_a_warning_does_not():
    assert problem(Severity.ERROR).is_error
    assert not problem(Severity.WARNING).is_error


def test_codes_and_severities_are_their_own_text():
    assert problem().code == 'host-device'
    assert Severity('error') is Severity.ERROR


@pytest.mark.parametrize(
    ('field', 'text'),
    [
        (Field('image', 'hw_disk_bus', 'ubuntu'), 'image:hw_disk_bus'),
        (Field('flavor', 'trait:A'), 'flavor:trait:A'),
        (Field('request'), 'request'),
    ],
)
def test_a_field_is_its_source_and_key(field, text):
    assert str(field) == text


@pytest.mark.parametrize('words', [message, advice])
def test_what_the_catalogue_does_not_know_has_no_words(words):
    with pytest.raises(TypeError, match='dict has no row in the catalogue'):
        words({})


@pytest.mark.parametrize(
    ('fix', 'command'),
    [
        pytest.param(
            Fix(target='volume', name='root', unset=('a',)),
            'openstack volume unset --image-property a root',
            id='a property of a volume that goes',
        ),
        pytest.param(
            Fix(target='image', name='--help', set={'a': '$(id) b'}),
            "openstack image set --property 'a=$(id) b' -- --help",
            id='a name that looks like an option',
        ),
        pytest.param(
            Fix(target='host', name='epyc', set={'a': 'b'}), '', id='a host'
        ),
        pytest.param(Fix(target='image', name='u'), '', id='no change'),
        pytest.param(
            Fix(target=Target.SERVER, name='5e1f', set={'a': 'b', 'c': 'd e'}),
            "nova-manage image_property set --property a=b --property 'c=d e' "
            '5e1f',
            id='a server',
        ),
        pytest.param(
            Fix(target=Target.SERVER, name='5e1f', unset=('a',)),
            '',
            id='what nova-manage cannot do',
        ),
        pytest.param(Fix(advice='new-server'), '', id='advice'),
    ],
)
def test_commands(fix, command):
    assert fix.command() == command
    assert shlex.split(command) == fix.argv()


TEXT = st.text(min_size=1, max_size=20).filter(str.isprintable)


@given(st.sampled_from(['flavor', 'image', 'volume']), TEXT, TEXT, TEXT)
def test_a_shell_reads_a_command_as_it_was_meant(target, name, key, value):
    fix = Fix(target=Target(target), name=name, set={key: value})
    words = shlex.split(fix.command())

    assert words == fix.argv()
    assert words[-1] == name
    assert f'{key}={value}' in words


def test_fixes_of_one_target_become_one_command_each_for_set_and_unset():
    image = {'target': 'image', 'name': 'u'}
    fixes = [
        Fix(**image, set={'a': '1'}, alternatives=(Fix(advice='new-server'),)),
        Fix(advice='new-server'),
        Fix(**image, unset=('x',)),
        Fix(target='flavor', name='u', set={'a': '2'}),
        Fix(target='image', name='other', set={'a': '3'}),
        Fix(**image, set={'b': '2'}),
        Fix(**image, unset=('x', 'y')),
        Fix(advice='new-server'),
    ]

    assert merge(fixes) == [
        Fix(**image, set={'a': '1', 'b': '2'}),
        Fix(advice='new-server'),
        Fix(**image, unset=('x', 'y')),
        Fix(target='flavor', name='u', set={'a': '2'}),
        Fix(target='image', name='other', set={'a': '3'}),
    ]


def test_codes_are_frozen():
    assert [str(code) for code in Code] == [
        'invalid-boolean',
        'encryption-conflict',
        'unknown-model',
        'model-conflict',
        'model-without-encryption',
        'misspelt-key',
        'firmware-not-uefi',
        'firmware-not-stateless',
        'secure-boot-unsupported',
        'machine-type-not-q35',
        'machine-type-unset',
        'architecture-unsupported',
        'disk-bus-unsupported',
        'cdrom-bus-unsupported',
        'video-device-present',
        'host-device',
        'trait-conflict',
        'trait-without-encryption',
        'explicit-slot',
        'invalid-resource-request',
        'action-unsupported',
        'rebuild-needs-slot',
        'rebuild-changes-model',
        'rebuild-not-undone',
        'rescue-drops-encryption',
    ]
