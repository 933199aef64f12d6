import io
import json
import re
import sys
import types

import pytest

from sev_scheduling.cli.commands import node, node_check, node_reserve
from sev_scheduling.exceptions import InputError
from tests.unit.compute import samples


class App:
    """What a command sees of cliff's application."""

    def __init__(self):
        self.stdout = io.StringIO()
        self.stderr = io.StringIO()


class Outcome:
    def __init__(self, status, app):
        self.status = status
        self.out = app.stdout.getvalue()
        self.err = app.stderr.getvalue()

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch):
    # Neither this machine's libvirt nor its nova is what is tested.
    monkeypatch.setitem(sys.modules, 'libvirt', None)
    monkeypatch.setattr(
        'sev_scheduling.compute.sources.nova_conf.installed_release',
        lambda: None,
    )

    def run(command, *arguments):
        app = App()
        made = command(app, None)
        parsed = made.get_parser('node').parse_args(list(map(str, arguments)))
        return Outcome(made.run(parsed), app)

    return run


def host(name):
    directory = samples.DIRECTORY / name
    return (
        '--root',
        directory,
        '--domain-capabilities',
        directory / 'domcapabilities.xml',
    )


class TestDetect:
    def test_a_libvirt_that_cannot_be_asked_is_no_silent_no(self, run):
        outcome = run(
            node.Detect, '--libvirt-uri', 'qemu:///system', '-f', 'json'
        )

        assert outcome.status == 2
        assert "'qemu:///system' needs libvirt-python" in outcome.err

    def test_what_a_host_offers_is_listed(self, run):
        outcome = run(node.Detect, *host(samples.GENOA), '-f', 'json')

        assert outcome.status == 0
        assert outcome.err == ''
        assert [
            (row['Model'], row['Offered'], row['Slots'])
            for row in outcome.json
        ] == [
            ('amd-sev', True, 754),
            ('amd-sev-es', False, 0),
            ('amd-sev-snp', True, 252),
            ('intel-tdx', False, 0),
        ]

    def test_sources_stand_side_by_side(self, run):
        name = 'genoa-stale-libvirt-kernel-6.8-libvirt-10.0'

        row = run(node.Detect, *host(name), '-f', 'json').json[0]

        assert row == {
            'Model': 'amd-sev',
            'Offered': True,
            'Slots': 906,
            'CPUID': None,
            'Kernel': 'yes',
            'Cgroup': 906,
            'Libvirt': 996,
            'nova.conf': None,
            'Notes': [
                'sources disagree, the smallest counts: cgroup 906, '
                'libvirt 996'
            ],
        }

    def test_the_long_form_says_where_facts_were_read(self, run):
        row = run(
            node.Detect, *host(samples.MILAN), '--long', '-f', 'json'
        ).json[0]

        assert row['Read From'] == [
            'kernel: /sys/module/kvm_amd/parameters/sev is Y',
            'cgroup: sev in /sys/fs/cgroup/misc.capacity',
            'libvirt: <maxGuests> of <sev>',
        ]

    def test_people_get_notes_as_lines(self, run):
        out = run(node.Detect, *host(samples.INTEL)).out

        assert "['" not in out
        assert '| libvirt and QEMU do not support <sev> ' in out

    def test_an_unknown_number_is_null(self, run):
        outcome = run(
            node.Detect, *host('naples-kernel-5.4-libvirt-7.0'), '-f', 'json'
        )

        assert outcome.status == 0
        assert outcome.json[0]['Offered'] is True
        assert outcome.json[0]['Slots'] is None

    def test_what_is_unknown_is_a_dash_to_people(self, run):
        out = run(node.Detect, *host('naples-kernel-5.4-libvirt-7.0')).out

        assert 'None' not in out
        assert re.search(r'\| amd-sev +\| True +\| - +\| - +\| yes ', out)

    def test_a_bad_option_leaves_the_other_sources(self, run, tmp_path):
        path = tmp_path / 'nova.conf'
        path.write_text('[libvirt]\nnum_memory_encrypted_guests = -4\n')

        outcome = run(
            node.Detect,
            *host(samples.MILAN),
            '--config-file',
            path,
            '--nova-release',
            33,
            '-f',
            'json',
        )

        assert outcome.status == 2
        assert outcome.err.startswith('[libvirt] num_memory_encrypted_guests')
        assert outcome.err.count('\n') == 1
        assert outcome.json[0]['Slots'] == 410

    def test_a_host_without_models_is_a_clean_no(self, run):
        outcome = run(node.Detect, *host(samples.INTEL), '-f', 'json')

        assert outcome.status == 1
        assert outcome.err == (
            'This host offers no model of memory encryption.\n'
        )
        assert [row['Offered'] for row in outcome.json] == [False] * 4

    def test_nova_conf_is_a_source_where_it_is_named(self, run, tmp_path):
        conf = tmp_path / 'nova.conf'
        conf.write_text('[libvirt]\nnum_memory_encrypted_guests = 15\n')

        row = run(
            node.Detect,
            *host(samples.MILAN),
            '--config-file',
            conf,
            '--nova-release',
            33,
            '-f',
            'json',
        ).json[0]

        assert row['Slots'] == row['nova.conf'] == 15

    @pytest.mark.parametrize(
        ('text', 'words'),
        [
            pytest.param('<a', 'not well-formed', id='malformed'),
            pytest.param(
                '<!DOCTYPE a [<!ENTITY b "c">]><a/>',
                'document type',
                id='an entity',
            ),
            pytest.param(
                '<a/>' + ' ' * (1 << 20), 'has more than', id='enormous'
            ),
        ],
    )
    def test_bad_xml_is_one_line_and_the_rest_is_still_shown(
        self, run, tmp_path, text, words
    ):
        path = tmp_path / 'caps.xml'
        path.write_text(text)

        outcome = run(
            node.Detect,
            '--root',
            samples.DIRECTORY / samples.MILAN,
            '--domain-capabilities',
            path,
            '-f',
            'json',
        )

        assert outcome.status == 2
        assert words in outcome.err
        assert outcome.err.count('\n') == 1
        assert outcome.json[0]['Cgroup'] == 410

    def test_a_bad_sysfs_and_nova_conf_are_a_line_each(self, run, tmp_path):
        (tmp_path / 'sys/module/kvm_amd/parameters/sev').mkdir(parents=True)

        outcome = run(
            node.Detect, '--root', tmp_path, '--config-file', tmp_path
        )

        assert outcome.status == 2
        assert outcome.err.count('\n') == 2
        assert 'amd-sev' in outcome.out

    def test_domain_capabilities_come_from_standard_input(
        self, run, monkeypatch
    ):
        text = samples.capabilities_text(samples.MILAN)
        stdin = types.SimpleNamespace(buffer=io.BytesIO(text.encode()))
        monkeypatch.setattr(sys, 'stdin', stdin)

        outcome = run(
            node.Detect,
            '--root',
            samples.DIRECTORY / samples.MILAN,
            '--domain-capabilities',
            '-',
            '-f',
            'json',
        )

        assert outcome.status == 0
        assert outcome.json[0]['Libvirt'] == 410

    def test_standard_input_is_bounded_and_text(self, run, monkeypatch):
        stdin = types.SimpleNamespace(buffer=io.BytesIO(b'\xff'))
        monkeypatch.setattr(sys, 'stdin', stdin)

        outcome = run(node.Detect, '--domain-capabilities', '-')

        assert outcome.status == 2
        assert 'Standard input is not UTF-8' in outcome.err

    def test_libvirt_is_asked_only_for_this_host(self, run, monkeypatch):
        from sev_scheduling import compute

        asked = []

        def answer(uri):
            asked.append(uri)
            caps = samples.facts(samples.MILAN).capabilities
            return compute.LibvirtAnswer(caps, (7, 2, 0))

        monkeypatch.setattr(compute, 'ask_libvirt', answer)

        here = run(node.Detect, '--libvirt-uri', 'qemu:///session')
        run(node.Detect, '--root', samples.DIRECTORY / samples.MILAN)

        assert asked == ['qemu:///session']
        assert 'yes' in here.out or '410' in here.out

    @pytest.mark.parametrize(
        ('text', 'uri'),
        [
            ('connection_uri = qemu:///session\n', 'qemu:///session'),
            ('virt_type = lxc\n', 'lxc:///'),
            ('', 'qemu:///system'),
            ('connection_uri = $gone\n', 'qemu:///system'),
            (None, 'qemu:///system'),
        ],
    )
    def test_libvirt_is_asked_where_nova_asks_it(
        self, run, monkeypatch, tmp_path, text, uri
    ):
        from sev_scheduling import compute

        asked = []
        monkeypatch.setattr(compute, 'ask_libvirt', asked.append)
        path = tmp_path / 'nova.conf'
        if text is not None:
            path.write_text(f'[libvirt]\n{text}')

        run(node.Detect, '--config-file', path)

        assert asked == [uri]

    def test_the_version_of_qemu_may_be_given(self, run):
        rows = run(
            node.Detect,
            *host(samples.MILAN),
            '--qemu-version',
            '7.2',
            '-f',
            'json',
        ).json

        assert rows[1]['Libvirt'] == 'no'
        assert 'QEMU 7.2.0' in rows[1]['Notes'][0]

    def test_without_libvirt_python_this_host_is_still_read(self, run):
        outcome = run(node.Detect, '-f', 'json')

        assert [row['Libvirt'] for row in outcome.json] == [None] * 4

    @pytest.mark.parametrize('version', ['8', 'x', '8.2.2.2', '8.\x1b'])
    def test_another_version_is_refused(self, run, version):
        with pytest.raises(InputError, match='--qemu-version') as caught:
            run(node.Detect, '--qemu-version', version)
        assert str(caught.value).isprintable()


