"""What we detect is what nova's own driver detects on the same host.

``DIFFERENCES`` is the whole list of cases in which it is meant not to be; the
documentation has the same list.
"""

import dataclasses
import importlib.metadata
import os
import pathlib
import re
import tempfile
import types
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('nova', reason='nova is not installed')

from sev_scheduling.compute import (
    NovaSettings,
    detect,
    gather,
    parse_domain_capabilities,
)
from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.kernel import (
    CAPACITY,
    EncryptionLeaf,
    parameters,
    share_parameters,
)
from sev_scheduling.models import find_model, registered_models
from tests.unit.compute import samples

SWITCHES = parameters()
(HIDING,) = share_parameters().values()
RELEASE = int(importlib.metadata.version('nova').split('.')[0])
UNLIMITED = 2**31 - 1

PAGE = (
    pathlib.Path(__file__).parents[3] / 'doc/source/reference/differences.rst'
)

HOST_CAPABILITIES = """
<capabilities>
  <host><cpu><arch>x86_64</arch></cpu></host>
  <guest>
    <os_type>hvm</os_type>
    <arch name='x86_64'>
      <wordsize>64</wordsize>
      <emulator>/usr/bin/qemu-system-x86_64</emulator>
      <machine canonical='pc-i440fx-8.2' maxCpus='255'>pc</machine>
      <machine canonical='pc-q35-8.2' maxCpus='288'>q35</machine>
      <domain type='kvm'/>
    </arch>
  </guest>
</capabilities>
"""


class Connection:
    """Libvirt's answers, as nova asks for them."""

    def __init__(self, text, qemu_version):
        self.text = text
        self.qemu_version = qemu_version

    def getCapabilities(self):  # noqa: N802
        return HOST_CAPABILITIES

    def getDomainCapabilities(  # noqa: N802
        self, emulator, arch, machine, virt_type, flags
    ):
        return self.text

    def getVersion(self):  # noqa: N802
        major, minor, micro = self.qemu_version
        return major * 1_000_000 + minor * 1000 + micro


@dataclasses.dataclass
class Case:
    """A host: one of the samples, with some things changed.

    :ivar files: path -> text, in place of the sample's
    :ivar replace: text in the domain capabilities -> other text
    :ivar options: of nova.conf, in [libvirt]
    """

    sample: str
    files: dict = dataclasses.field(default_factory=dict)
    replace: tuple[str, str] = ('', '')
    qemu_version: tuple[int, int, int] = (9, 1, 0)
    qemu_version_known: bool = True
    options: dict = dataclasses.field(default_factory=dict)
    leaf: EncryptionLeaf | None = None
    document: str | None = None
    asked: bool = True

    def text(self):
        if self.document is not None:
            return self.document
        return samples.capabilities_text(self.sample).replace(*self.replace)

    def build(self, root):
        source = samples.DIRECTORY / (self.sample or 'none')
        for path in source.rglob('sys/**/*'):
            if path.is_file():
                target = root / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(path.read_text())
        for name, text in self.files.items():
            target = root / name.lstrip('/')
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    def ours(self, root):
        """Return model -> slots, as we see it with nova.conf in view."""
        gathered = gather(
            HostFilesystem(root),
            capabilities=[parse_domain_capabilities(self.text(), 'caps')]
            if self.asked
            else [],
            qemu_version=(
                self.qemu_version if self.qemu_version_known else None
            ),
        )
        nova = NovaSettings(
            release=RELEASE, values={'cpu_mode': 'host-passthrough'}
        )
        nova = dataclasses.replace(
            nova, values={**nova.values, **self.options}
        )
        return {
            model.model: model.slots
            for model in detect(
                dataclasses.replace(gathered.facts, leaf=self.leaf), nova
            )
            if model.offered
        }


def set_options(conf, options):
    """Set options of [libvirt], and only these."""
    for name in (
        'virt_type',
        'cpu_mode',
        'num_intel_tdx_guests',
        'num_memory_encrypted_guests',
    ):
        if name in conf.libvirt:
            conf.clear_override(name, group='libvirt')
    for name, value in options.items():
        conf.set_override(name, value, group='libvirt')


