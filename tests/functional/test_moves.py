"""Servers from before the plug-in are moved as nova alone moves them.

Each row of the table breaks one rule. Its servers are built by nova as it
ships; then one of them makes every move with the scheduler as nova ships it,
and the other one with the plug-in. What each move leaves is the same.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from unittest import mock

from nova.cmd import manage
from nova.tests.fixtures import libvirt as fakelibvirt
from oslo_serialization import jsonutils

from sev_scheduling import parse, validate
from sev_scheduling.problems import Severity
from sev_scheduling.rules.validation import MODEL_RULES, REQUEST_RULES
from tests.functional.cloud import ENCRYPTED, Q35, UEFI, ApiError, Cloud
from tests.functional.hosts import ES, NESTED, SEV

DEVICE = {
    'vendor_id': fakelibvirt.PCI_VEND_ID,
    'product_id': fakelibvirt.PCI_PROD_ID,
}

#: Each rule with each move takes minutes: in the newest release only. In the
#: others each rule meets one of the moves, and those that end on a host.
EVERY_MOVE = int(version('nova').partition('.')[0]) >= 34

FAULT = 'A fault of sev_scheduling.'

#: Code -> flavor, image.
ROWS: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    'invalid-boolean': ({'hw:mem_encryption': 'enabled'}, Q35),
    'invalid-boolean: image': ({}, {**Q35, 'hw_mem_encryption': 'on!'}),
    'disk-bus-unsupported': (ENCRYPTED, {**Q35, 'hw_disk_bus': 'ide'}),
    'disk-bus-unsupported: controller': (
        ENCRYPTED,
        {**Q35, 'hw_disk_bus': 'scsi'},
    ),
    'cdrom-bus-unsupported': (ENCRYPTED, {**Q35, 'hw_cdrom_bus': 'ide'}),
    'architecture-unsupported': (
        ENCRYPTED,
        {**Q35, 'hw_architecture': 'aarch64'},
    ),
    'host-device': ({**ENCRYPTED, 'pci_passthrough:alias': 'gpu:1'}, Q35),
    'trait-conflict': (
        {**ENCRYPTED, 'trait:HW_CPU_X86_INTEL_TDX': 'required'},
        Q35,
    ),
    'trait-conflict: forbidden': (
        {**ENCRYPTED, 'trait:HW_CPU_X86_AMD_SEV': 'forbidden'},
        Q35,
    ),
    'explicit-slot': (
        {**ENCRYPTED, 'resources1:MEM_ENCRYPTION_CONTEXT': '1'},
        Q35,
    ),
    'invalid-resource-request': (
        {**ENCRYPTED, 'trait1:CUSTOM_X': 'required'},
        Q35,
    ),
    'encryption-conflict': (ENCRYPTED, {**Q35, 'hw_mem_encryption': 'false'}),
    'unknown-model': ({**ENCRYPTED, 'hw:mem_encryption_model': 'rot13'}, Q35),
    'model-conflict': (
        {**ENCRYPTED, 'hw:mem_encryption_model': SEV},
        {**Q35, 'hw_mem_encryption_model': ES},
    ),
    'firmware-not-uefi': (ENCRYPTED, {'hw_machine_type': 'q35'}),
    'machine-type-not-q35': (ENCRYPTED, {**UEFI, 'hw_machine_type': 'pc'}),
    'firmware-not-stateless': (
        {**ENCRYPTED, 'hw:mem_encryption_model': 'amd-sev-snp'},
        Q35,
    ),
    'video-device-present': (
        {**ENCRYPTED, 'hw:mem_encryption_model': 'intel-tdx'},
        {**Q35, 'hw_firmware_stateless': 'true'},
    ),
    'secure-boot-unsupported': (
        {**ENCRYPTED, 'hw:mem_encryption_model': ES},
        {**Q35, 'os_secure_boot': 'required'},
    ),
}


class Moves(Cloud):
    """What a test of moves needs of its servers."""

    def at_rest(self, server: Mapping[str, Any]) -> dict[str, Any]:
        """Wait until nothing happens to a server any more."""

        def rest() -> dict[str, Any]:
            found = self.admin_api.get_server(server['id'])
            assert found['OS-EXT-STS:task_state'] is None
            return found

        return self._wait_for_assert(rest, max_retries=200, sleep=0.05)

    def act(
        self, server: Mapping[str, Any], action: str, **body: Any
    ) -> dict[str, Any]:
        """Have an administrator do something to a server; wait for its end."""
        self.admin_api.post_server_action(server['id'], {action: body})
        return self.at_rest(server)

    def state(self, server: Mapping[str, Any], before: str | None) -> Any:
        """What a move left: status, whether it moved, slots, encryption."""
        found = self.admin_api.get_server(server['id'])
        host = found['OS-EXT-SRV-ATTR:host']
        return (
            found['status'],
            host != before,
            self.slots_of(server),
            found['status'] != 'ERROR' and self.is_encrypted(server),
        )

    def confirmed(self, server: Mapping[str, Any]) -> None:
        found = self.admin_api.get_server(server['id'])
        if found['status'] == 'VERIFY_RESIZE':
            self.admin_api.post_server_action(
                server['id'], {'confirmResize': None}
            )
            self.until(server, 'ACTIVE')

    def until(self, server: Mapping[str, Any], status: str) -> None:
        def reached() -> None:
            found = self.admin_api.get_server(server['id'])
            assert found['status'] == status

        self._wait_for_assert(reached, max_retries=200, sleep=0.05)

    # The moves; each returns what it left.

    def migrate_cold(self, server: Mapping[str, Any]) -> Any:
        before = self.host_of(server)
        self.act(server, 'migrate', host=None)
        found = self.state(server, before)
        self.confirmed(server)
        return found

    def resize_to_an_equal_flavor(self, server: Mapping[str, Any]) -> Any:
        before = self.host_of(server)
        extra_specs = server['flavor']['extra_specs']
        equal = self.flavor(extra_specs, memory_mb=640)
        self.act(server, 'resize', flavorRef=equal)
        found = self.state(server, before)
        self.confirmed(server)
        return found

    def unshelve(self, server: Mapping[str, Any], **where: str) -> Any:
        self.admin_api.post_server_action(server['id'], {'shelve': None})
        self.until(server, 'SHELVED_OFFLOADED')
        self.admin_api.post_server_action(
            server['id'], {'unshelve': where or None}
        )
        self.at_rest(server)
        return self.state(server, None)

    def evacuate(self, server: Mapping[str, Any]) -> Any:
        before = self.host_of(server)
        self.act(server, 'evacuate')
        # The host is written before the migration is done.
        self._wait_for_migration_status(server, ['done', 'error', 'failed'])
        return self.state(server, before)

    def kill(self, host: str) -> None:
        self.computes[host].stop()
        self.force_down(host)


ENDS_ON_A_HOST = {'unshelve to a host', 'evacuate'}

#: What nova alone builds; its API, or Placement, refuses the others.
BUILT = {
    *('invalid-boolean', 'invalid-boolean: image', 'disk-bus-unsupported'),
    *('disk-bus-unsupported: controller', 'cdrom-bus-unsupported'),
    *('host-device', 'trait-conflict'),
}
#: What later releases alone build.
MAY_BE_BUILT = {'architecture-unsupported', 'secure-boot-unsupported'}
#: Nova 31 reads no model, and takes each of these for amd-sev; one of them is
#: moved.
OF_AN_UNREAD_MODEL = {
    *('model-conflict', 'firmware-not-stateless', 'video-device-present'),
}
if not NESTED:
    BUILT |= {'unknown-model'}
    OF_AN_UNREAD_MODEL |= {'secure-boot-unsupported'}
    MAY_BE_BUILT |= OF_AN_UNREAD_MODEL


def test_the_table_has_every_error():
    rows = {row.partition(':')[0] for row in ROWS}
    rules = (*REQUEST_RULES, *MODEL_RULES)
    errors = {
        str(rule.code) for rule in rules if Severity.ERROR in rule.severities
    }
    assert rows == errors
    for extra_specs, image in ROWS.values():
        flavor = {'ram': 1, 'vcpus': 1, 'properties': extra_specs}
        assert any(p.is_error for p in validate(parse(flavor, image)))


class TestEveryRule(Moves):
    def setUp(self):
        super().setUp()
        self.flags(
            group='pci',
            device_spec=[jsonutils.dumps(DEVICE)],
            alias=[jsonutils.dumps({**DEVICE, 'name': 'gpu'})],
        )
        slots = {SEV: 40, ES: 40} if NESTED else {SEV: 40}
        for name in ('alpha', 'beta'):
            devices = fakelibvirt.HostPCIDevicesInfo(num_pci=8)
            root = self.add_host(name, slots, pci_info=devices)
            # A stale one: a flavor that requires it finds the host.
            self.add_traits(root, 'HW_CPU_X86_INTEL_TDX')

    def build(self, row: str) -> dict[str, Any] | None:
        """Have nova alone build a server; None where it does not."""
        try:
            server = self.boot(*ROWS[row])
        except ApiError:
            return None
        return server if server['status'] == 'ACTIVE' else None

    def play(
        self, servers: Mapping[str, Any], moves: Mapping[str, Any]
    ) -> dict[tuple[str, str], Any]:
        one = dict(zip(servers, itertools.cycle(moves), strict=False))
        return {
            (name, row): move(server)
            for name, move in moves.items()
            for row, server in servers.items()
            if EVERY_MOVE or name in ENDS_ON_A_HOST or one[row] == name
        }

    def test_moves_end_as_with_nova_alone(self):
        built = {row: self.build(row) for row in ROWS}
        alone = {row: server for row, server in built.items() if server}
        assert BUILT <= alone.keys() <= BUILT | MAY_BE_BUILT
        for row in OF_AN_UNREAD_MODEL:
            alone.pop(row, None)
        ours = {row: self.build(row) for row in alone}
        moves = {
            'cold migrate': self.migrate_cold,
            'resize': self.resize_to_an_equal_flavor,
            'unshelve': self.unshelve,
            'unshelve to a zone': functools.partial(
                self.unshelve, availability_zone='nova'
            ),
            'unshelve to a host': functools.partial(
                self.unshelve, host='alpha'
            ),
        }
        evacuate = {'evacuate': self.evacuate}

        expected = self.play(alone, moves)
        self.enable_plugin()
        found = self.play(ours, moves)
        self.kill('alpha')
        found |= self.play(ours, evacuate)
        self.disable_plugin()
        expected |= self.play(alone, evacuate)

        assert found == expected
        # Every one of these went to another host, or back to one.
        assert {moved for _, moved, _, _ in found.values()} == {True}
        assert 'ERROR' not in {status for status, *_ in found.values()}


class TestMachineType(Moves):
    """Servers of an image without one, on hosts that default to q35."""

    def setUp(self):
        super().setUp()
        self.add_host('alpha', {SEV: 9}, machine_type='q35')
        self.servers = [self.boot(ENCRYPTED, UEFI) for _ in range(4)]
        root = self.add_host('beta', {SEV: 9}, machine_type='pc')
        self._create_trait('CUSTOM_HW_MACHINE_TYPE_PC')
        self.add_traits(root, 'CUSTOM_HW_MACHINE_TYPE_PC')

    def test_the_recorded_one_counts_where_nova_goes_by_it(self):
        first, second, third, fourth = self.servers
        unshelve = functools.partial(self.unshelve, host='beta')
        expected = unshelve(first)
        self.enable_plugin()
        found = unshelve(second)
        self.kill('alpha')
        found += self.evacuate(third)
        self.disable_plugin()
        expected += self.evacuate(fourth)

        assert found == expected
        assert expected[0] == 'ACTIVE'
        assert expected[4:6] == ('SHUTOFF', True)

    def test_a_cold_migration_goes_by_the_image_and_is_refused(self):
        first, second, *_ = self.servers
        # Nova alone tries it, and loses the server.
        assert self.migrate_cold(first)[0] == 'ERROR'

        self.enable_plugin()
        assert self.migrate_cold(second) == ('ACTIVE', False, 1, True)
        command = (
            'nova-manage image_property set --property hw_machine_type=q35 '
            + second['id']
        )
        assert command in self.stdlog.logger.output

        # The operator does what it says.
        self._stop_server(second)
        status = manage.ImagePropertyCommands().set(
            instance_uuid=second['id'],
            image_properties=['hw_machine_type=q35'],
        )
        assert status == 0
        self._start_server(second)
        assert self.migrate_cold(second) == ('VERIFY_RESIZE', True, 1, True)

    def test_a_resize_is_refused_for_what_its_flavor_brings(self):
        first, server, *_ = self.servers
        wrong = self.flavor({'hw:mem_encryption': 'enabled'})
        # Nova alone takes the encryption away, and says nothing.
        self.act(first, 'resize', flavorRef=wrong)
        assert self.state(first, 'alpha') == ('VERIFY_RESIZE', True, 0, False)

        self.enable_plugin()
        self.act(server, 'resize', flavorRef=wrong)
        assert self.state(server, 'alpha') == ('ACTIVE', False, 1, True)
        assert 'Resize the server to another' in self.stdlog.logger.output


class TestFaults(Cloud):
    """A fault of the plug-in in nova-scheduler is never its user's."""

    #: What each of the hooks calls.
    BROKEN = (
        'nova.request_filter.host_with_candidate',
        'nova.evaluation.HostEvaluator.fitting',
        'nova.request_spec.SpecReading.of',
        'nova.weigher.MemoryEncryptionWeigher._free_slots',
    )

    def test_a_server_is_built_and_nothing_leaks(self):
        for name in ('alpha', 'beta'):
            self.add_host(name, {SEV: 9}, machine_type='q35')
        for broken in self.BROKEN:
            self.enable_plugin(weigher=True)
            logged = self.stdlog.logger.output.count(FAULT)
            with mock.patch(
                f'sev_scheduling.{broken}', side_effect=KeyError('ours')
            ):
                server = self.boot(ENCRYPTED)
                self.assert_active(server)
                assert self.is_encrypted(server)
                assert self.slots_of(server) == 1
                self.delete(server)
            self.assert_nothing_allocated()
            assert self.stdlog.logger.output.count(FAULT) == logged + 1

    def test_with_the_policy_refuse_its_user_reads_our_text(self):
        self.add_host('alpha', {SEV: 9}, machine_type='q35')
        self.enable_plugin(on_placement_failure='refuse')
        with mock.patch(
            'sev_scheduling.nova.evaluation.HostEvaluator.fitting',
            side_effect=KeyError('ours'),
        ):
            assert 'cannot be found out now' in self.fault_of(
                self.boot(ENCRYPTED)
            )
            self.assert_active(self.boot())