class TestReserve:
    def test_the_reservation_is_shown_with_its_arithmetic(self, run):
        found = run(
            node_reserve.Reserve,
            '--guests',
            15,
            '--host-memory',
            515072,
            '-f',
            'json',
        ).json

        assert found['reserved_host_memory_mb'] == 752
        assert found['machine_slice_mb'] == 514560
        assert len(found['arithmetic']) == 8
        assert found['file'] is found['binds'] is None

    def test_the_memory_of_the_host_is_read(self, run):
        found = run(
            node_reserve.Reserve,
            '--guests',
            15,
            '--root',
            samples.DIRECTORY / samples.MILAN,
            '-f',
            'json',
        ).json

        assert found['host_mb'] == 515072

    def test_a_file_that_needs_the_memory_is_refused_in_one_line(
        self, run, tmp_path
    ):
        with pytest.raises(InputError, match='Give --host-memory'):
            run(
                node_reserve.Reserve,
                *('--guests', 1, '--root', tmp_path, '--for', 'systemd'),
            )

    @pytest.mark.parametrize(
        ('meminfo', 'said'),
        [
            (None, '/proc/meminfo is missing. '),
            ('MemTotal: lots kB', '/proc/meminfo has no MemTotal in kB; '),
        ],
    )
    def test_an_unknown_memory_is_null_and_said(
        self, run, tmp_path, meminfo, said
    ):
        if meminfo:
            (tmp_path / 'proc').mkdir()
            (tmp_path / 'proc/meminfo').write_text(meminfo)

        outcome = run(
            node_reserve.Reserve,
            '--guests',
            1,
            '--root',
            tmp_path,
            '-f',
            'json',
        )

        found = outcome.json
        assert outcome.err.startswith(said)
        assert 'Give --host-memory' in outcome.err
        assert found['host_mb'] is found['machine_slice_mb'] is None

    @pytest.mark.parametrize(
        ('arguments', 'slots', 'binds'),
        [
            pytest.param(['--slots', 15], 15, 'slots', id='told'),
            pytest.param([], 509, 'memory', id='those of the host'),
        ],
    )
    def test_the_limit_that_binds_is_reported(
        self, run, arguments, slots, binds
    ):
        found = run(
            node_reserve.Reserve,
            '--guests',
            15,
            '--flavor-memory',
            2048,
            '--root',
            samples.DIRECTORY / samples.MILAN,
            *arguments,
            '-f',
            'json',
        ).json

        assert (found['slots'], found['binds']) == (slots, binds)
        assert found['guests_by_memory'] == 249

    @pytest.mark.parametrize(
        'name',
        [
            pytest.param(samples.INTEL, id='no model'),
            pytest.param(
                'naples-kernel-5.4-libvirt-7.0', id='an unknown number'
            ),
        ],
    )
    def test_slots_may_be_unknown(self, run, name):
        found = run(
            node_reserve.Reserve,
            '--guests',
            1,
            '--host-memory',
            65536,
            '--flavor-memory',
            2048,
            '--root',
            samples.DIRECTORY / name,
            '-f',
            'json',
        ).json

        assert found['slots'] is None
        assert found['binds'] == 'memory'

    @pytest.mark.parametrize(
        ('target', 'line'),
        [
            pytest.param('nova', 'reserved_host_memory_mb = 752', id='nova'),
            pytest.param('systemd', 'MemoryMax=65024M', id='systemd'),
        ],
    )
    def test_the_file_is_shown_and_written(self, run, tmp_path, target, line):
        path = tmp_path / 'file'
        arguments = (
            '--guests', 15, '--host-memory', 65536, '--for', target,
            '-f', 'json',
        )  # fmt: skip

        shown = run(node_reserve.Reserve, *arguments).json['file']
        assert not path.exists()
        run(node_reserve.Reserve, *arguments, '--output', path)

        assert path.read_text() == shown
        assert line in shown.splitlines()
        with pytest.raises(InputError, match='--force'):
            run(node_reserve.Reserve, *arguments, '--output', path)
        run(node_reserve.Reserve, *arguments, '--output', path, '--force')

    @pytest.mark.parametrize('target', ['nova', 'systemd'])
    def test_the_file_alone_is_printed(self, run, tmp_path, target):
        path = tmp_path / 'a/b/file'
        arguments = (
            '--guests', 15, '--host-memory', 65536, '--for', target,
        )  # fmt: skip

        printed = run(node_reserve.Reserve, *arguments)
        shown = run(node_reserve.Reserve, *arguments, '-f', 'json').json
        dashed = run(node_reserve.Reserve, *arguments, '--output', '-')
        assert dashed.out == printed.out
        with pytest.raises(InputError, match=r'/a/b is missing; .*--parents'):
            run(node_reserve.Reserve, *arguments, '--output', path)
        assert list(tmp_path.iterdir()) == []
        written = run(
            node_reserve.Reserve, *arguments, '--output', path, '--parents'
        )

        assert (printed.status, printed.err) == (0, '')
        assert printed.out == shown['file'] == path.read_text()
        assert (written.out, written.err) == ('', '')

    def test_fields_may_be_asked_for_beside_the_file(self, run):
        arguments = (
            '--guests', 15, '--host-memory', 65536, '--for', 'nova',
        )  # fmt: skip

        assert (
            '| Field '
            in run(node_reserve.Reserve, *arguments, '-f', 'table').out
        )
        assert (
            'reserved'
            not in run(node_reserve.Reserve, *arguments, '-c', 'guest_mb').out
        )

    def test_a_host_with_tdx_keeps_a_share_of_its_memory(self, run):
        found = run(
            node_reserve.Reserve,
            '--guests', 0, '--root', samples.DIRECTORY / samples.TDX,
            '-f', 'json',
        ).json  # fmt: skip

        assert found['reserved_host_memory_mb'] == 512 + 2012

    def test_what_is_written_must_be_said(self, run, tmp_path):
        with pytest.raises(InputError, match='--for'):
            run(
                node_reserve.Reserve,
                '--guests',
                1,
                '--output',
                tmp_path / 'file',
            )


