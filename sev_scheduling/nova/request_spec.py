"""What nova's RequestSpec asks for, in this package's terms."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nova import exception, objects
from nova.objects.image_meta import ImageMetaProps
from oslo_versionedobjects import exception as ovo_exception

from sev_scheduling.models import DEFAULT_MODEL, registered_models
from sev_scheduling.nova.lookups import (
    Deadline,
    Lookups,
    StoredServer,
    stored_server,
)
from sev_scheduling.nova.options import Options
from sev_scheduling.problems import Problem, Severity
from sev_scheduling.request.parsing import parse
from sev_scheduling.request.request import as_boolean
from sev_scheduling.rules.validation import (
    Validation,
    validate,
    validate_unnamed,
)

#: Nova keeps the properties of an image under these names of an instance.
RAW_IMAGE_ENCRYPTION = 'image_hw_mem_encryption'

#: The attribute of a RequestSpec that its :class:`SpecReading` travels in.
_ATTRIBUTE = '_sev_scheduling_reading'

#: Nova before 2025.2 gives every encrypted guest the same one.
_KNOWS_MODELS = 'hw_mem_encryption_model' in ImageMetaProps.fields


class SpecReading:
    """What is known of one RequestSpec while nova schedules it.

    Nova hands the same RequestSpec to the request filters, the filters and
    the weighers, for each guest of the request (nova 31 to 34). So this
    travels with it, as an attribute that is no field: neither serialised
    nor copied, and gone with the request.

    :ivar mentions_encryption: flavor or image name encryption, be it to
        forbid it
    :ivar asks_for_encryption: the guest is to be encrypted, as nova reads it
    :ivar image_encryption: ``hw_mem_encryption`` of the image as nova reads
        it; None where the image has none
    :ivar first_guest: uuid of the first guest that hosts were filtered for
    :ivar tolerated: problems that refuse a new server, and not the move of
        this one
    """

    mentions_encryption = False
    asks_for_encryption = False
    image_encryption: bool | None = None
    first_guest: str | None = None
    tolerated: tuple[Problem, ...] = ()
    _deadline: Deadline | None = None
    _decision: Validation | None = None
    _validation: Validation | None = None
    _raw: str | None = None

    @classmethod
    def of(cls, spec: Any) -> SpecReading:
        """Return what is known of a ``nova.objects.RequestSpec``.

        In constant time: most guests are not to be encrypted, and nothing
        else is looked at for them.
        """
        held = fields_of(spec)
        flavor, image = held.get('_obj_flavor'), held.get('_obj_image')
        known: SpecReading | None = vars(spec).get(_ATTRIBUTE)
        # Nova changes neither in place; a resize brings another flavor.
        if (
            known is None
            or known._flavor is not flavor
            or known._image is not image
        ):
            known = cls(flavor, image)
            setattr(spec, _ATTRIBUTE, known)
        return known

    def __init__(self, flavor: Any, image: Any) -> None:
        self._flavor = flavor
        self._image = image
        extra_specs = value_of(flavor, 'extra_specs')
        value = extra_specs.get('hw:mem_encryption') if extra_specs else None
        properties = image and fields_of(image).get('_obj_properties')
        theirs = properties and fields_of(properties).get(
            '_obj_hw_mem_encryption'
        )
        if value is not None or theirs is not None:
            self.image_encryption = theirs
            self.mentions_encryption = True
            self.asks_for_encryption = bool(theirs or as_boolean(value))

    def start_step(self, lookups: Lookups) -> Deadline:
        """Return the request's deadline, for look-ups of one more step."""
        if self._deadline is None:
            self._deadline = lookups.deadline()
        self._deadline.start_step()
        return self._deadline

    def validation(
        self, spec: Any, options: Options, raw: str | None = None
    ) -> Validation:
        """Return the request of a RequestSpec and its problems.

        What refuses a new server is a warning for one that is moved, as
        nova has accepted it; see :meth:`_of_move`.

        :param raw: what the image's owner wrote for ``hw_mem_encryption``,
            where that is no boolean
        """
        if raw != self._raw:
            self._start(raw)
        if self._validation is None:
            found = self._validate(self._flavor, spec, options)
            if is_move(spec):
                found = self._of_move(found, spec, options)
            self._validation = found
        return self._validation

    def decision(
        self, spec: Any, options: Options, raw: str | None = None
    ) -> Validation:
        """Return what :meth:`validation` does, whatever flavor and image are
        called: their names are for words alone, and most requests need none.

        So one that nobody has asked for before costs as much as any, where
        its flavor and its image say what others have said.
        """
        if raw != self._raw:
            self._start(raw)
        if self._decision is not None:
            return self._decision
        if raw is not None or is_move(spec):
            self._decision = self.validation(spec, options, raw)
        else:
            self._decision = validate_unnamed(
                self._flavor,
                self._image,
                *_beside(spec),
                options.as_warnings,
            )
        return self._decision

    def _start(self, raw: str | None) -> None:
        """Forget what was found with another text of the image's owner."""
        self._raw = raw
        self._decision = self._validation = None

    def _validate(
        self, flavor: Any, spec: Any, options: Options
    ) -> Validation:
        """Validate what a flavor and the image say."""
        volume, devices = _beside(spec)
        request = parse(
            flavor,
            self._image,
            boot_from_volume=volume,
            host_devices=devices,
        )
        if self._raw is not None:
            request = replace(request, image_encryption=self._raw)
        return validate(request, as_warnings=options.as_warnings)

    def _of_move(
        self, found: Validation, spec: Any, options: Options
    ) -> Validation:
        """Return the validation of a server that exists.

        Errors stay that the flavor of a resize brings. Those that the server
        has already are warnings: nova has accepted and runs it. So are all
        where the server cannot be read.

        The machine type is the recorded one, where the move goes by it.
        """
        request = replace(found.request, server=spec.instance_uuid)
        if request.encrypted and not _KNOWS_MODELS:
            request = replace(
                request, models=(registered_models()[DEFAULT_MODEL],)
            )
        new: frozenset[object] = frozenset()
        if found.errors or (request.encrypted and not request.machine_type):
            server = _stored(spec)
            if server is not None and server.machine_type:
                request = replace(
                    request,
                    machine_type=request.machine_type or server.machine_type,
                )
            if server is not None and found.errors:
                before = self._validate(server.flavor, spec, options)
                new = _identities(found) - _identities(before)
        validation = validate(request, as_warnings=options.as_warnings)
        self.tolerated = tuple(
            problem
            for problem in validation.errors
            if _identity(problem) not in new
        )
        return Validation(
            request,
            [p for p in validation.errors if p not in self.tolerated]
            + [replace(p, severity=Severity.WARNING) for p in self.tolerated]
            + [p for p in validation if not p.is_error],
            validation.models if new else request.models,
        )


