"""Names that somebody else gave, in every command and every format."""

import contextlib
import csv
import io
import json
import subprocess
import types
import uuid

import pytest
import yaml

from sev_scheduling import Scope, parse
from sev_scheduling.cli.commands import server
from sev_scheduling.cli.options import clouds
from sev_scheduling.placement import (
    PlacementClient,
    embedded_placement,
    load_cloud,
)
from sev_scheduling.placement.embedded.cloud_file import parse_cloud
from sev_scheduling.text import printable
from tests.unit.cli.openstack_services import Connection, services

HOSTS = [
    '\x1b[2J\x1b[31mred',
    'two\nlines',
    'carriage\rreturn\x00',
    '\u202elivE',
    '\x9b31mC1',
    '--help',
    '<script>alert(1)</script>',
    '$(id)`id`"\\',
    '=1+1',
]
FULL = HOSTS[0]
NAME = '\x1b]0;title\x07\n\u202e<b>$(id)'

OWNER = 'nightly; $(id) <b>'
FOREIGN = str(uuid.UUID(int=7))

NOVA_CONF = f"""\
[filter_scheduler]
enabled_filters = {FULL},MemoryEncryptionFilter
[sev_scheduling]
default_machine_type = {FULL}
{FULL} = {FULL}
[libvirt]
hw_machine_type = x86_64={FULL}
"""
DOMAIN_CAPABILITIES = """\
<domainCapabilities><arch>x86_64</arch><domain>kvm</domain>
<machine>\u202epc-q35</machine></domainCapabilities>
"""

FLAVOR = {
    **{'name': NAME, 'ram': 2048, 'vcpus': 2, 'disk': 10},
    'properties': {'hw:mem_encryption': 'true'},
}
IMAGE = {
    **{'name': NAME, 'disk_format': 'qcow2'},
    'properties': {
        **{'hw_firmware_type': 'uefi', 'hw_disk_bus': 'virtio'},
        'hw_machine_type': 'q35',
    },
}
IDE = {**IMAGE, 'properties': {**IMAGE['properties'], 'hw_disk_bus': 'ide'}}


@pytest.fixture(scope='module')
def placement():
    """Hosts with these names, each with a guest, the first one full."""
    hosts = [
        {
            **{'name': f'host-{n}', 'vcpus': 64, 'memory_mb': 65536},
            **{'disk_gb': 1000, 'layout': 'flat'},
            'pools': {'amd-sev': {'total': 2, 'used': 1 + (n == 0)}},
        }
        for n in range(len(HOSTS))
    ]
    with embedded_placement() as adapter:
        load_cloud(adapter, parse_cloud({'hosts': hosts}, 'cloud'))
        listed = adapter.get('/resource_providers').json()
        for provider in listed['resource_providers']:
            number = int(provider['name'].rpartition('-')[2])
            answer = adapter.put(
                f'/resource_providers/{provider["uuid"]}',
                json={'name': HOSTS[number]},
            )
            assert answer.ok
        yield adapter


@pytest.fixture(scope='module')
def known(placement):
    """The rest of the cloud; servers have hostile names too."""
    listed = placement.get('/resource_providers').json()
    with services() as known:
        for provider in listed['resource_providers']:
            held = placement.get(
                f'/resource_providers/{provider["uuid"]}/allocations'
            ).json()['allocations']
            for consumer in held:
                known.server(
                    NAME,
                    id=consumer,
                    flavor={
                        **{'original_name': NAME, 'ram': 2048, 'vcpus': 2},
                        **{'disk': 10, 'ephemeral': 0, 'swap': 0},
                        'extra_specs': FLAVOR['properties'],
                    },
                    image={'id': 'i', 'properties': IMAGE['properties']},
                    **{
                        'OS-EXT-SRV-ATTR:host': provider['name'],
                        'OS-EXT-SRV-ATTR:hypervisor_hostname': provider[
                            'name'
                        ],
                    },
                )
        for number, host in enumerate(HOSTS):
            known.hypervisors.append(
                {
                    **{'id': f'{number}', 'hypervisor_hostname': host},
                    **{'state': 'up', 'status': 'enabled'},
                    'service': {'host': host, 'id': number},
                }
            )
            known.compute_services.append(
                {
                    **{'id': f'{number}', 'binary': 'nova-compute'},
                    **{'host': host, 'zone': NAME, 'state': 'up'},
                    'status': 'enabled',
                }
            )
        known.aggregates.append(
            {
                **{'id': 1, 'uuid': 'u', 'name': NAME, 'hosts': HOSTS[:1]},
                'metadata': {'availability_zone': NAME},
            }
        )
        # A claim of the library's own, and one of a service with such names.
        PlacementClient(placement).schedule(
            parse(FLAVOR, IMAGE),
            scope=Scope(in_tree=listed['resource_providers'][1]['uuid']),
            owner=OWNER,
        )
        foreign = {
            'allocations': {
                listed['resource_providers'][2]['uuid']: {
                    'resources': {'VCPU': 1}
                }
            },
            **{'project_id': NAME, 'user_id': NAME},
            'consumer_generation': None,
        }
        assert placement.put(
            f'/allocations/{FOREIGN}',
            json=foreign,
            headers={'OpenStack-API-Version': 'placement 1.28'},
        ).ok
        yield known