class TestProviderConfig:
    def test_the_machine_type_comes_from_nova_conf(self, run):
        outcome = run(
            node.ProviderConfig, '--root', samples.DIRECTORY / samples.MILAN
        )

        assert outcome.status == 0
        assert 'CUSTOM_HW_MACHINE_TYPE_Q35\n' in outcome.out
        assert 'uuid: $COMPUTE_NODE\n' in outcome.out

    def test_the_machine_type_may_be_given(self, run, tmp_path):
        outcome = run(
            node.ProviderConfig, '--root', tmp_path, '--machine-type', 'pc',
            '--name', 'epyc-01',
        )  # fmt: skip

        assert 'CUSTOM_HW_MACHINE_TYPE_PC\n' in outcome.out
        assert 'name: epyc-01\n' in outcome.out

    def test_a_machine_type_must_be_known(self, run, tmp_path):
        with pytest.raises(InputError, match='--config-file'):
            run(node.ProviderConfig, '--root', tmp_path)

    def test_a_file_is_written_once(self, run, tmp_path):
        path = tmp_path / 'provider.yaml'
        arguments = ('--machine-type', 'q35', '--output', path)

        outcome = run(node.ProviderConfig, *arguments)
        printed = run(node.ProviderConfig, *arguments[:2], '--output', '-')

        assert (outcome.out, printed.out) == ('', path.read_text())
        assert 'CUSTOM_HW_MACHINE_TYPE_Q35' in path.read_text()
        with pytest.raises(InputError, match='--force'):
            run(node.ProviderConfig, *arguments)
        run(node.ProviderConfig, *arguments, '--force')


