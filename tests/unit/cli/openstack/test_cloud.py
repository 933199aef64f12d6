import pytest

from sev_scheduling import parse
from sev_scheduling.cli.openstack import OpenStackCloud
from sev_scheduling.exceptions import CloudDenied, CloudError, InputError
from tests.unit.cli.openstack_services import new_id, services


@pytest.fixture
def cloud():
    with services() as running:
        yield running


@pytest.fixture
def seen(cloud):
    return OpenStackCloud(cloud.connection())


UUID = '4b4c0b3e-37e5-4a3c-8e8c-2f7a3b1c0d9e'

HOSTILE = [
    *('--help', '-', '..', 'detail', 'a/b', '?x=1', '#', '%2e', '$(id)'),
    *('<script>', 'eq:x', 'in:a,b', 'a"b', "it's", '\u05d0\u05d1', '.*', '|'),
]


@pytest.mark.parametrize('name', [*HOSTILE, 'two\nlines', '\u202eevil', ' a '])
@pytest.mark.parametrize('noun', ['flavor', 'image', 'volume', 'server'])
def test_any_name_finds_its_thing_and_no_other(cloud, seen, noun, name):
    getattr(cloud, noun)('another')
    made = getattr(cloud, noun)(name)
    getattr(cloud, noun)(f'{name}{name}')

    assert getattr(seen, noun)(name)['id'] == made['id']
    assert getattr(seen, noun)(made['id'])['id'] == made['id']


@pytest.mark.parametrize('noun', ['flavor', 'image', 'volume'])
@pytest.mark.parametrize(
    ('name', 'kept'),
    [
        *((name, True) for name in HOSTILE),
        ('two\nlines', False),
        ('\u202eevil', False),
        (' a ', False),
        ('', False),
        (UUID, False),
    ],
)
def test_a_name_that_a_command_could_not_carry_gives_way_to_the_id(
    cloud, seen, noun, name, kept
):
    made = getattr(cloud, noun)(name)
    expected = name if kept else made['id']

    assert getattr(seen, noun)(made['id'])['name'] == expected
    lists = {'volume': 'bootable_volumes'}
    (listed,) = getattr(seen, lists.get(noun, f'{noun}s'))()
    assert listed['name'] == expected


@pytest.mark.parametrize('noun', ['image', 'volume'])
def test_of_several_with_one_name_the_ids_are_named(cloud, seen, noun):
    ids = [getattr(cloud, noun)('twin')['id'] for _ in range(2)]

    with pytest.raises(InputError) as raised:
        getattr(seen, noun)('twin')

    assert all(one in str(raised.value) for one in ids)
    # By its id, one is found, and its commands will name it so.
    assert getattr(seen, noun)(ids[0])['name'] == ids[0]


def test_several_servers_with_one_name_are_an_error_too(cloud, seen):
    ids = [cloud.server('twin')['id'] for _ in range(3)]

    with pytest.raises(InputError) as raised:
        seen.server('twin')

    assert all(one in str(raised.value) for one in ids)


@pytest.mark.parametrize('noun', ['flavor', 'image', 'volume', 'server'])
@pytest.mark.parametrize('name', ['nothing', UUID, '../flavors/1', ''])
def test_what_is_not_there_is_named_in_one_line(cloud, seen, noun, name):
    getattr(cloud, noun)('another')

    with pytest.raises(InputError) as raised:
        getattr(seen, noun)(name)

    assert f'{noun} {name!r}' in str(raised.value)


def test_a_uuid_may_be_a_name(cloud, seen):
    name = new_id()

    assert seen.image(cloud.image(name)['name'])['name'] != name


def test_the_id_of_a_flavor_comes_before_a_name(cloud, seen):
    first = cloud.flavor('a')
    second = cloud.flavor(first['id'])

    assert seen.flavor(first['id'])['name'] == 'a'
    assert seen.flavor(second['id'])['name'] == second['id']


def test_a_flavor_and_an_image_parse_as_those_of_files_do(cloud, seen):
    cloud.flavor('m1.sev', hw__mem_encryption='true')
    cloud.image('ubuntu', hw_machine_type='q35', **{'trait:X': 'required'})
    cloud.volume('disk', hw_machine_type='q35', image_id='x')

    request = parse(seen.flavor('m1.sev'), seen.image('ubuntu'))
    assert (request.encrypted, request.machine_type) == (True, 'q35')
    facts = seen.volume('disk')['volume_image_metadata']
    assert parse(seen.flavor('m1.sev'), facts).machine_type == 'q35'


@pytest.mark.parametrize('page', [1, 2, 1000])
def test_everything_is_listed_page_by_page(cloud, seen, page):
    cloud.page = page
    for number in range(5):
        cloud.flavor(f'f{number}')
        cloud.image(f'i{number}')
        cloud.volume(f'v{number}')
        cloud.server(f's{number}')

    assert [f['name'] for f in seen.flavors()] == [f'f{n}' for n in range(5)]
    assert len(seen.images()) == 5
    assert len(seen.bootable_volumes()) == 5
    assert len(seen.servers()) == 5


def test_volumes_that_are_not_bootable_are_left_out(cloud, seen):
    cloud.volume('data')['bootable'] = 'false'
    cloud.volume('disk')

    assert [one['name'] for one in seen.bootable_volumes()] == ['disk']


def test_hidden_images_are_found_by_name_and_listed_nowhere(cloud, seen):
    image = cloud.image('old', os_hidden=True)

    assert seen.image('old')['id'] == image['id']
    assert seen.images() == []