def detected(case, root):
    """Return what nova's driver reports to Placement, as model -> slots."""
    import nova.conf
    from nova.virt.libvirt import driver, host

    set_options(
        nova.conf.CONF,
        {'virt_type': 'kvm', 'cpu_mode': 'host-passthrough', **case.options},
    )
    switch = SWITCHES['sev']
    if RELEASE >= 32:
        switch = switch.replace('sev', '%s')
    connection = Connection(case.text(), case.qemu_version)
    fake_libvirt = types.SimpleNamespace(libvirtError=RuntimeError)
    with (
        mock.patch.object(host, 'SEV_KERNEL_PARAM_FILE', f'{root}{switch}'),
        mock.patch.object(
            host,
            'MISC_CONTROL_GROUP_CAPACITY_FILE',
            f'{root}{CAPACITY}',
            create=RELEASE < 34,
        ),
        mock.patch.object(host, 'libvirt', fake_libvirt),
        mock.patch.object(
            host.Host, 'get_connection', return_value=connection
        ),
    ):
        libvirt_driver = object.__new__(driver.LibvirtDriver)
        libvirt_driver._host = host.Host('qemu:///system')
        if RELEASE < 32:
            slots = libvirt_driver._get_memory_encrypted_slots()
            return {'amd-sev': slots} if slots else {}
        inventories = libvirt_driver._get_memory_encryption_inventories()
    return {
        model.replace('_', '-'): inventory['total']
        for model, inventory in inventories.items()
        if inventory['total']
    }


@pytest.fixture
def novas(tmp_path):
    import nova.conf

    yield lambda case: detected(case, tmp_path)
    set_options(nova.conf.CONF, {})


SAME = {
    **{name: Case(name) for name in samples.OFFERS},
    'QEMU is just too old for SEV-ES': Case(
        samples.MILAN, qemu_version=(7, 255, 255)
    ),
    'QEMU is just new enough for SEV-ES': Case(
        samples.MILAN, qemu_version=(8, 0, 0)
    ),
    'the parameter is an integer': Case(
        samples.MILAN, {SWITCHES['sev']: '1\n', SWITCHES['sev_es']: '0\n'}
    ),
    'CPU mode is not host-passthrough': Case(
        samples.TDX, options={'cpu_mode': 'host-model'}
    ),
    'no slot for SEV': Case(
        samples.MILAN,
        {CAPACITY: ''},
        ('<maxGuests>410', '<maxGuests>0'),
    ),
    'SEV is unsupported by libvirt': Case(
        samples.MILAN, replace=("sev supported='yes'", "sev supported='no'")
    ),
}
if RELEASE < 34:
    SAME['num_memory_encrypted_guests is lower'] = Case(
        samples.MILAN, options={'num_memory_encrypted_guests': 15}
    )
    SAME['num_memory_encrypted_guests is higher'] = Case(
        samples.MILAN, options={'num_memory_encrypted_guests': 1500}
    )
    SAME['num_memory_encrypted_guests counts'] = Case(
        'naples-kernel-5.4-libvirt-7.0',
        options={'num_memory_encrypted_guests': 15},
    )
else:
    SAME['num_intel_tdx_guests is lower'] = Case(
        samples.TDX, options={'num_intel_tdx_guests': 5}
    )
    SAME['num_intel_tdx_guests counts'] = Case(
        samples.TDX, {CAPACITY: ''}, options={'num_intel_tdx_guests': 5}
    )
    SAME['nothing counts TDX'] = Case(
        samples.TDX, {CAPACITY: ''}, options={'num_intel_tdx_guests': 0}
    )


@dataclasses.dataclass
class Difference:
    """A case in which we deliberately differ.

    :ivar name: how the documentation names it
    :ivar nova: model -> slots of nova, or the exception that it ends with
    :ivar ours: model -> slots of ours
    :ivar releases: in which the difference shows
    """

    name: str
    case: Case
    nova: dict | type[Exception]
    ours: dict
    releases: tuple[int, ...] = (31, 32, 33, 34)


STALE = 'genoa-stale-libvirt-kernel-6.8-libvirt-10.0'
OLD_LIBVIRT = 'genoa-snp-kernel-6.12-libvirt-9.0'
NAPLES = 'naples-kernel-5.4-libvirt-7.0'

LEAF = EncryptionLeaf(True, True, True, guests=509, first_sev_asid=100)

