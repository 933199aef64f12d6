import dataclasses

import pytest

from sev_scheduling.compute import detection
from sev_scheduling.compute.detection import (
    Evidence,
    HostEvidence,
    Source,
    detect,
)
from sev_scheduling.compute.sources.kernel import EncryptionLeaf
from sev_scheduling.compute.sources.libvirt import DomainCapabilities
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.hosts.check import NoteCode
from sev_scheduling.models import registered_models
from tests.unit.compute import samples

LEAF = EncryptionLeaf(
    sev=True, sev_es=True, sev_snp=True, guests=509, first_sev_asid=100
)


def of(model, facts, nova=None):
    return next(m for m in detect(facts, nova) if m.model == model)


def codes_of(found):
    return [note.code for note in found.notes]


@pytest.mark.parametrize('name', samples.OFFERS)
def test_a_sample_offers_what_its_documentation_says(name):
    found = detect(samples.facts(name))

    assert {m.model: m.slots for m in found if m.offered} == (
        samples.OFFERS[name]
    )


def test_every_sample_has_an_expectation():
    hosts = {
        path.name for path in samples.DIRECTORY.iterdir() if path.is_dir()
    }

    assert hosts == set(samples.OFFERS)


@pytest.mark.parametrize('name', samples.OFFERS)
def test_what_is_not_offered_has_a_reason(name):
    for model in detect(samples.facts(name)):
        assert model.offered or model.notes


def test_models_keep_one_order():
    assert [model.model for model in detect(HostEvidence())] == [
        'amd-sev',
        'amd-sev-es',
        'amd-sev-snp',
        'intel-tdx',
    ]


@pytest.mark.parametrize(
    ('change', 'slots', 'codes'),
    [
        pytest.param({}, 410, [], id='all agree'),
        pytest.param(
            {'capacity': {'sev': 409}},
            409,
            [NoteCode.SOURCES_DISAGREE],
            id='the cgroup has fewer',
        ),
        pytest.param(
            {'capacity': {'sev': 411}},
            410,
            [NoteCode.SOURCES_DISAGREE],
            id='the cgroup has more',
        ),
        pytest.param({'capacity': None}, 410, [], id='no cgroup'),
        pytest.param(
            {'leaf': None, 'capacity': None, 'capabilities': ()},
            None,
            [NoteCode.SLOTS_UNKNOWN, NoteCode.LIBVIRT_NOT_ASKED],
            id='nobody knows',
        ),
        pytest.param(
            {'capabilities': ()},
            410,
            [NoteCode.LIBVIRT_NOT_ASKED],
            id='libvirt unknown',
        ),
    ],
)
def test_the_smallest_number_wins(change, slots, codes):
    facts = dataclasses.replace(
        samples.facts(samples.MILAN), **{'leaf': LEAF, **change}
    )

    found = of('amd-sev', facts)

    assert found.offered
    assert found.slots == slots
    assert codes_of(found) == codes
    assert min(found.numbers.values(), default=None) == slots


SHARE = 'ciphertext_hiding_asids'


@pytest.mark.parametrize(
    ('share', 'slots', 'codes'),
    [
        pytest.param({}, 252, [], id='an older kernel'),
        pytest.param({SHARE: 0}, 252, [], id='hiding is off'),
        pytest.param(
            {SHARE: 50}, 50, [NoteCode.SLOTS_DIVIDED], id='hiding is on'
        ),
        pytest.param({SHARE: 252}, 252, [], id='it has all'),
    ],
)
def test_ciphertext_hiding_leaves_sev_snp_its_share(share, slots, codes):
    facts = dataclasses.replace(samples.facts(samples.GENOA), shares=share)

    found = of('amd-sev-snp', facts)

    assert (found.slots, codes_of(found)) == (slots, codes)
    assert of('amd-sev', facts).slots == 754