@pytest.mark.parametrize('key', ['host', 'hypervisor_hostname'])
def test_the_servers_of_a_host_are_found_by_either_of_its_names(
    cloud, seen, key
):
    names = {'host': 'a', 'hypervisor_hostname': 'a.example.org'}
    there = cloud.server(
        'there', **{f'OS-EXT-SRV-ATTR:{k}': v for k, v in names.items()}
    )
    cloud.server('elsewhere', **{f'OS-EXT-SRV-ATTR:{k}': 'b' for k in names})

    found = seen.servers(host=names[key])
    assert [one['id'] for one in found] == [there['id']]
    assert seen.servers(host='c') == []


def test_the_servers_of_a_host_are_not_told_to_a_tenant(cloud, seen):
    cloud.administrator = False
    cloud.server('mine')

    assert len(seen.servers(all_projects=False)) == 1
    with pytest.raises(CloudDenied, match='hosts of servers'):
        seen.servers(host='a', all_projects=False)


@pytest.mark.parametrize('microversion', ['2.60', '2.61', '2.104'])
def test_extra_specs_are_asked_for_where_nova_does_not_list_them(
    cloud, seen, microversion
):
    cloud.microversion = microversion
    cloud.flavor('m1.sev', hw__mem_encryption='true')

    assert seen.flavor('m1.sev')['extra_specs'] == {
        'hw:mem_encryption': 'true'
    }
    asked = [one for one in cloud.asked if 'os-extra_specs' in one]
    assert bool(asked) is (microversion == '2.60')
    assert '(compute 2.' in cloud.asked[-1]


DENIALS = [
    ('os-extra_specs', lambda seen: seen.flavors(), 'extra specs of flavor'),
    ('flavors/detail', lambda seen: seen.flavor('a'), 'list the flavors'),
    ('images', lambda seen: seen.image('a'), 'list the images'),
    ('images/', lambda seen: seen.image(UUID), 'read image'),
    (
        'volumes',
        lambda seen: seen.bootable_volumes(),
        'volumes of all projects',
    ),
    ('servers', lambda seen: seen.servers(), 'servers of all projects'),
    (
        'servers',
        lambda seen: seen.servers(all_projects=False),
        'the servers (',
    ),
]


@pytest.mark.parametrize(('pattern', 'ask', 'says'), DENIALS)
def test_what_a_role_may_not_see_is_said_in_one_line(
    cloud, seen, pattern, ask, says
):
    cloud.administrator = False
    cloud.flavor('a')
    cloud.denied = pattern

    with pytest.raises(CloudDenied) as raised:
        ask(seen)

    assert says in str(raised.value)
    assert '403: Policy does not allow it' in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ('failure', 'names'),
    [
        (500, ['Nova', '500: no luck']),
        (404, ['Nova', '404']),
        (ConnectionError('cut'), ['Nova', 'cut']),
        ({'flavors': 'none'}, ['Nova', 'endpoint']),
        ({'flavors': ['none']}, ['Nova', 'endpoint']),
        ({'flavors': [{'name': 'no id'}]}, ['Nova', 'endpoint']),
        ({'flavors': [{'id': 1}]}, ['Nova', 'endpoint']),
        ({'flavors': [{'id': '1'}], 'flavors_links': []}, ['endpoint']),
        ({}, ['Nova', 'endpoint']),
        ([], ['Nova', 'endpoint']),
    ],
    ids=str,
)
def test_a_service_that_fails_is_named_in_one_line(
    cloud, seen, failure, names
):
    import requests

    if isinstance(failure, ConnectionError):
        failure = requests.exceptions.ConnectionError(str(failure))
    cloud.failing = {'flavors': failure}

    with pytest.raises(CloudError) as raised:
        seen.flavors()

    assert all(name in str(raised.value) for name in names)
    assert str(raised.value).isprintable()


def test_an_answer_that_is_no_json_is_named_in_one_line(cloud, seen):
    cloud.mocker.get('http://glance/v2/images', text='<html>Log in</html>')

    with pytest.raises(CloudError, match=r'Glance.*endpoint'):
        seen.images()


def test_without_cinder_one_line_says_what_to_do(cloud, seen):
    del cloud.catalog['block-storage']

    with pytest.raises(CloudError, match=r'no Cinder.*openstack volume show'):
        seen.volume('disk')


HYPERVISOR = {'id': 'h', 'hypervisor_hostname': 'n', 'service': {'host': 's'}}
COMPUTE = {'host': 's', 'zone': 'nova', 'state': 'up', 'status': 'enabled'}
GROUP = {'id': 'g', 'policy': 'affinity', 'members': []}


@pytest.mark.parametrize(
    ('what', 'things'),
    [
        ('hypervisors', [HYPERVISOR, {**HYPERVISOR, 'id': 'i'}]),
        ('compute_services', [COMPUTE]),
        ('server_groups', [GROUP]),
    ],
)
def test_what_an_administrator_sees_of_hosts_is_listed(
    cloud, seen, what, things
):
    cloud.page = 1
    setattr(cloud, what, things)

    assert getattr(seen, what)() == things


@pytest.mark.parametrize(
    ('what', 'things'),
    [
        ('hypervisors', [{**HYPERVISOR, 'service': None}]),
        ('hypervisors', [{**HYPERVISOR, 'hypervisor_hostname': ''}]),
        ('compute_services', [{}]),
        ('compute_services', None),
    ],
)
def test_an_answer_about_hosts_of_another_shape_is_an_error(
    cloud, seen, what, things
):
    setattr(cloud, what, things)

    with pytest.raises(CloudError):
        getattr(seen, what)()