FEWER = 'The misc cgroup or the processor has fewer slots than libvirt reports'
UNCOUNTED = 'Libvirt does not report how many slots there are'
BESIDE = 'SEV-ES and SEV-SNP are both on'
HIDDEN = 'Ciphertext hiding leaves SEV-SNP fewer slots'
HIGHER = 'num_intel_tdx_guests is higher than the hardware'
UNCOUNTED_TDX = 'Nothing counts the slots of TDX'
TDX_OFF = 'Libvirt lists tdx while the kernel has it off'
ODD_SWITCH = 'A module parameter is neither yes nor no'
ODD_CAPACITY = 'A line of misc.capacity is no name and number'
QEMU_UNKNOWN = 'The version of QEMU is not known'
NO_CPUID = 'The processor does not support a model that the kernel has on'
NO_SECTYPES = 'Libvirt supports launchSecurity and lists no type of it'
NOT_ASKED = 'Libvirt was not asked, or gave no document of KVM guests'

DIFFERENCES = [
    Difference(
        FEWER,
        Case(STALE),
        {'amd-sev': 996, 'amd-sev-es': 10},
        {'amd-sev': 906, 'amd-sev-es': 10},
    ),
    Difference(
        UNCOUNTED,
        Case(NAPLES),
        {'amd-sev': UNLIMITED},
        {'amd-sev': None},
        (31, 32, 33),
    ),
    Difference(
        UNCOUNTED,
        Case(NAPLES),
        TypeError,
        {'amd-sev': None},
        (34,),
    ),
    Difference(
        BESIDE,
        Case(samples.GENOA),
        {'amd-sev': 754, 'amd-sev-es': 252},
        {'amd-sev': 754},
        (32, 33),
    ),
    Difference(
        BESIDE,
        Case(OLD_LIBVIRT),
        {'amd-sev': 754, 'amd-sev-es': 252},
        {'amd-sev': 754},
        (32, 33),
    ),
    Difference(
        HIGHER,
        Case(samples.TDX, options={'num_intel_tdx_guests': 100}),
        {'intel-tdx': 100},
        {'intel-tdx': 31},
        (34,),
    ),
    Difference(
        TDX_OFF,
        Case(samples.TDX, {SWITCHES['tdx']: 'N\n'}),
        {'intel-tdx': 31},
        {},
        (34,),
    ),
    Difference(
        ODD_SWITCH,
        Case(samples.MILAN, {SWITCHES['sev_es']: 'oui\n'}),
        {'amd-sev': 410},
        {'amd-sev': 410},
    ),
    Difference(
        QEMU_UNKNOWN,
        Case(samples.MILAN, qemu_version=(7, 2, 0), qemu_version_known=False),
        {'amd-sev': 410},
        {'amd-sev': 410, 'amd-sev-es': 99},
        (32, 33, 34),
    ),
    Difference(
        FEWER,
        Case(
            samples.MILAN, leaf=dataclasses.replace(LEAF, first_sev_asid=500)
        ),
        {'amd-sev': 410, 'amd-sev-es': 99},
        {'amd-sev': 10, 'amd-sev-es': 99},
    ),
    Difference(
        UNCOUNTED,
        Case(
            samples.MILAN,
            {CAPACITY: ''},
            ('<maxESGuests>99</maxESGuests>', ''),
        ),
        {'amd-sev': 410},
        {'amd-sev': 410, 'amd-sev-es': None},
        (32, 33),
    ),
    Difference(
        UNCOUNTED,
        Case(samples.MILAN, {}, ('<maxESGuests>99</maxESGuests>', '')),
        TypeError,
        {'amd-sev': 410, 'amd-sev-es': 99},
        (34,),
    ),
    Difference(
        HIDDEN,
        Case(samples.GENOA, {HIDING: '50\n'}),
        {'amd-sev': 754, 'amd-sev-snp': 252},
        {'amd-sev': 754, 'amd-sev-snp': 50},
        (34,),
    ),
    Difference(
        UNCOUNTED_TDX,
        Case(samples.TDX, {CAPACITY: ''}),
        {},
        {'intel-tdx': None},
        (34,),
    ),
    Difference(
        ODD_CAPACITY,
        Case(samples.TDX, {CAPACITY: 'other\ntdx 31\n'}),
        {'intel-tdx': 31},
        {'intel-tdx': None},
        (34,),
    ),
    Difference(
        NO_CPUID,
        Case(samples.MILAN, leaf=dataclasses.replace(LEAF, sev_es=False)),
        {'amd-sev': 410, 'amd-sev-es': 99},
        {'amd-sev': 410},
        (32, 33, 34),
    ),
    Difference(
        NO_SECTYPES,
        Case(
            samples.GENOA,
            replace=("<enum name='sectype'>", "<enum name='other'>"),
        ),
        TypeError,
        {'amd-sev': 754},
        (34,),
    ),
    Difference(
        NOT_ASKED,
        Case(samples.MILAN, asked=False),
        {'amd-sev': 410, 'amd-sev-es': 99},
        {'amd-sev': 410, 'amd-sev-es': 99},
    ),
    Difference(
        NOT_ASKED,
        Case(
            samples.MILAN,
            replace=("sev supported='yes'", "sev supported='no'"),
            asked=False,
        ),
        {},
        {'amd-sev': 410, 'amd-sev-es': 99},
    ),
]


