"""The shape of a row, and what rows of several subjects say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

ASK_OPERATOR = "Ask the cloud's operator."
TRY_LATER = 'Try again later, or delete an encrypted server.'


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """The text about a problem.

    :ivar text: a sentence without its full stop; in lower case where it
        may follow :data:`ASKED`
    :ivar asked: begin it with who asked, where there is room
    :ivar line: the same below the name of the flavor or image: what is, and
        what is needed; '' where the sentence will do
    """

    text: str
    asked: bool = True
    line: str = ''


@dataclass(frozen=True, slots=True)
class Row:
    """The texts about hosts that are rejected, or about a diagnosis.

    :ivar hosts: what follows the number of hosts, or a host's name
    :ivar advice: what an operator can do, or ''
    :ivar tenant: a sentence without host names and numbers
    :ivar asked: the same after the hosts that were asked for, ``{n}`` of
        them; '' where it is not about hosts
    :ivar tenant_advice: what a tenant can do
    :ivar tenant_wait: the same where to wait would help as well
    :ivar or_advice: what a tenant can do in place of changes
    :ivar or_wait: the same where to wait would help as well
    :ivar host_advice: what to do about one host
    :ivar wait: what there is to wait for, where nothing is to be changed
    """

    hosts: str
    advice: str = ''
    tenant: str = ''
    asked: str = ''
    tenant_advice: str = ''
    tenant_wait: str = ''
    or_advice: str = ''
    or_wait: str = ''
    host_advice: str = ''
    wait: str = ''


class NoteRow(NamedTuple):
    """The texts of a note about a host or nova-scheduler.

    :ivar advice: what to do about it, '' for nothing
    """

    text: str
    advice: str = ''
