"""The words about a server that is there."""

from __future__ import annotations

from collections.abc import Mapping

from sev_scheduling.diagnosis import Matter
from sev_scheduling.request.server import Unknown

#: What a server is, with a fault and without; names are left as they are.
SERVER: Mapping[bool, str] = {
    True: 'Server {name} is in status {status}: {fault}',
    False: 'Server {name} is in status {status}.',
}

LAST_ACTION = 'Its last action, {action} at {time}, failed.'
MACHINE_TYPE = 'Its recorded machine type is {machine_type}.'

#: Why it is not placed; of a server that is on a host, of one like it.
MATTERS: Mapping[Matter, str] = {
    Matter.NONE: 'Today a guest like it can be placed.',
    Matter.REQUEST: 'It is a matter of the request: no host takes it, now or '
    'later.',
    Matter.HOSTS: 'It is a matter of the hosts: it stays so until they, or '
    'what is asked of them, are changed.',
    Matter.MOMENT: 'It is a matter of the moment: it may pass, as other '
    'guests end or hosts come back.',
    Matter.UNKNOWN: 'Nothing is against the request. Whether a host has room '
    'is not known: Placement does not show its hosts to this user.',
}

#: It may pass, and a change helps without waiting.
MOMENT_OR_CHANGE = (
    'It may pass, as other guests end or hosts come back; the change below '
    'helps at once.'
)

#: Of a server in ERROR that was never on a host.
NOT_TRIED_AGAIN = (
    'Nova does not try a server in ERROR again: once there is room, delete '
    'it and create it again.'
)

#: What a change of flavor or image does to a server that is there: they have
#: no error any more, and they have.
SERVER_CHANGED = (
    'What was wrong with its flavor or image when it was created is right '
    'today: delete it, and create it again.'
)

SERVER_COPIES = (
    'A server keeps the flavor and image of its creation: after a change, '
    'delete it and create it again.'
)

SERVER_RUNS = (
    'nova-manage sets the properties of a server only while that is SHUTOFF, '
    'SHELVED or SHELVED_OFFLOADED.'
)

#: What is not known of a server, and what was taken in its place.
UNKNOWN: Mapping[Unknown, str] = {
    Unknown.EXTRA_SPECS: 'Not known: the extra specs that the server keeps; '
    'those of its flavor today stand in.',
    Unknown.IMAGE_PROPERTIES: 'Not known: the image properties that the '
    'server keeps; those of its image today stand in.',
    Unknown.VOLUME_PROPERTIES: 'Not known: the image properties that the '
    'server keeps, as it boots from a volume; those of the volume today '
    'stand in.',
    Unknown.IMAGE_TRAITS: 'Not known: the traits that its image required at '
    'its creation; those of today stand in.',
}
