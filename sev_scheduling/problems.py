"""Findings about a request, as data: codes, fields, fixes, problems.

No words are made here. The catalogue in ``explain`` registers how each kind
of finding is put into words with :func:`message` and :func:`advice`.
"""

from __future__ import annotations

import enum
import functools
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace


@functools.singledispatch
def message(finding: object) -> str:
    """Return one sentence about a finding."""
    raise TypeError(f'{type(finding).__name__} has no row in the catalogue')


@functools.singledispatch
def advice(finding: object) -> str:
    """Return what to do about a finding; '' where nothing is known."""
    raise TypeError(f'{type(finding).__name__} has no row in the catalogue')


class Severity(enum.StrEnum):
    """An error refuses the request; a warning does not."""

    ERROR = 'error'
    WARNING = 'warning'


class Code(enum.StrEnum):
    """What can be wrong. Do not change a value: programs compare them."""

    INVALID_BOOLEAN = 'invalid-boolean'
    ENCRYPTION_CONFLICT = 'encryption-conflict'
    UNKNOWN_MODEL = 'unknown-model'
    MODEL_CONFLICT = 'model-conflict'
    MODEL_WITHOUT_ENCRYPTION = 'model-without-encryption'
    MISSPELT_KEY = 'misspelt-key'
    FIRMWARE_NOT_UEFI = 'firmware-not-uefi'
    FIRMWARE_NOT_STATELESS = 'firmware-not-stateless'
    SECURE_BOOT_UNSUPPORTED = 'secure-boot-unsupported'
    MACHINE_TYPE_NOT_Q35 = 'machine-type-not-q35'
    MACHINE_TYPE_UNSET = 'machine-type-unset'
    ARCHITECTURE_UNSUPPORTED = 'architecture-unsupported'
    DISK_BUS_UNSUPPORTED = 'disk-bus-unsupported'
    CDROM_BUS_UNSUPPORTED = 'cdrom-bus-unsupported'
    VIDEO_DEVICE_PRESENT = 'video-device-present'
    HOST_DEVICE = 'host-device'
    TRAIT_CONFLICT = 'trait-conflict'
    TRAIT_WITHOUT_ENCRYPTION = 'trait-without-encryption'
    EXPLICIT_SLOT = 'explicit-slot'
    INVALID_RESOURCE_REQUEST = 'invalid-resource-request'
    ACTION_UNSUPPORTED = 'action-unsupported'
    REBUILD_NEEDS_SLOT = 'rebuild-needs-slot'
    REBUILD_CHANGES_MODEL = 'rebuild-changes-model'
    REBUILD_NOT_UNDONE = 'rebuild-not-undone'
    RESCUE_DROPS_ENCRYPTION = 'rescue-drops-encryption'


class Case(enum.StrEnum):
    """Which of several cases of one code it is; '' where there is one."""

    ONLY = ''
    #: the machine type is the host's default, not the image's
    HOST_DEFAULT = 'host-default'
    #: the bus is right and its controller is not
    CONTROLLER = 'controller'
    #: Secure Boot is taken where the host has it
    OPTIONAL = 'optional'
    #: the model's firmware has Secure Boot, and it is not asked for
    NOT_ASKED = 'not-asked'
    #: the trait is forbidden, not required
    FORBIDDEN = 'forbidden'
    #: a volume or device that is to be attached
    ATTACHED = 'attached'
    #: a port that is to be attached
    PORT = 'port'
    #: encryption is not asked for
    UNENCRYPTED = 'unencrypted'
    #: a model that the caller would take, named by neither flavor nor image
    CALLER = 'caller'
    #: an entry that is neither ``required`` nor ``forbidden``
    NOT_A_STATE = 'not-a-state'
    UNKNOWN_TRAIT = 'unknown-trait'
    UNKNOWN_CLASS = 'unknown-class'
    NOT_AN_AMOUNT = 'not-an-amount'
    #: Placement knows the name, or may, in capitals
    NOT_IN_CAPITALS = 'not-in-capitals'
    #: the same name in capitals is not asked for
    CAPITALS_MEANT = 'capitals-meant'
    NOT_A_POLICY = 'not-a-policy'
    #: two request groups or more, and no ``group_policy``
    NO_POLICY = 'no-policy'
    #: a request group has traits and no resources
    NO_RESOURCES_IN_GROUP = 'no-resources-in-group'
    #: a trait that the field requires and another forbids
    REQUIRED_AND_FORBIDDEN = 'required-and-forbidden'
    #: a trait that the field forbids and another requires
    FORBIDDEN_AND_REQUIRED = 'forbidden-and-required'
    #: the flavor asks for nothing at all
    NO_RESOURCES = 'no-resources'


class Source(enum.StrEnum):
    """Where a field stands."""

    FLAVOR = 'flavor'
    IMAGE = 'image'
    #: given with the request itself, such as a port
    REQUEST = 'request'
    #: an option of the command line
    OPTION = 'option'
    #: a server action
    ACTION = 'action'


