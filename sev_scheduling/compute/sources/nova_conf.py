"""The options of nova.conf that decide over encrypted guests.

Names, types and defaults follow nova 31 (2025.1) to 34 (2026.2). Options
that are not listed here are ignored.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oslo_config import cfg

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.libvirt import DEFAULT_URI
from sev_scheduling.configuration import read_configuration
from sev_scheduling.exceptions import InputError
from sev_scheduling.models import registered_models

#: Releases by nova's major version.
RELEASES = {31: '2025.1', 32: '2025.2', 33: '2026.1', 34: '2026.2'}

#: The one whose rules hold where no release is given.
LATEST = max(RELEASES)

#: Option -> the release that has removed it.
REMOVED = {'num_memory_encrypted_guests': 34}

#: From this release on, nova offers no model beside one that excludes it.
HIDES_EXCLUDED = 34

#: Nova's default machine types.
_MACHINE_TYPES = {
    'aarch64': 'virt',
    'i686': 'pc',
    'ppc64le': 'pseries',
    's390x': 's390-ccw-virtio',
    'x86_64': 'pc',
}

#: Where nova asks libvirt of other hypervisors than QEMU.
_URIS = {'lxc': 'lxc:///', 'parallels': 'parallels:///system'}

#: The first release that starts with no reservation beside file-backed memory.
REFUSES_RESERVED = 34

_FIXED: Mapping[str, Sequence[cfg.Opt]] = {
    'DEFAULT': (
        cfg.IntOpt('reserved_host_memory_mb', default=512, min=0),
        cfg.FloatOpt('ram_allocation_ratio', min=0.0),
        cfg.FloatOpt('initial_ram_allocation_ratio', default=1.0, min=0.0),
        cfg.StrOpt(
            'config_drive_format',
            default='iso9660',
            choices=['iso9660', 'vfat'],
        ),
        cfg.BoolOpt('force_config_drive', default=False),
    ),
    'libvirt': (
        cfg.StrOpt(
            'virt_type',
            default='kvm',
            choices=['kvm', 'lxc', 'qemu', 'parallels'],
        ),
        cfg.StrOpt(
            'cpu_mode',
            choices=['host-model', 'host-passthrough', 'custom', 'none'],
        ),
        cfg.ListOpt('cpu_models', default=[], deprecated_name='cpu_model'),
        cfg.ListOpt('hw_machine_type'),
        cfg.IntOpt('file_backed_memory', default=0, min=0),
        cfg.StrOpt('connection_uri', default=''),
    ),
    'compute': (
        cfg.StrOpt(
            'provider_config_location', default='/etc/nova/provider_config/'
        ),
    ),
}

#: Where nova-compute looks, in its own order; Debian's packages name the
#: second file on the command line.
_DEFAULT_FILES = ('/etc/nova/nova.conf', '/etc/nova/nova-compute.conf')
_DEFAULT_DIRS = ('/etc/nova/nova.conf.d', '/etc/nova/nova-compute.conf.d')


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaSettings:
    """What nova.conf says, every option on its own.

    :ivar release: nova's major version, such as 34
    :ivar values: option name -> value, nova's default where it is unset;
        the names are unambiguous without their groups
    :ivar errors: option name -> why its value cannot be used
    :ivar files: where they were read from
    """

    release: int = LATEST
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    errors: Mapping[str, str] = field(default_factory=dict, hash=False)
    files: tuple[str, ...] = ()

    def get(self, name: str) -> Any:
        """Return an option's value.

        :raises InputError: where it cannot be used
        """
        if name in self.errors:
            raise InputError(self.errors[name])
        if name in self.values:
            return self.values[name]
        return _DEFAULTS.get(name)

    def knows(self, option: str) -> bool:
        """Return whether this release of nova still has an option."""
        return self.release < REMOVED.get(option, self.release + 1)

    @property
    def libvirt_uri(self) -> str:
        """Where nova asks libvirt.

        :raises InputError: where it cannot be used
        """
        return str(
            self.get('connection_uri')
            or _URIS.get(self.get('virt_type'), DEFAULT_URI)
        )

    @property
    def cpu_mode(self) -> str:
        """The CPU mode of guests; nova's default follows ``virt_type``."""
        mode: str | None = self.get('cpu_mode')
        if mode is None:
            emulated = self.get('virt_type') in ('kvm', 'qemu')
            return 'host-model' if emulated else 'none'
        return mode

    @property
    def machine_type(self) -> str:
        """The default machine type of x86_64 guests."""
        return self.default_machine_type('x86_64')

    def default_machine_type(self, architecture: str) -> str:
        """Return the default machine type; '' where nova has none.

        As in nova, an entry without a machine type is passed over, and the
        first one counts.
        """
        for entry in self.get('hw_machine_type') or ():
            host, _, machine_type = entry.partition('=')
            if host == architecture and machine_type:
                return str(machine_type)
        return _MACHINE_TYPES.get(architecture, '')


_DEFAULTS = {
    option.name: option.default
    for options in _FIXED.values()
    for option in options
}


def _options() -> Iterator[tuple[str, cfg.Opt]]:
    """Yield groups and the options that are read of them."""
    for group, options in _FIXED.items():
        for option in options:
            yield group, option
    for model in registered_models().values():
        if model.slots_option:
            yield 'libvirt', cfg.IntOpt(model.slots_option, min=0)


def installed_version() -> tuple[int, ...] | None:
    """Return the version of the nova in this environment, if any."""
    try:
        words = importlib.metadata.version('nova').split('.')
        return tuple(int(word) for word in words[:2])
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


def installed_release() -> int | None:
    """Return the major version of the nova in this environment, if any."""
    version = installed_version()
    return version[0] if version and version[0] in RELEASES else None


def default_files(root: HostFilesystem) -> list[Path]:
    """Return the configuration files that a host has; later ones win.

    :raises InputError: where a directory of them cannot be read
    """
    files = [p for p in map(root.locate, _DEFAULT_FILES) if p.is_file()]
    for directory in _DEFAULT_DIRS:
        if root.locate(directory).is_dir():
            # A link among them leads to where it would on the host.
            files += (
                root.locate(f'{directory}/{name}')
                for name in root.names(directory)
                if name.endswith('.conf')
            )
    return files


def read_nova_conf(
    files: Sequence[Path],
    directories: Sequence[Path] = (),
    *,
    release: int = LATEST,
) -> NovaSettings:
    """Read configuration as nova-compute would, except for its environment.

    :param files: later ones win
    :param directories: their ``*.conf`` in order of name, after the files
    :raises InputError: where a file cannot be read, or has no such syntax;
        one bad value spoils only its option
    """
    found = read_configuration(files, directories, _options())
    return NovaSettings(
        release=release,
        values={name: value for (_, name), value in found.values.items()},
        errors={name: why for (_, name), why in found.errors.items()},
        files=found.files,
    )
