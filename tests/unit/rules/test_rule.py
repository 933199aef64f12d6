"""The fixes that rules make, and the problems of one request."""

from dataclasses import replace

import pytest

from sev_scheduling import Code, Field, Fix, parse
from sev_scheduling.problems import Advice, Severity, Source, Target
from sev_scheduling.rules.rule import (
    error,
    set_flavor,
    set_image,
    unset,
    warning,
)
from tests.unit.factories import ON, flavor, image

REQUEST = parse(flavor(ON), image())
VOLUME = parse(flavor(), {'image_id': '1', 'image_name': 'ubuntu'})
NAMELESS = parse({'vcpus': 1, 'ram': 1}, {})
KEY = Field(Source.IMAGE, 'a')


@pytest.mark.parametrize(
    ('fix', 'expected'),
    [
        (
            set_flavor(REQUEST, {'a:b': 'true'}),
            Fix(target=Target.FLAVOR, name='m1', set={'a:b': 'true'}),
        ),
        (
            unset(REQUEST, Field(Source.FLAVOR, 'a:b')),
            Fix(target=Target.FLAVOR, name='m1', unset=('a:b',)),
        ),
        (
            set_image(REQUEST, {'a': 'b'}),
            Fix(target=Target.IMAGE, name='ubuntu', set={'a': 'b'}),
        ),
        (
            unset(REQUEST, KEY, alternatives=(Fix(),)),
            Fix(
                target=Target.IMAGE,
                name='ubuntu',
                unset=('a',),
                alternatives=(Fix(),),
            ),
        ),
        # A volume has a copy of what its image said.
        (
            set_image(VOLUME, {'a': 'b'}),
            Fix(target=Target.VOLUME, set={'a': 'b'}),
        ),
        (unset(VOLUME, KEY), Fix(target=Target.VOLUME, unset=('a',))),
        (
            set_image(NAMELESS, {'a': 'b'}),
            Fix(target=Target.IMAGE, set={'a': 'b'}),
        ),
    ],
)
def test_a_fix_goes_to_where_the_field_stands(fix, expected):
    assert fix == expected


@pytest.mark.parametrize(
    ('make', 'severity'),
    [(error, Severity.ERROR), (warning, Severity.WARNING)],
)
def test_a_problem_knows_who_asks_for_encryption(make, severity):
    problem = make(REQUEST, Code.HOST_DEVICE, KEY, Fix(), value='x')

    assert (problem.severity, problem.value) == (severity, 'x')
    assert problem.requesters == REQUEST.requesters


SERVER = replace(REQUEST, server='5e1f')
NOVA_CONF = Fix(target=Target.HOST, set={'[a] b': 'c'})
RESIZE = Fix(advice=Advice.ANOTHER_FLAVOR)


@pytest.mark.parametrize(
    ('fix', 'expected'),
    [
        pytest.param(
            set_image(REQUEST, {'a': 'b'}, alternatives=(NOVA_CONF, Fix())),
            Fix(
                target=Target.SERVER,
                name='5e1f',
                set={'a': 'b'},
                alternatives=(NOVA_CONF,),
            ),
            id='a property is set on the server',
        ),
        pytest.param(
            set_image(VOLUME, {'a': 'b'}),
            Fix(target=Target.SERVER, name='5e1f', set={'a': 'b'}),
            id='that of a volume too',
        ),
        pytest.param(
            set_flavor(REQUEST, {'a': 'b'}), RESIZE, id='the flavor is another'
        ),
        pytest.param(
            unset(REQUEST, KEY), RESIZE, id='nova-manage removes no property'
        ),
        pytest.param(
            Fix(advice=Advice.ANOTHER_ARCHITECTURE), RESIZE, id='advice'
        ),
        pytest.param(
            Fix(advice=Advice.LEAVE_DEVICE_OUT),
            Fix(advice=Advice.LEAVE_DEVICE_OUT),
            id='a device can be left out of a server',
        ),
        pytest.param(NOVA_CONF, NOVA_CONF, id='hosts are what they were'),
    ],
)
def test_a_fix_of_a_server_that_exists_reaches_it(fix, expected):
    found = error(SERVER, Code.HOST_DEVICE, KEY, fix)
    assert found.fix == expected
    assert found.fix.set == expected.set


def test_a_fix_made_for_a_server_stays():
    fix = set_image(SERVER, {'a': 'b'})
    assert fix.target is Target.SERVER
    assert error(SERVER, Code.HOST_DEVICE, KEY, fix).fix is fix
