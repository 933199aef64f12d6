"""Rebuilds that are refused, by the plug-in or by others, and hard reboots."""

from __future__ import annotations

import json
import types
import unittest
from unittest import mock

from keystoneauth1 import exceptions as ks_exceptions
from nova import context as nova_context

from sev_scheduling.nova.servers.check import check_servers, repair
from sev_scheduling.placement import PlacementClient
from tests.functional.cloud import ENCRYPTED, Q35, Cloud
from tests.functional.hosts import ES, NESTED, SEV

BY_IMAGE = {**Q35, 'hw_mem_encryption': 'true'}
SEV_BY_FLAVOR = {**ENCRYPTED, 'hw:mem_encryption_model': SEV}


class TestRefusedRebuild(Cloud):
    def encryption_of(self, server):
        return {
            key: value
            for key, value in self.system_metadata_of(server).items()
            if 'mem_encryption' in key
        }

    @unittest.skipUnless(NESTED, 'nova 31 knows one model')
    def test_a_rebuild_that_changes_nothing_passes_with_another_model_s_slot(
        self,
    ):
        root = self.add_host('alpha', {SEV: 1, ES: 5})
        self.add_traits(root, 'HW_CPU_X86_AMD_SEV')
        for extra_specs, image in (
            (ENCRYPTED, Q35),
            (SEV_BY_FLAVOR, Q35),
            ({}, BY_IMAGE),
        ):
            self.disable_plugin()
            while True:
                server = self.boot(extra_specs, image)
                if self.slots_used('alpha')['alpha_amd_sev_es']:
                    break
            before = self.encryption_of(server)
            self.enable_plugin()
            self.assert_active(self.rebuild(server, self.image(image)))
            assert self.encryption_of(server) == before
            # One that is refused for another reason writes nothing.
            wrong = self.image(image, hw_disk_bus='ide')
            assert 'hw_disk_bus' in self.fault_of(self.rebuild(server, wrong))
            assert self.encryption_of(server) == before
            self.delete(*self.api.get_servers())

    @unittest.skipUnless(NESTED, 'nova 31 knows one model')
    def test_a_hard_reboot_meets_no_conflict_with_the_flavor(self):
        root = self.add_host('alpha', {SEV: 0, ES: 5})
        self.add_traits(root, 'HW_CPU_X86_AMD_SEV')
        server = self.boot(SEV_BY_FLAVOR)
        self.assert_active(server)
        self.enable_plugin()
        refused = self.rebuild(server, self.image(Q35, hw_disk_bus='ide'))
        assert 'hw_disk_bus' in self.fault_of(refused)
        self.assert_active(self.reboot(server))
        assert self.is_encrypted(server)
        assert self.encryption_of(server) == {}

    @unittest.skipUnless(NESTED, 'nova 31 knows one model')
    def test_another_model_s_image_is_taken_back(self):
        self.add_host('alpha', {SEV: 5, ES: 5})
        self.enable_plugin()
        server = self.boot({}, BY_IMAGE)
        refused = self.rebuild(
            server, self.image(BY_IMAGE, hw_mem_encryption_model=ES)
        )
        assert 'amd-sev-es' in self.fault_of(refused)
        assert self.encryption_of(server) == {
            'image_hw_mem_encryption': 'true'
        }
        self.assert_active(self.reboot(server))
        assert self.is_encrypted(server)

    def test_a_full_pool_leaves_nothing_behind(self):
        self.add_host('alpha', {SEV: 1})
        self.enable_plugin()
        self.assert_active(self.boot(ENCRYPTED))
        plain = self.boot()
        refused = self.rebuild(plain, self.image(BY_IMAGE))
        assert 'mem_encryption' in self.fault_of(refused)
        assert self.encryption_of(plain) == {}
        self.assert_active(self.reboot(plain))
        assert not self.is_encrypted(plain)
        self.assert_slots('alpha', 1)

    def test_an_outage_of_placement_leaves_nothing_behind(self):
        self.add_host('alpha', {SEV: 5})
        self.enable_plugin(cache_seconds=0.0)
        for choice in ('protected', 'refuse'):
            self.restart_scheduler(on_placement_failure=choice)
            plain = self.boot()
            with placement_fails():
                refused = self.rebuild(plain, self.image(BY_IMAGE))
            assert 'Try again later.' in self.fault_of(refused)
            assert self.encryption_of(plain) == {}
            self.assert_active(self.reboot(plain))
            assert not self.is_encrypted(plain)
            self.assert_slots('alpha', 0)

    def test_with_the_option_off_nothing_is_written_and_the_fault_says_so(
        self,
    ):
        self.add_host('alpha', {SEV: 5})
        self.enable_plugin(undo_refused_rebuild=False)
        plain = self.boot()
        refused = self.rebuild(plain, self.image(BY_IMAGE))
        assert 'before a hard reboot' in self.fault_of(refused)
        assert self.encryption_of(plain)


def placement_fails():
    """Have nova and the plug-in reach no Placement."""
    return mock.patch(
        'nova.scheduler.client.report.SchedulerReportClient.get',
        side_effect=ks_exceptions.ConnectFailure('gone'),
    )


class Onto:
    """An adapter onto the Placement of nova's functional stack."""

    def __init__(self, client):
        self.client = client

    def request(self, url, method, *, microversion, json=None, **_):
        args = [url] if method == 'GET' else [url, json]
        ask = getattr(self.client, method.lower())
        answer = ask(*args, version=microversion or '1.0')
        return _response(answer)


def _response(answer):
    return types.SimpleNamespace(
        status_code=answer.status,
        content=json.dumps(answer.body).encode() if answer.body else b'',
        headers=dict(answer.headers),
    )