def known_to_this_release(expected):
    return {
        model: slots
        for model, slots in expected.items()
        if find_model(model).since_nova <= RELEASE
    }


def differing(name):
    return any(
        name == difference.case.sample and RELEASE in difference.releases
        for difference in DIFFERENCES
        if difference.case == Case(difference.case.sample)
    )


@pytest.mark.parametrize(
    'name', [name for name in SAME if not differing(name)]
)
def test_nova_detects_the_same(novas, tmp_path, name):
    case = SAME[name]
    case.build(tmp_path)

    assert case.ours(tmp_path) == novas(case)


@pytest.mark.parametrize(
    'difference',
    [
        pytest.param(difference, id=difference.name)
        for difference in DIFFERENCES
        if RELEASE in difference.releases
    ],
)
def test_a_difference_is_what_the_table_says(novas, tmp_path, difference):
    case = difference.case
    case.build(tmp_path)

    assert case.ours(tmp_path) == known_to_this_release(difference.ours)
    if isinstance(difference.nova, dict):
        assert novas(case) == known_to_this_release(difference.nova)
    else:
        with pytest.raises(difference.nova):
            novas(case)


def test_the_documentation_lists_the_same_differences():
    section = PAGE.read_text().partition('What a compute host offers\n')[2]
    rows = re.findall(r'   \* - ((?:.+\n     )*?(?: .+|.+))\n     - ', section)
    listed = [' '.join(row.split()).replace('``', '') for row in rows[1:]]

    assert listed == list(dict.fromkeys(d.name for d in DIFFERENCES))


def optional(*values):
    return st.sampled_from([None, *values])


@st.composite
def hosts(draw):
    """Draw a host that may have anything wrong with it."""
    files = {}
    for name in ('sev', 'sev_es', 'sev_snp', 'tdx'):
        value = draw(st.sampled_from(['Y\n', 'N\n', '1', 'oui', None]))
        if value is not None:
            files[SWITCHES[name]] = value
    hiding = draw(optional('0', '50'))
    if hiding is not None:
        files[HIDING] = hiding
    capacity = draw(
        st.lists(
            st.sampled_from(
                ['sev 410', 'sev 0', 'sev_es 99', 'tdx 31', 'tdx 0', 'odd', '']
            ),
            unique_by=lambda line: line.partition(' ')[0],
        )
    )
    if draw(st.booleans()):
        files[CAPACITY] = '\n'.join(capacity)
    supported = draw(st.sampled_from(['yes', 'yes', 'no']))
    counts = ''.join(
        f'<{tag}>{value}</{tag}>'
        for tag, values in (('maxGuests', '410 0'), ('maxESGuests', '99 0'))
        if (value := draw(optional(*values.split()))) is not None
    )
    kinds = draw(optional('', '<value>sev</value>', '<value>sev-snp</value>'))
    security = ''
    if kinds is not None:
        enum = f"<enum name='sectype'>{kinds}</enum>" if kinds else ''
        security = f"<launchSecurity supported='yes'>{enum}</launchSecurity>"
    tdx = draw(optional('yes', 'no'))
    options = {
        'cpu_mode': draw(st.sampled_from(['host-passthrough', 'host-model']))
    }
    option = (
        'num_intel_tdx_guests'
        if RELEASE >= 34
        else 'num_memory_encrypted_guests'
    )
    value = draw(optional(0, 15, 1000))
    if value is not None:
        options[option] = value
    return Case(
        '',
        files,
        qemu_version=draw(st.sampled_from([(7, 2, 0), (9, 1, 0)])),
        qemu_version_known=draw(st.booleans()),
        options=options,
        leaf=draw(
            optional(
                LEAF,
                dataclasses.replace(LEAF, first_sev_asid=1),
                EncryptionLeaf(False, False, False, 0, 0),
            )
        ),
        asked=draw(st.sampled_from([True, True, True, False])),
        document=(
            '<domainCapabilities><domain>kvm</domain>'
            '<machine>pc-q35-8.2</machine><arch>x86_64</arch><features>'
            f"<sev supported='{supported}'>{counts}</sev>{security}"
            + (f"<tdx supported='{tdx}'/>" if tdx else '')
            + '</features></domainCapabilities>'
        ),
    )


