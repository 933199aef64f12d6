import json
import os
import sys

import pytest

from sev_scheduling.cli.options import clouds

FLAVOR = {'name': 'f', 'vcpus': 1, 'ram': 512, 'disk': 1, 'properties': {}}
IMAGE = {'name': 'i', 'disk_format': 'raw', 'properties': {}}


@pytest.fixture(params=['--flavor', '--image'])
def option(request):
    return request.param


@pytest.fixture
def check(run, write, option):
    """Run ``check`` with one file as given and the other all right."""

    def check(path, *options):
        other = '--image' if option == '--flavor' else '--flavor'
        document = IMAGE if option == '--flavor' else FLAVOR
        good = write(document, 'good.json')
        return run('check', option, path, other, good, *options)

    return check


def assert_one_line(ran, *, names=()):
    assert (ran.status, ran.out) == (2, '')
    assert ran.err.startswith('sev-scheduling')
    assert ran.err.count('\n') == 1
    for name in names:
        assert name in ran.err


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        # What else is no document: tests/unit/test_documents.py.
        pytest.param('', 'is empty', id='empty'),
        pytest.param('{', 'no JSON or YAML', id='half a document'),
        pytest.param('# nothing', 'holds nothing', id='a comment'),
        pytest.param('null', 'holds nothing', id='null'),
        pytest.param('[]', '', id='a list'),
        pytest.param('"text"', '', id='text'),
        pytest.param('7', '', id='a number'),
    ],
)
def test_a_file_without_an_object_is_refused(check, write, content, words):
    assert_one_line(check(write(content)), names=[words])


@pytest.mark.parametrize(
    ('option', 'shape', 'other'),
    [
        ('--flavor', {'disk_format': 'raw', 'properties': {}}, 'an image'),
        ('--image', {'vcpus': 1, 'ram': 1, 'disk': 1}, 'a flavor'),
    ],
)
def test_one_in_place_of_the_other_names_option_and_file(
    run, flavor, write, option, shape, other
):
    path = str(write(json.dumps({'name': 'u', **shape})))
    request = ['--flavor', flavor('m1.sev'), '--image', path]
    ran = run('check', *(request if option == '--image' else [option, path]))

    assert_one_line(
        ran, names=[f'{option} ', 'document.json', f'u is {other}']
    )


def test_a_missing_file_is_named(check, tmp_path):
    assert_one_line(check(tmp_path / 'missing'), names=['/missing'])


def test_a_pipe_that_the_shell_opened_is_read(run):
    # As <(openstack flavor show -f json m1.sev) does.
    reader, writer = os.pipe()
    os.write(writer, json.dumps(FLAVOR).encode())
    os.close(writer)
    ran = run('check', '--flavor', f'/dev/fd/{reader}')
    os.close(reader)

    assert (ran.status, ran.err) == (0, '')


def test_both_cannot_come_from_standard_input(run):
    ran = run('check', '--flavor', '-', '--image', '-')

    assert_one_line(ran, names=['--flavor', '--image', 'standard input'])


def test_a_model_that_nobody_registered_is_named(check, write, option):
    specs = {'hw:mem_encryption': 'true'}
    good = (
        FLAVOR | {'properties': specs}
        if option == '--flavor'
        else IMAGE | {'properties': {'hw_mem_encryption': 'true'}}
    )
    ran = check(write(good), '--model', 'arm-tme')

    assert_one_line(ran, names=["'arm-tme'", 'amd-sev-snp'])


WRONG = [
    pytest.param([], id='a list'),
    pytest.param({'a': {'b': 'c'}}, id='an object'),
    pytest.param('text', id='text'),
    pytest.param(-1, id='a negative number'),
    pytest.param(2**31, id='a number just too large'),
    pytest.param(1.5, id='a fraction'),
    pytest.param(True, id='a boolean'),
    pytest.param('\x1b[31m', id='an escape'),
]


@pytest.mark.parametrize('key', ['vcpus', 'ram', 'disk', 'swap',
                                 'OS-FLV-EXT-DATA:ephemeral'])  # fmt: skip