def ask_fields(thing: Any) -> Mapping[str, Any]:
    """Return ``_obj_`` and a name -> value, for each field that is set."""
    return {
        f'_obj_{name}': getattr(thing, name)
        for name in thing.fields
        if thing.obj_attr_is_set(name)
    }


#: What does the same, for fields that nova never loads later. Every guest,
#: encrypted or not, waits for this, and to ask the object for a field takes 6
#: to 9 times as long as to look where oslo.versionedobjects 3 keeps it.
fields_of: Callable[[Any], Mapping[str, Any]] = (
    vars
    if '_obj_os_distro' in vars(ImageMetaProps(os_distro='any'))
    else ask_fields
)


def set_value(thing: Any, name: str) -> Any:
    """Return a field of a nova object; None where it is not set."""
    return fields_of(thing).get('_obj_' + name)


def value_of(thing: Any, name: str) -> Any:
    """Return a field of a nova object, loaded if need be.

    None where it is not set and nova cannot load it either.
    """
    held, key = fields_of(thing), '_obj_' + name
    if key in held:
        return held[key]
    try:
        return getattr(thing, name)
    except (
        NotImplementedError,
        exception.ObjectActionError,
        ovo_exception.ObjectActionError,
        exception.OrphanedObjectError,
    ):
        return None


