"""Every text about a finding: one row a code, a module a subject.

A row's texts are templates of :meth:`str.format` over the values that
:mod:`.values` takes from a finding; those of a note, over its own values.
``{n:offers|offer}`` chooses by number.
"""

from collections.abc import Mapping

from sev_scheduling.explain.catalogue import (
    compute,
    fixes,
    hosts,
    nova_conf,
    placement,
    request,
    rows,
    scheduler,
    server,
)
from sev_scheduling.hosts.check import NoteCode

__all__ = [
    'NOTES',
    'compute',
    'fixes',
    'hosts',
    'nova_conf',
    'placement',
    'request',
    'rows',
    'scheduler',
    'server',
]

#: About compute hosts and nova-scheduler.
NOTES: Mapping[NoteCode, rows.NoteRow] = {
    **compute.NOTES,
    **nova_conf.NOTES,
    **scheduler.NOTES,
}