#: Such as every model runs with.
VERSIONS = ['--libvirt-version', '12.0', '--qemu-version', '10.1']


class TestCheck:
    def test_a_ready_host_succeeds(self, run):
        outcome = run(node_check.Check, *host(samples.MILAN), *VERSIONS)

        assert outcome.status == 0
        assert outcome.out.count('| Check: ') == 16
        assert outcome.out.count('| Result: Success') == 16

    @pytest.mark.parametrize(
        ('name', 'arguments', 'status'),
        [
            pytest.param(samples.GENOA, VERSIONS, 0, id='success'),
            pytest.param(samples.GENOA, [], 1, id='versions unknown'),
            pytest.param(samples.MILAN, ['--guests', 2000], 1, id='warning'),
            pytest.param(
                samples.MILAN,
                ['--libvirt-version', '9.0.0'],
                2,
                id='libvirt that takes no domain of nova 34',
            ),
            pytest.param(
                samples.GENOA,
                ['--qemu-version', '6.0.0'],
                2,
                id='QEMU with which nova-compute does not start',
            ),
            pytest.param(samples.INTEL, [], 2, id='failure'),
            pytest.param(
                samples.GENOA,
                ['--nova-release', 33],
                2,
                id='failure of an older release',
            ),
            pytest.param(
                samples.GENOA,
                ['--base', 70000],
                2,
                id='failure of a larger base',
            ),
        ],
    )
    def test_the_worst_result_is_the_exit_status(
        self, run, name, arguments, status
    ):
        outcome = run(node_check.Check, *host(name), *arguments, '-f', 'json')

        assert outcome.status == status
        assert max(c['result'] for c in outcome.json['checks']) == status

    @pytest.mark.parametrize('form', [['--json'], ['-f', 'json']])
    def test_the_results_are_json_too(self, run, form):
        found = run(node_check.Check, *host(samples.TDX), *form).json

        assert found['name'] == 'Memory Encryption Check Results'
        assert found['checks'][1] == {
            'check': 'Kernel module',
            'result': 0,
            'details': 'Switched on: intel-tdx.',
        }

    def test_bad_input_fails_its_check(self, run, tmp_path):
        path = tmp_path / 'caps.xml'
        path.write_text('<a')

        outcome = run(
            node_check.Check,
            '--root',
            samples.DIRECTORY / samples.MILAN,
            '--domain-capabilities',
            path,
            '--json',
        )

        assert outcome.status == 2
        failed = [c for c in outcome.json['checks'] if c['result'] == 2]
        assert [c['check'] for c in failed] == ['Libvirt and QEMU']
        assert 'not well-formed' in failed[0]['details']

    @pytest.mark.parametrize(
        ('error', 'words'),
        [
            pytest.param(
                RuntimeError('boom'), 'RuntimeError: boom', id='with words'
            ),
            pytest.param(
                RuntimeError('a\nb'), r'RuntimeError: a\nb', id='on two lines'
            ),
        ],
    )
    def test_an_unexpected_error_is_255(self, run, monkeypatch, error, words):
        from sev_scheduling import compute

        def fail(report):
            raise error

        monkeypatch.setattr(compute, 'check', fail)

        outcome = run(node_check.Check, *host(samples.MILAN))

        assert outcome.status == 255
        assert outcome.out == ''
        assert words in outcome.err
        assert outcome.err.count('\n') == 1

    def test_an_input_error_is_none_of_these(self, run, monkeypatch):
        from sev_scheduling import compute

        def fail(report):
            raise InputError('a line')

        monkeypatch.setattr(compute, 'check', fail)

        with pytest.raises(InputError, match='a line'):
            run(node_check.Check, *host(samples.MILAN))


