import shlex

import pytest

from sev_scheduling import parse
from sev_scheduling.rules import fixes
from tests.unit.factories import flavor, image


def test_commands_that_change_the_flavor():
    request = parse(flavor())

    assert fixes.set_flavor(request, {'a:b': 'true', 'c': 'd'}) == (
        'openstack flavor set --property a:b=true --property c=d m1'
    )
    assert fixes.unset_flavor(request, 'a:b', 'c') == (
        'openstack flavor unset --property a:b --property c m1'
    )


def test_commands_that_change_the_image():
    request = parse(flavor(), image())

    assert fixes.set_image(request, a='true', b='c') == (
        'openstack image set --property a=true --property b=c ubuntu'
    )
    assert fixes.unset_image(request, 'trait:A') == (
        'openstack image unset --property trait:A ubuntu'
    )


def test_a_volume_is_changed_instead_of_its_image():
    request = parse(flavor(), {'image_id': '1', 'image_name': 'ubuntu'})

    assert fixes.set_image(request, a='b') == (
        'openstack volume set --image-property a=b VOLUME'
    )
    assert fixes.unset_image(request, 'a') == (
        'openstack volume unset --image-property a VOLUME'
    )


def test_what_has_no_name_has_a_placeholder():
    request = parse({'vcpus': 1, 'ram': 1})

    assert fixes.set_image(request, a='b').endswith(' IMAGE')
    assert fixes.unset_flavor(request, 'a').endswith(' FLAVOR')


@pytest.mark.parametrize('name', ['m1 big', "it's", '$(reboot)', 'a;b', '"'])
def test_names_and_keys_are_quoted_for_the_shell(name):
    request = parse(flavor(name=name), image(name=name))

    for command in (
        fixes.set_flavor(request, {'a': 'b'}),
        fixes.unset_flavor(request, name),
        fixes.set_image(request, a=name),
        fixes.unset_image(request, name),
    ):
        words = shlex.split(command)
        assert words[-1] == name
        assert words[4] in (name, 'a=b', f'a={name}')


@pytest.mark.parametrize(
    ('where', 'fix'),
    [
        ('flavor:a:b', 'openstack flavor unset --property a:b m1'),
        ('image:a', 'openstack image unset --property a ubuntu'),
        (
            'request',
            'Leave the device out, or attach it to an unencrypted server.',
        ),
    ],
)
def test_what_is_in_the_way_is_removed_where_it_stands(where, fix):
    assert fixes.unset(parse(flavor(), image()), where) == fix