class TestServers(Cloud):
    """Servers that refusals by others leave wrong, found and set right."""

    def setUp(self):
        super().setUp()
        self.context = nova_context.get_admin_context()
        self.client = PlacementClient(Onto(self.placement))

    def found(self):
        return check_servers(self.context, self.client)

    def codes(self):
        return [(str(f.disagreement), str(f.remedy)) for f in self.found()]

    def repair_all(self):
        return [repair(self.context, self.client, f) for f in self.found()]

    def refuse(self, server, image):
        """Have the conductor refuse a rebuild, before any filter."""
        image = {**image, 'trait:HW_CPU_X86_AVX512VL': 'required'}
        refused = self.rebuild(server, self.image(image))
        assert 'traits' in self.fault_of(refused)

    def test_a_refused_rebuild_to_an_encrypted_image_is_taken_back(self):
        self.add_host('alpha', {SEV: 5})
        for enable in (self.disable_plugin, self.enable_plugin):
            enable()
            plain = self.boot()
            self.refuse(plain, BY_IMAGE)
            assert self.codes() == [('encrypted-without-slot', 'undo-rebuild')]
            assert self.repair_all() == [True]
            assert self.codes() == []
            self.assert_active(self.reboot(plain))
            assert not self.is_encrypted(plain)
            self.assert_slots('alpha', 0)

    def test_an_outage_that_the_conductor_meets_leaves_the_new_image(self):
        self.add_host('alpha', {SEV: 5})
        self.enable_plugin()
        plain = self.boot()
        # Nova asks Placement about the traits that an image requires. Where
        # it gets no answer, server and image stay as if the rebuild went on.
        image = {**BY_IMAGE, 'trait:HW_CPU_X86_AMD_SEV': 'required'}
        with placement_fails() as get:
            self.api.post_server_action(
                plain['id'], {'rebuild': {'imageRef': self.image(image)}}
            )

            def asked():
                assert any('/allocations' in str(c) for c in get.mock_calls)

            self._wait_for_assert(asked, max_retries=100, sleep=0.1)
        assert self.codes() == []
        self.admin_api.post_server_action(
            plain['id'], {'os-resetState': {'state': 'active'}}
        )
        assert self.codes() == [('encrypted-without-slot', 'claim-slot')]
        assert self.repair_all() == [True]
        assert self.codes() == []
        self.assert_active(self.reboot(plain))
        assert self.is_encrypted(plain)
        self.assert_slots('alpha', 1)

    def test_a_slot_that_no_pool_has_left_is_not_claimed(self):
        self.add_host('alpha', {SEV: 1})
        self.boot({}, BY_IMAGE)
        plain = self.boot()
        # Nova alone: one encrypted guest more than the host has slots.
        self.assert_active(self.rebuild(plain, self.image(BY_IMAGE)))
        assert self.codes() == [('encrypted-without-slot', 'claim-slot')]
        assert self.repair_all() == [False]
        assert self.slots_of(plain) == 0
        self.assert_slots('alpha', 1)

    def test_a_refusal_by_another_filter_is_taken_back(self):
        self.add_host('alpha', {SEV: 5})
        self.disable_plugin()
        plain = self.boot()
        self.rebuild(plain, self.image(BY_IMAGE, img_hv_type='xen'))
        assert self.codes() == [('encrypted-without-slot', 'undo-rebuild')]
        assert self.repair_all() == [True]
        assert self.codes() == []

    def test_a_refused_rebuild_to_a_plain_image_is_found(self):
        self.add_host('alpha', {SEV: 5})
        server = self.boot({}, BY_IMAGE)
        self.refuse(server, Q35)
        assert self.codes() == [('slot-without-encryption', 'by-hand')]
        assert self.repair_all() == [False]

    def test_a_rebuild_with_the_same_image_that_has_changed_since(self):
        self.add_host('alpha', {SEV: 5})
        self.enable_plugin()
        image = self.image(Q35)
        server = self.boot(image_id=image)
        self.glance.images[image]['properties']['hw_mem_encryption'] = 'true'
        self.assert_active(self.rebuild(server, image))
        assert self.is_encrypted(server)
        assert self.codes() == [('encrypted-without-slot', 'claim-slot')]
        assert self.repair_all() == [True]
        self.assert_slots('alpha', 1)
        assert self.codes() == []

    def test_what_nova_alone_left_is_set_right(self):
        self.add_host('alpha', {SEV: 5})
        encrypted, plain = self.boot({}, BY_IMAGE), self.boot()
        self.assert_active(self.rebuild(encrypted, self.image(Q35)))
        self.assert_active(self.rebuild(plain, self.image(BY_IMAGE)))
        assert sorted(self.codes()) == [
            ('encrypted-without-slot', 'claim-slot'),
            ('slot-without-encryption', 'release-slot'),
        ]
        assert self.repair_all() == [True, True]
        assert self.codes() == []
        assert self.slots_of(plain) == 1
        assert self.slots_of(encrypted) == 0

    @unittest.skipUnless(NESTED, 'nova 31 knows one model')
    def test_another_model_s_slot_is_exchanged_once_one_is_free(self):
        root = self.add_host('alpha', {SEV: 1, ES: 5})
        self.add_traits(root, 'HW_CPU_X86_AMD_SEV')
        servers = [self.boot(ENCRYPTED) for _ in range(2)]
        wrong = self.found()
        # One of them at least; which one has the right slot is open.
        assert {f.disagreement for f in wrong} == {'slot-of-another-model'}
        keep = wrong[0].server
        self.delete(*(s for s in servers if s['id'] != keep))
        assert self.repair_all() == [True]
        assert self.slots_used('alpha') == {
            'alpha_amd_sev': 1,
            'alpha_amd_sev_es': 0,
        }
        assert self.codes() == []