def lacks_number(case):
    tags = ('<maxGuests>', '<maxESGuests>')
    return not all(tag in case.document for tag in tags)


def lacks_sectypes(case):
    return "<launchSecurity supported='yes'></launch" in case.document


ON = ('Y\n', '1')
TDX = 'intel-tdx'

#: Which hosts and models a documented difference concerns: of the case, the
#: model, our slots (None unknown, 0 not offered) and nova's.
CONCERNS = {
    FEWER: lambda case, model, ours, novas: (
        model != TDX
        and ours is not None
        and ours < novas
        and (CAPACITY in case.files or case.leaf is not None)
    ),
    UNCOUNTED: lambda case, model, ours, novas: (
        model != TDX and lacks_number(case)
    ),
    BESIDE: lambda case, model, ours, novas: (
        model == 'amd-sev-es'
        and ours == 0
        and case.files.get(SWITCHES['sev_snp']) in ON
    ),
    HIDDEN: lambda case, model, ours, novas: (
        model == 'amd-sev-snp' and ours == 50 < novas
    ),
    HIGHER: lambda case, model, ours, novas: (
        model == TDX
        and novas == case.options.get('num_intel_tdx_guests')
        and ours < novas
    ),
    UNCOUNTED_TDX: lambda case, model, ours, novas: (
        model == TDX and (ours, novas) == (None, 0)
    ),
    TDX_OFF: lambda case, model, ours, novas: (
        model == TDX
        and ours == 0
        and case.files.get(SWITCHES['tdx']) in (None, 'N\n')
    ),
    ODD_SWITCH: lambda case, model, ours, novas: (
        model == TDX and case.files.get(SWITCHES['tdx']) == 'oui'
    ),
    ODD_CAPACITY: lambda case, model, ours, novas: (
        model == TDX and 'odd' in case.files.get(CAPACITY, '')
    ),
    QEMU_UNKNOWN: lambda case, model, ours, novas: (
        model == 'amd-sev-es'
        and novas == 0
        and not case.qemu_version_known
        and case.qemu_version < (8, 0, 0)
    ),
    NO_CPUID: lambda case, model, ours, novas: (
        model != TDX and ours == 0 and case.leaf and not case.leaf.sev
    ),
    NOT_ASKED: lambda case, model, ours, novas: not case.asked,
}


@settings(deadline=None, max_examples=int(os.environ.get('EXAMPLES', 400)))
@given(hosts())
def test_every_other_difference_is_one_of_these(case):
    import nova.conf

    listed = {d.name for d in DIFFERENCES if RELEASE in d.releases}
    with tempfile.TemporaryDirectory() as root:
        case.build(pathlib.Path(root))
        ours = case.ours(pathlib.Path(root))
        try:
            novas = detected(case, root)
        except TypeError:
            assert RELEASE >= 34
            assert lacks_number(case) or lacks_sectypes(case)
            return
        finally:
            set_options(nova.conf.CONF, {})
    for model in registered_models():
        if find_model(model).since_nova > RELEASE:
            assert model not in ours
            continue
        mine = ours.get(model, 0)
        theirs = novas.get(model, 0)
        if mine != theirs:
            assert any(
                concerns(case, model, mine, theirs)
                for name, concerns in CONCERNS.items()
                if name in listed
            ), (model, mine, theirs)


def test_no_sample_offers_nothing_everywhere():
    # Else the comparison would be one of nothing with nothing.
    assert sum(bool(offered) for offered in samples.OFFERS.values()) >= 5
