import pytest

from sev_scheduling import Fix
from sev_scheduling.explain.fixes import Step, brief
from sev_scheduling.problems import Advice, Target

SET = {'a:b': '1', 'c': '2'}
LEAVE = Fix(advice=Advice.LEAVE_DEVICE_OUT)
CORRECT = Fix(advice=Advice.CORRECT_NAME)


@pytest.mark.parametrize(
    ('fix', 'text', 'short'),
    [
        (
            Fix(target=Target.FLAVOR, name='m1', set=SET),
            'openstack flavor set --property a:b=1 --property c=2 m1',
            'set a:b=1, c=2 on flavor m1',
        ),
        (
            Fix(target=Target.FLAVOR, name='a b', unset=('x', 'y')),
            "openstack flavor unset --property x --property y 'a b'",
            'remove x, y from flavor a b',
        ),
        (
            Fix(target=Target.IMAGE, set={'c': '2'}),
            'openstack image set --property c=2 IMAGE',
            'set c=2 on the image',
        ),
        (
            Fix(target=Target.IMAGE, name='u', unset=('x',)),
            'openstack image unset --property x u',
            'remove x from image u',
        ),
        (
            Fix(target=Target.VOLUME, set={'c': '2'}),
            'openstack volume set --image-property c=2 VOLUME',
            'set c=2 on the volume',
        ),
        (
            Fix(target=Target.VOLUME, unset=('x',)),
            'openstack volume unset --image-property x VOLUME',
            'remove x from the volume',
        ),
        (
            Fix(target=Target.HOST, set={'[a] b': '1'}),
            'Set [a] b = 1 in nova.conf of every such host.',
            'set [a] b = 1 in nova.conf of every such host',
        ),
        (
            Fix(target=Target.HOST, name='epyc', unset=('[a] b',)),
            'Remove [a] b from nova.conf of epyc.',
            'remove [a] b from nova.conf of epyc',
        ),
        (
            Fix(target=Target.SERVER, name='5e1f', set={'c': '2'}),
            'nova-manage image_property set --property c=2 5e1f',
            'set c=2 with nova-manage image_property on server 5e1f',
        ),
        (
            Fix(advice=Advice.ANOTHER_FLAVOR),
            'Resize the server to another flavor.',
            'resize the server to another flavor',
        ),
        (
            LEAVE,
            'Leave the device out, or attach it to an unencrypted server.',
            'leave the device out, or attach it to an unencrypted server',
        ),
        (
            Fix(target=Target.IMAGE, name='u', unset=('x',),
                alternatives=(CORRECT, LEAVE)),
            'openstack image unset --property x u (or correct the name or '
            'leave the device out, or attach it to an unencrypted server)',
            'remove x from image u',
        ),
    ],
)  # fmt: skip
def test_a_fix_in_words(fix, text, short):
    assert str(fix) == text
    assert brief(fix) == short


@pytest.mark.parametrize(
    ('step', 'words'),
    [
        (Step('ask for less'), 'and for 2 of them, ask for less'),
        (Step('wait', other=True), 'or for 2 of them, wait'),
        (Step('wait', beside=True), 'and for 2 of them, wait'),
    ],
)
def test_a_step_for_some_of_the_hosts_says_how_it_follows_another(step, words):
    assert step.of_some(2).words == words