def test_a_share_is_no_matter_of_dispute():
    facts = dataclasses.replace(
        samples.facts(samples.GENOA),
        shares={SHARE: 50},
        capacity={'sev': 754, 'sev_es': 251},
    )

    found = of('amd-sev-snp', facts)

    assert codes_of(found) == [
        NoteCode.SOURCES_DISAGREE,
        NoteCode.SLOTS_DIVIDED,
    ]
    assert found.notes[0].values['numbers'] == {'cgroup': 251, 'libvirt': 252}
    assert found.notes[1].values['total'] == 251


def test_no_slots_is_no_offer():
    facts = dataclasses.replace(
        samples.facts(samples.MILAN), capacity={'sev': 0}
    )

    found = of('amd-sev', facts)

    assert not found.offered
    assert found.slots == 0


def test_no_slots_alone_is_reason_enough():
    found = of(
        'amd-sev', HostEvidence(switches={'sev': True}, capacity={'sev': 0})
    )

    assert not found.offered
    assert codes_of(found) == [NoteCode.NO_SLOTS]


@pytest.mark.parametrize(
    ('switches', 'offered', 'code'),
    [
        pytest.param({}, False, NoteCode.PARAMETER_MISSING, id='no module'),
        pytest.param(
            {'sev': False}, False, NoteCode.PARAMETER_OFF, id='switched off'
        ),
        pytest.param(
            {'sev': None},
            False,
            NoteCode.PARAMETER_UNREADABLE,
            id='unreadable',
        ),
        pytest.param(
            {'sev': True}, True, NoteCode.LIBVIRT_NOT_ASKED, id='switched on'
        ),
    ],
)
def test_the_kernel_must_have_it_on(switches, offered, code):
    found = of('amd-sev', HostEvidence(switches=switches, capacity={'sev': 1}))

    assert found.offered is offered
    assert codes_of(found) == [code]


@pytest.mark.parametrize('model', ['amd-sev-es', 'amd-sev-snp'])
def test_es_and_snp_need_sev(model):
    facts = HostEvidence(
        switches={'sev': False, 'sev_es': True, 'sev_snp': True}, leaf=LEAF
    )

    note = of(model, facts).notes[0]
    assert note.code is NoteCode.PARAMETER_OFF
    assert note.values['path'] == '/sys/module/kvm_amd/parameters/sev'


def test_the_processor_has_a_say():
    leaf = dataclasses.replace(LEAF, sev=False, sev_es=False, sev_snp=False)
    facts = dataclasses.replace(samples.facts(samples.GENOA), leaf=leaf)

    for model in detect(facts)[:3]:
        assert not model.offered
        assert model.notes[0].code is NoteCode.CPUID_UNSUPPORTED


@pytest.mark.parametrize(
    ('version', 'offered'),
    [
        pytest.param(None, True, id='unknown'),
        pytest.param((7, 2, 0), False, id='7.2.0'),
        pytest.param((7, 255, 255), False, id='the last too old'),
        pytest.param((8, 0, 0), True, id='8.0.0'),
    ],
)
def test_sev_es_needs_qemu_8(version, offered):
    facts = dataclasses.replace(
        samples.facts(samples.MILAN), qemu_version=version
    )

    assert of('amd-sev-es', facts).offered is offered
    assert of('amd-sev', facts).offered


def test_sev_es_is_not_offered_beside_snp_that_libvirt_lacks():
    found = of(
        'amd-sev-es', samples.facts('genoa-snp-kernel-6.12-libvirt-9.0')
    )

    assert not found.offered
    assert found.notes[0].code is NoteCode.EXCLUDED
    assert found.notes[0].values == {
        'model': 'amd-sev-es',
        'other': 'amd-sev-snp',
        'source': 'CVE-2025-48514',
    }


def test_another_architecture_says_nothing_of_x86():
    caps = DomainCapabilities(
        arch='aarch64', features={'sev': True, 'tdx': True}
    )
    facts = HostEvidence(
        switches={'sev': True, 'tdx': True}, capabilities=(caps,)
    )

    assert not of('amd-sev', facts).offered
    assert not of('intel-tdx', facts).offered


