"""What we detect is what nova's own driver detects on the same host.

``DIFFERENCES`` is the whole list of cases in which it is meant not to be; the
documentation has the same list.
"""

import dataclasses
import importlib.metadata
import pathlib
import types

import pytest

pytest.importorskip('nova', reason='nova is not installed')

from sev_scheduling.compute import (
    NovaSettings,
    detect,
    gather,
    parse_domain_capabilities,
)
from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.kernel import CAPACITY, parameters
from sev_scheduling.models import find_model
from tests.unit.compute import samples

SWITCHES = parameters()
RELEASE = int(importlib.metadata.version('nova').split('.')[0])
UNLIMITED = 2**31 - 1

PAGE = (
    pathlib.Path(__file__).parents[3] / 'doc/source/operator/compute-host.rst'
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

    def text(self):
        return samples.capabilities_text(self.sample).replace(*self.replace)

    def build(self, root):
        source = samples.DIRECTORY / self.sample
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
            capabilities=[parse_domain_capabilities(self.text(), 'caps')],
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
            for model in detect(gathered.facts, nova)
            if model.offered
        }


@pytest.fixture
def novas(tmp_path, monkeypatch):
    """Return what nova's driver reports to Placement, as model -> slots."""
    import nova.conf
    from nova.virt.libvirt import driver, host

    def detected(case):
        options = {
            'virt_type': 'kvm',
            'cpu_mode': 'host-passthrough',
            **case.options,
        }
        for name, value in options.items():
            nova.conf.CONF.set_override(name, value, group='libvirt')
        here = str(tmp_path)
        if RELEASE < 32:
            parameters = here + SWITCHES['sev']
        else:
            parameters = here + SWITCHES['sev'].replace('sev', '%s')
        monkeypatch.setattr(host, 'SEV_KERNEL_PARAM_FILE', parameters)
        monkeypatch.setattr(
            host,
            'MISC_CONTROL_GROUP_CAPACITY_FILE',
            here + CAPACITY,
            raising=RELEASE >= 34,
        )
        monkeypatch.setattr(
            host,
            'libvirt',
            types.SimpleNamespace(libvirtError=RuntimeError),
        )
        connection = Connection(case.text(), case.qemu_version)
        monkeypatch.setattr(
            host.Host, 'get_connection', lambda self: connection
        )
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

    yield detected
    for name in ('virt_type', 'cpu_mode'):
        nova.conf.CONF.clear_override(name, group='libvirt')
    for name in ('num_intel_tdx_guests', 'num_memory_encrypted_guests'):
        if name in nova.conf.CONF.libvirt:
            nova.conf.CONF.clear_override(name, group='libvirt')


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
else:
    SAME['num_intel_tdx_guests is lower'] = Case(
        samples.TDX, options={'num_intel_tdx_guests': 5}
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

DIFFERENCES = [
    Difference(
        'The misc cgroup has fewer slots than libvirt reports',
        Case(STALE),
        {'amd-sev': 996, 'amd-sev-es': 10},
        {'amd-sev': 906, 'amd-sev-es': 10},
    ),
    Difference(
        'Libvirt does not report how many slots there are',
        Case(NAPLES),
        {'amd-sev': UNLIMITED},
        {'amd-sev': None},
        (31, 32, 33),
    ),
    Difference(
        'Libvirt does not report how many slots there are',
        Case(NAPLES),
        TypeError,
        {'amd-sev': None},
        (34,),
    ),
    Difference(
        'SEV-ES and SEV-SNP are both on',
        Case(samples.GENOA),
        {'amd-sev': 754, 'amd-sev-es': 252},
        {'amd-sev': 754},
        (32, 33),
    ),
    Difference(
        'SEV-ES and SEV-SNP are both on',
        Case(OLD_LIBVIRT),
        {'amd-sev': 754, 'amd-sev-es': 252},
        {'amd-sev': 754},
        (32, 33),
    ),
    Difference(
        'num_intel_tdx_guests is higher than the hardware',
        Case(samples.TDX, options={'num_intel_tdx_guests': 100}),
        {'intel-tdx': 100},
        {'intel-tdx': 31},
        (34,),
    ),
    Difference(
        'Libvirt lists tdx while the kernel has it off',
        Case(samples.TDX, {SWITCHES['tdx']: 'N\n'}),
        {'intel-tdx': 31},
        {},
        (34,),
    ),
    Difference(
        'A module parameter is neither yes nor no',
        Case(samples.MILAN, {SWITCHES['sev_es']: 'oui\n'}),
        {'amd-sev': 410},
        {'amd-sev': 410},
    ),
    Difference(
        'The version of QEMU is not known',
        Case(samples.MILAN, qemu_version=(7, 2, 0), qemu_version_known=False),
        {'amd-sev': 410},
        {'amd-sev': 410, 'amd-sev-es': 99},
        (32, 33, 34),
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
        if not difference.case.files
        and not difference.case.options
        and difference.case.qemu_version_known
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
    text = ' '.join(PAGE.read_text().split())

    for difference in DIFFERENCES:
        assert difference.name in text


def test_no_sample_offers_nothing_everywhere():
    # Else the comparison would be one of nothing with nothing.
    assert sum(bool(offered) for offered in samples.OFFERS.values()) >= 5