class Servers:
    """Stands for what looks into nova's databases."""

    @staticmethod
    @contextlib.contextmanager
    def open_nova(files):
        yield None, None

    @staticmethod
    def check_servers(context, api, servers):
        return [
            types.SimpleNamespace(
                **{'server': FOREIGN, 'host': host, 'remedy': 'by-hand'},
                **{'disagreement': 'slot-of-another-model'},
                **{'model': 'amd-sev', 'held': ['amd-sev-es']},
            )
            for host in HOSTS
        ]

    @staticmethod
    def repair(context, api, finding):
        return False


@pytest.fixture
def shell(run, known, placement, write, monkeypatch, tmp_path):
    """Run a command of a cloud with these hosts."""
    connection = Connection(known.connection(), placement)
    monkeypatch.setattr(clouds, 'connect', lambda _: connection)
    monkeypatch.setattr(server, 'load_servers', lambda: (Servers, Servers))
    folders = {}
    for name, document in (('FLAVORS', FLAVOR), ('IMAGES', IDE)):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        (folders[name] / f'{FULL}.json').write_text(json.dumps(document))
    firmware = tmp_path / 'usr/share/qemu/firmware'
    firmware.mkdir(parents=True)
    (firmware / f'{FULL}.json').write_text(FULL)
    files = {
        **folders,
        'ROOT': tmp_path,
        'CONF': write(NOVA_CONF, 'nova.conf'),
        'CAPABILITIES': write(DOMAIN_CAPABILITIES, 'capabilities.xml'),
        'FLAVOR': write(FLAVOR, 'flavor.json'),
        'IMAGE': write(IMAGE, 'image.json'),
        'IDE': write(IDE, 'ide.json'),
        'SERVER': write(
            {
                **{'id': 'x', 'name': NAME, 'status': 'ERROR'},
                'fault': {'message': NAME},
                'flavor': {
                    'original_name': NAME,
                    'extra_specs': {},
                    **{k: FLAVOR[k] for k in ('ram', 'vcpus', 'disk')},
                },
                'image': {'id': 'i', 'properties': IMAGE['properties']},
            },
            'server.json',
        ),
    }

    def shell(*words):
        return run(*(files.get(word, word) for word in words))

    return shell


def is_safe(text):
    return all(c == '\n' or c.isprintable() for c in text)


REQUEST = '--flavor', 'FLAVOR', '--image', 'IMAGE'
FULL_HOST = *REQUEST, '--host', FULL

#: Command -> names that it shows.
COMMANDS = {
    'capacity': (['capacity'], HOSTS),
    'capacity for a request': (['capacity', *REQUEST], HOSTS),
    'host list': (['host', 'list'], HOSTS),
    'host show': (['host', 'show', '--', '--help'], ['--help']),
    'host show, escapes': (['host', 'show', FULL], [FULL]),
    'host show, substitution': (['host', 'show', HOSTS[7]], [HOSTS[7]]),
    'host drain plan': (['host', 'drain', 'plan', *HOSTS[1:2]], HOSTS[1:2]),
    'host drain plan, all': (
        ['host', 'drain', 'plan', '--', *HOSTS],
        [*HOSTS, NAME],
    ),
    'explain': (['explain', *REQUEST], HOSTS),
    'explain, no host': (['explain', *FULL_HOST], [FULL]),
    'explain an image': (
        ['explain', '--flavor', 'FLAVOR', '--image', 'IDE'],
        [],
    ),
    'explain a server': (['explain', '--server', 'SERVER'], HOSTS),
    'schedule, no host': (['schedule', *FULL_HOST], []),
    'check': (['check', '--flavor', 'FLAVOR', '--image', 'IDE'], []),
    'translate': (['translate', *REQUEST], []),
    'audit': (['audit', '--flavors', 'FLAVORS', '--images', 'IMAGES'], []),
    'audit, fixes': (
        ['audit', '--fix', '--flavors', 'FLAVORS', '--images', 'IMAGES'],
        [],
    ),
    'audit of a cloud': (['audit'], []),
    'reconcile': (
        ['reconcile', '--owner', OWNER, '--older-than', '0s'],
        HOSTS[1:2],
    ),
    'release, nothing': (['release', str(uuid.UUID(int=8))], []),
    'release, of another': (['release', FOREIGN], []),
    'server check': (['server', 'check'], HOSTS),
    'server repair': (['server', 'repair'], HOSTS),
    'scheduler check': (
        ['scheduler', 'check', '--config-file', 'CONF', '--os-cloud', 'x'],
        [],
    ),
    'node check': (
        [
            *('node', 'check', '--root', 'ROOT', '--config-file', 'CONF'),
            *('--domain-capabilities', 'CAPABILITIES'),
        ],
        [],
    ),
    'node detect': (
        [
            *('node', 'detect', '--root', 'ROOT', '--config-file', 'CONF'),
            *('--domain-capabilities', 'CAPABILITIES', '--long'),
        ],
        [],
    ),
}
#: Print as nova-status does.
OF_CHECKS = ['scheduler', 'check'], ['node', 'check']
CHECKS = ['table', 'json']
FORMATS = ['text', 'table', 'csv', 'value', 'json', 'yaml', 'shell']


