"""The compute host's side: what it offers, what it lacks, what it publishes.

Functions over text and mappings do the work; :func:`gather` and
:func:`survey` read a host's files for them. Needs the extra ``node``.
"""

# Registers the words of notes and checks.
import sev_scheduling.explain.checks  # noqa: F401
from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.detection import (
    Evidence,
    HostEvidence,
    HostFacts,
    ModelSupport,
    Source,
    detect,
)
from sev_scheduling.compute.provider_config import provider_config, render
from sev_scheduling.compute.reservation import (
    Fit,
    Reservation,
    arithmetic,
    fit,
    nova_conf,
    reserve,
    systemd_drop_in,
)
from sev_scheduling.compute.sources.files import (
    MAX_BYTES,
    HostFilesystem,
    Root,
    write_text,
)
from sev_scheduling.compute.sources.firmware import (
    Descriptor,
    parse_descriptor,
)
from sev_scheduling.compute.sources.kernel import (
    EncryptionLeaf,
    parse_capacity,
    parse_leaves,
    parse_switch,
)
from sev_scheduling.compute.sources.libvirt import (
    DomainCapabilities,
    LibvirtAnswer,
    ask_libvirt,
    parse_domain_capabilities,
)
from sev_scheduling.compute.sources.memory import HostMemory, read_memory
from sev_scheduling.compute.sources.nova_conf import (
    NovaSettings,
    read_nova_conf,
)
from sev_scheduling.compute.survey import (
    Gathered,
    check,
    gather,
    read_settings,
    survey,
)
from sev_scheduling.documents import decode, read_text
from sev_scheduling.hosts.check import (
    Check,
    CheckKind,
    Note,
    NoteCode,
    Status,
)

__all__ = [
    'MAX_BYTES',
    'Check',
    'CheckKind',
    'Descriptor',
    'DomainCapabilities',
    'EncryptionLeaf',
    'Evidence',
    'Fit',
    'Gathered',
    'HostEvidence',
    'HostFacts',
    'HostFilesystem',
    'HostMemory',
    'HostReport',
    'LibvirtAnswer',
    'ModelSupport',
    'Note',
    'NoteCode',
    'NovaSettings',
    'Reservation',
    'Root',
    'Source',
    'Status',
    'arithmetic',
    'ask_libvirt',
    'check',
    'decode',
    'detect',
    'fit',
    'gather',
    'nova_conf',
    'parse_capacity',
    'parse_descriptor',
    'parse_domain_capabilities',
    'parse_leaves',
    'parse_switch',
    'provider_config',
    'read_memory',
    'read_nova_conf',
    'read_settings',
    'read_text',
    'render',
    'reserve',
    'survey',
    'systemd_drop_in',
    'write_text',
]