@dataclass(frozen=True, slots=True, order=True)
class Field:
    """One extra spec, image property, or other thing that was asked for.

    :ivar key: such as ``hw_firmware_type``; '' where there is none
    :ivar owner: name of the flavor or image, None where it is not known
    """

    source: Source
    key: str = ''
    owner: str | None = None

    def __str__(self) -> str:
        return f'{self.source}:{self.key}' if self.key else str(self.source)


class Target(enum.StrEnum):
    """What a fix changes."""

    FLAVOR = 'flavor'
    IMAGE = 'image'
    #: the image properties of a bootable volume
    VOLUME = 'volume'
    #: options in nova.conf of compute hosts
    HOST = 'host'
    #: what nova keeps of the image of a server that exists
    SERVER = 'server'


class Advice(enum.StrEnum):
    """What to do where no command does it."""

    ANOTHER_MODEL = 'another-model'
    ANOTHER_ARCHITECTURE = 'another-architecture'
    #: what keeps one model out, where the one of the values will do
    LEAVE_TO_OTHER_MODEL = 'leave-to-other-model'
    LEAVE_DEVICE_OUT = 'leave-device-out'
    CORRECT_NAME = 'correct-name'
    CORRECT_TRAIT = 'correct-trait'
    CORRECT_STATE = 'correct-state'
    CORRECT_AMOUNT = 'correct-amount'
    USE_CAPITALS = 'use-capitals'
    ADD_RESOURCES = 'add-resources'
    GIVE_RESOURCES = 'give-resources'
    COLD_MIGRATE = 'cold-migrate'
    STOP_OR_SHELVE = 'stop-or-shelve'
    ANOTHER_BUS = 'another-bus'
    NORMAL_PORT = 'normal-port'
    NEW_SERVER = 'new-server'
    ANOTHER_FLAVOR = 'another-flavor'
    ENCRYPTED_RESCUE_IMAGE = 'encrypted-rescue-image'
    BEFORE_HARD_REBOOT = 'before-hard-reboot'
    #: the values are traits and resource classes
    USE_HOSTS_WITH = 'use-hosts-with'


class Caveat(enum.StrEnum):
    """What must be true for a fix to be the right one."""

    ENCRYPTED = 'encrypted'
    UNENCRYPTED = 'unencrypted'
    #: the first of the fix's values is the model that is wanted
    MODEL_WANTED = 'model-wanted'
    BOOTS_WITH_UEFI = 'boots-with-uefi'
    BOOTS_WITH_STATELESS_FIRMWARE = 'boots-with-stateless-firmware'
    RUNS_ON_Q35 = 'runs-on-q35'
    HAS_VIRTIO_DRIVER = 'has-virtio-driver'
    HAS_SATA_DRIVER = 'has-sata-driver'
    NEEDS_NO_DISPLAY = 'needs-no-display'
    BOOTS_WITH_SECURE_BOOT = 'boots-with-secure-boot'
    #: another property of an image than those above
    BOOTS_WITH_PROPERTY = 'boots-with-property'
    #: what the fix removes is not needed
    NOT_NEEDED = 'not-needed'
    #: the first of the fix's values is the name that is meant
    NAME_MEANT = 'name-meant'
    #: one provider may answer several request groups
    SHARED_PROVIDER = 'shared-provider'
    #: each request group is to have a provider of its own
    OWN_PROVIDERS = 'own-providers'
    #: hosts with the first of the fix's values, a trait, are to be used
    HOSTS_WITH_TRAIT = 'hosts-with-trait'
    HOSTS_WITHOUT_TRAIT = 'hosts-without-trait'

    @property
    def of_image(self) -> bool:
        """Whether another image is the way out where it is not true."""
        return self not in _CAVEATS_OF_REQUEST


_CAVEATS_OF_REQUEST = frozenset(
    {
        Caveat.ENCRYPTED,
        Caveat.UNENCRYPTED,
        Caveat.MODEL_WANTED,
        Caveat.NOT_NEEDED,
        Caveat.NAME_MEANT,
        Caveat.SHARED_PROVIDER,
        Caveat.OWN_PROVIDERS,
        Caveat.HOSTS_WITH_TRAIT,
        Caveat.HOSTS_WITHOUT_TRAIT,
    }
)

#: What is true wherever another is: UEFI needs what q35 has, and firmware
#: for Secure Boot is UEFI.
_IMPLIED = {
    Caveat.BOOTS_WITH_UEFI: (Caveat.RUNS_ON_Q35,),
    Caveat.BOOTS_WITH_SECURE_BOOT: (
        Caveat.BOOTS_WITH_UEFI,
        Caveat.RUNS_ON_Q35,
    ),
}


def conditions(caveats: Iterable[Caveat]) -> tuple[Caveat, ...]:
    """Return each once, without those that others imply.

    >>> conditions([Caveat.RUNS_ON_Q35, Caveat.BOOTS_WITH_UEFI])
    (<Caveat.BOOTS_WITH_UEFI: 'boots-with-uefi'>,)
    """
    found = dict.fromkeys(caveats)
    for caveat in list(found):
        for implied in _IMPLIED.get(caveat, ()):
            found.pop(implied, None)
    return tuple(found)