def formats():
    for title, (words, names) in COMMANDS.items():
        for form in FORMATS:
            explains = words[0] in ('check', 'explain', 'audit') or (
                'plan' in words
            )
            shows = words[:2] == ['host', 'show'] or words[0] == 'translate'
            if (
                (form == 'text' and not explains)
                or (form == 'shell' and not shows)
                or (form == 'csv' and shows)
                or (form not in CHECKS and words[:2] in OF_CHECKS)
            ):
                continue
            yield pytest.param(words, names, form, id=f'{title}, {form}')


@pytest.mark.parametrize(('words', 'names', 'form'), [*formats()])
def test_a_name_is_shown_escaped_and_data_has_it_as_it_is(
    shell, words, names, form
):
    at = words.index('--') if '--' in words else len(words)
    ran = shell(*words[:at], '-f', form, *words[at:])

    assert ran.status in (0, 1, 2), ran.err
    assert bool(ran.out) or ran.status == 1, ran.err
    assert is_safe(ran.out)
    assert is_safe(ran.err)
    if form in ('json', 'yaml'):
        found = set(strings(yaml.safe_load(ran.out)))
        assert set(names) <= found
    elif form == 'csv':
        rows = csv.reader(io.StringIO(ran.out), escapechar='\\')
        found = [cell for row in rows for cell in row]
        for cell in found:
            if cell.startswith(('[', '{')):
                json.loads(cell)
        assert {printable(name) for name in names} <= set(found)
    elif form == 'value':
        assert all(printable(name) in ran.out for name in names)
    elif form == 'shell':
        script = f'{ran.out}\nprintf %s "$host"'
        done = subprocess.run(
            ['sh', '-c', script], capture_output=True, text=True, check=True
        )
        assert [done.stdout] == [*map(printable, names)] or not names


def strings(document):
    if isinstance(document, dict):
        for key, value in document.items():
            yield from (*strings(key), *strings(value))
    elif isinstance(document, list):
        for value in document:
            yield from strings(value)
    elif isinstance(document, str):
        yield document


def test_metrics_have_no_name_that_a_terminal_obeys(shell):
    parser = pytest.importorskip('prometheus_client.parser')
    ran = shell('capacity', '--prometheus', '-')

    assert (ran.status, ran.err) == (0, '')
    assert is_safe(ran.out)
    families = parser.text_string_to_metric_families(ran.out)
    hosts = {
        sample.labels['host']
        for family in families
        for sample in family.samples
        if 'host' in sample.labels
    }
    assert hosts == set(map(printable, HOSTS))


def test_what_is_exported_has_the_names_and_nothing_to_obey(shell):
    ran = shell('export')

    assert (ran.status, is_safe(ran.out)) == (0, True)
    assert set(HOSTS) <= set(strings(yaml.safe_load(ran.out)))


@pytest.mark.parametrize(
    'words',
    [
        ['host', 'show', 'no\x1bhost'],
        ['capacity', '--host', 'no\x1bhost'],
        ['capacity', '--aggregate', 'no\x1baggregate'],
        ['explain', '--server', 'no\x1bserver'],
        ['check', '--flavor', 'no\x1bflavor'],
        ['host', 'list', '--no\x1boption'],
        ['no\x1bcommand'],
        ['capacity', '-c', 'no\x1bcolumn'],
        ['capacity', '--model', 'no\x1bmodel'],
        ['capacity', '--html', 'no\x1b/file'],
        ['capacity', '--prometheus', 'no\x1b/file'],
        ['capacity', '--cloud', 'no\x1bfile'],
        ['audit', '--flavors', 'no\x1bfile', '--images', 'no\x1bfile'],
        ['--log-file', 'no\x1b/file', 'host', 'list'],
    ],
)
def test_what_is_wrong_is_quoted_in_one_line(shell, words):
    ran = shell(*words)

    assert (ran.status in (2, 255), ran.out) == (True, '')
    assert ran.err.count('\n') == 1
    assert is_safe(ran.err)


def test_the_commands_of_a_plan_carry_any_name(shell, tmp_path):
    """They are run by a shell, with a command that shows its words."""
    ran = shell('host', 'drain', 'plan', '-f', 'json', '--', *HOSTS[:1])
    commands = [row['Commands'][0] for row in ran.json() if row['To']]

    assert commands
    for row in ran.json():
        if row['To']:
            script = 'openstack() { printf "%s\\0" "$@"; }\n'
            done = subprocess.run(
                ['bash', '-c', script + row['Commands'][0]],
                capture_output=True,
                text=True,
                check=True,
            )
            assert row['To'] in done.stdout