def _stored(spec: Any) -> StoredServer | None:
    destination = set_value(spec, 'requested_destination')
    cell = set_value(destination, 'cell')
    return stored_server(spec._context, spec.instance_uuid, cell)


def _identity(problem: Problem) -> object:
    """Return what is the same about a problem, whoever owns its field."""
    field = problem.field
    return (
        *(problem.code, problem.case, problem.value, problem.other_value),
        *(field.source, field.key),
    )


def _identities(validation: Validation) -> frozenset[object]:
    return frozenset(map(_identity, validation.errors))


def _beside(spec: Any) -> tuple[bool, tuple[str, ...]]:
    """Return what comes beside flavor and image.

    :returns: whether the guest boots from a volume, and devices of ports
    """
    held = fields_of(spec)
    pci = held.get('_obj_pci_requests')
    devices = pci and fields_of(pci).get('_obj_requests')
    return (
        held.get('_obj_is_bfv') or False,
        _port_devices(devices) if devices else (),
    )


def _port_devices(requests: Any) -> tuple[str, ...]:
    """Return the devices that ports bring; the flavor's are known by it."""
    return tuple(
        f'port {set_value(one, "requester_id") or ""}'.rstrip()
        for one in requests
        if not one.alias_name
    )


class Operation(enum.Enum):
    """What a server is scheduled for."""

    #: a new server
    BUILD = 'build'
    #: another host for a server that exists: evacuate, unshelve, cold
    #: migrate, resize, live migrate
    MOVE = 'move'
    #: a new image on the host that it has
    REBUILD = 'rebuild'


def is_rebuild(spec: Any) -> bool:
    """Say whether a server gets a new image on the host that it has."""
    # As ``nova.scheduler.utils.request_is_rebuild`` of nova 31 to 34.
    hints = fields_of(spec).get('_obj_scheduler_hints')
    return bool(hints and hints.get('_nova_check_type') == ['rebuild'])


def is_move(spec: Any) -> bool:
    """Say whether a server that exists gets another host.

    Before a move the conductor says of the server's cell that the move stays
    in it, or that it may leave it; a build has neither
    (``conductor/manager.py`` and ``conductor/tasks`` of nova 31 to 34), and
    neither is ever stored.
    """
    destination = fields_of(spec).get('_obj_requested_destination')
    if destination is None or is_rebuild(spec):
        return False
    held = fields_of(destination)
    return held.get('_obj_cell') is not None or bool(
        held.get('_obj_allow_cross_cell_move')
    )


def operation(spec: Any) -> Operation:
    """Say what a RequestSpec is scheduled for; by itself, without a look-up.

    A rebuild is marked by nova's API; see :func:`is_move`.
    """
    if is_rebuild(spec):
        return Operation.REBUILD
    return Operation.MOVE if is_move(spec) else Operation.BUILD


def building_image_encryption(context: Any, spec: Any) -> str | None:
    """Return ``hw_mem_encryption`` as the owner of the image wrote it.

    An image's ``hw_mem_encryption=maybe`` reaches the scheduler as false;
    the text itself is still with the server that is being built.

    :returns: the text where it is no boolean, else None
    """
    server = value_of(spec, 'instance_uuid')
    if server is None:
        return None
    try:
        build = objects.BuildRequest.get_by_instance_uuid(context, server)
    except exception.BuildRequestNotFound:
        # The server was built long ago, and is being moved.
        return None
    facts = value_of(build.instance, 'system_metadata') or {}
    return unreadable(facts.get(RAW_IMAGE_ENCRYPTION))


def unreadable(text: str | None) -> str | None:
    """Return the image's encryption where it is no boolean, else None."""
    return None if text is None or as_boolean(text) is not None else text