class TestStandardInput:
    def test_a_closed_one_leaves_the_other_sources(self, run, monkeypatch):
        monkeypatch.setattr(sys, 'stdin', None)

        outcome = run(
            node.Detect,
            '--root',
            samples.DIRECTORY / samples.MILAN,
            '--domain-capabilities',
            '-',
            '-f',
            'json',
        )

        assert outcome.status == 2
        assert outcome.err == 'Standard input is closed; give a file.\n'
        assert outcome.json[0]['Slots'] == 410


class TestRoot:
    @pytest.mark.parametrize(
        ('command', 'arguments'),
        [
            (node.Detect, ()),
            (node.ProviderConfig, ()),
            (node_check.Check, ()),
            (node_reserve.Reserve, ('--guests', 1)),
        ],
    )
    @pytest.mark.parametrize('made', [True, False])
    def test_a_root_that_is_no_directory_is_no_empty_host(
        self, run, tmp_path, command, arguments, made
    ):
        root = tmp_path / 'root'
        if made:
            root.write_text('a file')

        with pytest.raises(InputError, match=r'--root .* is no directory'):
            run(command, *arguments, '--root', root)


class TestExtra:
    def test_the_commands_say_which_extra_they_need(self, run, monkeypatch):
        for name in list(sys.modules):
            if name.startswith('sev_scheduling.compute'):
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr('sev_scheduling.compute', raising=False)
        monkeypatch.setitem(sys.modules, 'defusedxml', None)

        with pytest.raises(InputError, match=r'sev-scheduling\[node\]'):
            run(node.Detect)

    def test_the_table_says_which_extra_it_needs(self, run, monkeypatch):
        monkeypatch.setitem(sys.modules, 'oslo_upgradecheck', None)

        with pytest.raises(InputError, match='oslo_upgradecheck'):
            run(node_check.Check, *host(samples.MILAN))