def test_one_machine_type_that_supports_it_is_enough():
    q35 = samples.facts(samples.TDX).capabilities[0]
    pc = DomainCapabilities(arch='x86_64', features={'tdx': False})
    facts = dataclasses.replace(
        samples.facts(samples.TDX), capabilities=(pc, q35)
    )

    assert of('intel-tdx', facts).offered


class TestNovaConf:
    @pytest.mark.parametrize(
        ('release', 'models'),
        [
            pytest.param(31, {'amd-sev'}, id='nova 31'),
            pytest.param(33, {'amd-sev'}, id='nova 33'),
            pytest.param(34, {'amd-sev', 'amd-sev-snp'}, id='nova 34'),
        ],
    )
    def test_a_release_offers_what_it_knows(self, release, models):
        found = detect(
            samples.facts(samples.GENOA), NovaSettings(release=release)
        )

        assert {m.model for m in found if m.offered} == models

    @pytest.mark.parametrize(
        ('release', 'value', 'slots'),
        [
            pytest.param(33, 15, 15, id='lower'),
            pytest.param(33, 410, 410, id='the same'),
            pytest.param(33, 1000, 410, id='higher'),
            pytest.param(33, None, 410, id='unset'),
            pytest.param(34, 15, 410, id='removed'),
        ],
    )
    def test_num_memory_encrypted_guests_limits_sev(
        self, release, value, slots
    ):
        nova = NovaSettings(
            release=release, values={'num_memory_encrypted_guests': value}
        )

        found = detect(samples.facts(samples.MILAN), nova)

        assert found[0].slots == slots
        assert found[1].slots == 99
        # A limit is no count.
        assert found[0].notes == ()

    @pytest.mark.parametrize(
        ('value', 'slots'),
        [
            pytest.param(10, 10, id='lower'),
            pytest.param(31, 31, id='the same'),
            pytest.param(100, 31, id='higher'),
            pytest.param(None, 31, id='unset'),
        ],
    )
    def test_num_intel_tdx_guests_limits_tdx(self, value, slots):
        nova = NovaSettings(
            values={
                'num_intel_tdx_guests': value,
                'cpu_mode': 'host-passthrough',
            }
        )

        found = of('intel-tdx', samples.facts(samples.TDX), nova)

        assert found.offered
        assert found.slots == slots

    def test_tdx_needs_host_passthrough(self):
        found = of('intel-tdx', samples.facts(samples.TDX), NovaSettings())

        assert not found.offered
        assert found.notes[0].code is NoteCode.NOVA_CPU_MODE
        assert found.notes[0].values['mode'] == 'host-model'


def test_a_source_that_was_not_asked_says_nothing():
    model = detect(HostEvidence())[0]
    bare = dataclasses.replace(model, evidence=())

    assert model.says(Source.KERNEL).supported is False
    assert bare.says(Source.KERNEL) == Evidence(Source.KERNEL)


def test_a_model_of_a_plug_in_is_detected(arm_cca):
    found = detect(arm_cca.facts)

    assert [(m.model, m.slots) for m in found if m.offered] == [
        ('arm-cca', 32)
    ]
    assert found[-1].numbers == {'cgroup': 32, 'libvirt': 32}
    assert [m.notes[0].code for m in found[:-1]] == [
        NoteCode.PARAMETER_MISSING
    ] * 4


@pytest.mark.parametrize(
    ('changes', 'offered', 'codes'),
    [
        pytest.param({}, True, [], id='a capacity'),
        pytest.param(
            {'capacity': None, 'capabilities': ()},
            False,
            [NoteCode.NOT_SHOWN],
            id='nothing',
        ),
    ],
)
def test_a_model_without_kernel_parameters_is_on_where_something_shows_it(
    arm_cca, monkeypatch, changes, offered, codes
):
    models = registered_models()
    bare = dataclasses.replace(models['arm-cca'], kernel_parameters=())
    monkeypatch.setattr(
        detection, 'registered_models', lambda: {**models, 'arm-cca': bare}
    )

    found = of('arm-cca', dataclasses.replace(arm_cca.facts, **changes))

    assert (found.offered, codes_of(found)) == (offered, codes)
    assert found.enabled is offered