#: What stands before ``set`` or ``unset`` in a command, and the option.
_COMMANDS = {
    Target.FLAVOR: ('openstack', 'flavor', '--property'),
    Target.IMAGE: ('openstack', 'image', '--property'),
    Target.VOLUME: ('openstack', 'volume', '--image-property'),
    # It knows no ``unset``.
    Target.SERVER: ('nova-manage', 'image_property', '--property'),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A change that solves a problem: keys to set or to unset, or advice.

    :ivar target: what is changed; None where advice alone is given
    :ivar name: of the flavor, image, volume or host, or the uuid of the
        server; None where unknown
    :ivar set: key -> value
    :ivar unset: keys to remove; a fix that sets removes nothing
    :ivar advice: what to do where no command does it
    :ivar values: what the advice or a caveat is about
    :ivar caveats: what must be true of the image or of what is wanted
    :ivar public: others use the flavor or image as well, so that its owner
        or the cloud's operator must make the change
    :ivar alternatives: other fixes, any one of which would do as well
    """

    target: Target | None = None
    name: str | None = None
    set: Mapping[str, str] = field(default_factory=dict, hash=False)
    unset: tuple[str, ...] = ()
    advice: Advice | None = None
    values: tuple[str, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    public: bool = False
    alternatives: tuple[Fix, ...] = ()

    @property
    def ways(self) -> tuple[Fix, ...]:
        """This fix and its alternatives, each alone, that a command does."""
        ways = (replace(self, alternatives=()), *self.alternatives)
        return tuple(way for way in ways if way.argv())

    @property
    def wish(self) -> str:
        """What must be wanted for it: a model, or a caveat; '' for none."""
        for caveat in self.caveats:
            if caveat is Caveat.MODEL_WANTED:
                return self.values[0]
            if not caveat.of_image:
                return str(caveat)
        return ''

    def argv(self) -> list[str]:
        """Return the command; [] where none does it.

        It is ``openstack``, or ``nova-manage`` for a server.

        >>> Fix(target=Target.IMAGE, name='u', set={'a': '1'}).argv()
        ['openstack', 'image', 'set', '--property', 'a=1', 'u']
        """
        if self.target not in _COMMANDS or not (self.set or self.unset):
            return []
        if self.target is Target.SERVER and not self.set:
            return []
        program, kind, option = _COMMANDS[self.target]
        words = [program, kind, 'set' if self.set else 'unset']
        pairs = [f'{key}={value}' for key, value in self.set.items()]
        for value in pairs or self.unset:
            words += [option, value]
        name = self.name or self.target.upper()
        # A name may look like an option.
        return [*words, *(['--'] if name.startswith('-') else []), name]

    def command(self) -> str:
        """Return the command, quoted for a shell; '' where none does it."""
        return shlex.join(self.argv())

    def __str__(self) -> str:
        return message(self)


def merge(fixes: Iterable[Fix], *, alternatives: bool = False) -> list[Fix]:
    """Join the fixes of one target that one command can do.

    The same advice again is left out. What two of them set otherwise is as
    the first has it: errors come before warnings.

    :param alternatives: keep those of the first fix of each target
    :returns: in the order in which each target first appears
    """
    merged: dict[object, Fix] = {}
    for fix in fixes:
        if not alternatives:
            fix = replace(fix, alternatives=())
        key: object = fix.advice, fix.values
        if fix.target is not None:
            key = fix.target, fix.name, bool(fix.set)
        known = merged.get(key)
        if known is not None and _is_overruled(fix, known):
            continue
        merged[key] = (
            fix
            if known is None
            else replace(
                known,
                set={**known.set, **{**fix.set, **known.set}},
                unset=tuple(dict.fromkeys(known.unset + fix.unset)),
                values=known.values or fix.values,
                caveats=conditions(known.caveats + fix.caveats),
            )
        )
    return list(merged.values())


def _is_overruled(fix: Fix, known: Fix) -> bool:
    """Whether another sets all that a fix sets, each otherwise."""
    return bool(fix.set) and all(
        known.set.get(key, value) != value for key, value in fix.set.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding about a request.

    :ivar code: what is wrong; equal to its string
    :ivar field: the field at fault
    :ivar case: which case of the code
    :ivar value: what stands in the field; None where nothing does
    :ivar needs: what would do there, any of them
    :ivar model: name of the model that the request is for, or ''
    :ivar requesters: the fields that ask for encryption
    :ivar other: a field that contradicts this one, with its value
    """

    code: Code
    severity: Severity
    field: Field
    fix: Fix
    case: Case = Case.ONLY
    value: str | None = None
    needs: tuple[str, ...] = ()
    model: str = ''
    requesters: tuple[Field, ...] = ()
    other: Field | None = None
    other_value: str | None = None

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    @property
    def where(self) -> str:
        """The field at fault, such as ``image:hw_firmware_type``."""
        return str(self.field)

    @property
    def message(self) -> str:
        """One sentence that names who asked for encryption."""
        return message(self)

    def __str__(self) -> str:
        return f'{self.severity}: {self.message} {self.fix}'