@pytest.mark.parametrize('value', WRONG)
def test_an_amount_that_is_none_names_the_key(run, write, key, value):
    ran = run('check', '--flavor', write(FLAVOR | {key: value}))

    assert_one_line(ran, names=[key])
    assert '\x1b' not in ran.err


@pytest.mark.parametrize('value', WRONG)
@pytest.mark.parametrize(
    ('option', 'document'),
    [
        pytest.param('--flavor', FLAVOR, id='flavor'),
        pytest.param('--image', IMAGE, id='image'),
    ],
)
@pytest.mark.parametrize('key', ['name', 'id', 'properties', 'extra_specs',
                                 'hw_machine_type', 'description',
                                 'tags', 'links'])  # fmt: skip
def test_no_value_of_any_key_makes_more_than_one_line(
    run, write, option, document, key, value
):
    other = '--image' if option == '--flavor' else '--flavor'
    good = write(IMAGE if option == '--flavor' else FLAVOR, 'good.json')
    ran = run(
        'check', option, write(document | {key: value}), other, good,
        '-f', 'json',
    )  # fmt: skip

    # What does not matter may be anything.
    assert ran.status in (0, 1, 2)
    if ran.status == 2:
        assert_one_line(ran)
    else:
        assert isinstance(ran.json(), list)


@pytest.mark.parametrize(
    'properties',
    [
        pytest.param({'hw_firmware_type': []}, id='a list'),
        pytest.param({'hw_firmware_type': {'a': 1}}, id='an object'),
        pytest.param({'hw_machine_type': 'q' * 70_000}, id='long text'),
    ],
)
def test_a_property_that_is_no_text_is_named(run, write, properties):
    ran = run(
        *('check', '--flavor', write(FLAVOR, 'flavor')),
        *('--image', write(IMAGE | {'properties': properties})),
    )

    assert_one_line(ran, names=properties)


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """A cloud that is configured, and an empty working directory."""
    pytest.importorskip('openstack')
    from tests.unit.cli.openstack_services import services

    monkeypatch.chdir(tmp_path)
    with services() as known:
        known.flavor('m1.sev', hw__mem_encryption='true')
        known.image('u', hw_firmware_type='uefi', hw_machine_type='q35')
        known.volume('disk', hw_firmware_type='uefi', hw_machine_type='q35')
        monkeypatch.setattr(clouds, 'connect', lambda _: known.connection())
        yield known


@pytest.mark.parametrize('booted', ['--image=u', '--volume=disk'])
def test_what_is_no_file_is_a_name_in_the_configured_cloud(
    run, configured, booted
):
    ran = run('check', '--flavor', 'm1.sev', booted, '--os-cloud', 'x')

    assert (ran.status, ran.err) == (0, '')
    assert ran.out.startswith('m1.sev asks')


def test_a_file_comes_before_a_name(run, configured, write):
    write(FLAVOR, 'm1.sev')

    ran = run('check', '--flavor', 'm1.sev', '--image', 'u')
    assert ran.status == 0
    assert not any('flavors' in asked for asked in configured.asked)


@pytest.mark.parametrize('source', ['./m1.sev', '/m1.sev'])
def test_a_path_is_never_a_name(run, configured, source):
    ran = run('check', '--flavor', source)

    assert_one_line(ran, names=[source, 'cannot be read'])
    assert configured.asked == []


def test_a_name_is_none_where_the_hosts_are_elsewhere(run, configured):
    ran = run('explain', '--flavor', 'm1.sev', '--cloud', 'c.yaml')

    assert_one_line(ran, names=['m1.sev', 'cannot be read'])
    assert configured.asked == []


def test_neither_a_file_nor_a_name_is_reported_as_both(run, configured):
    ran = run('check', '--flavor', 'm2.sev')

    assert_one_line(ran, names=["--flavor 'm2.sev' is no file", 'by name or'])


def test_without_a_cloud_the_missing_file_is_still_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openstack', None)
    ran = run('check', '--flavor', 'm2.sev')

    assert_one_line(ran, names=["--flavor 'm2.sev' is no file", '[osc]'])
