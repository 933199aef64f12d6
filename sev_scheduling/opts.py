"""Options of nova.conf, in group ``[sev_scheduling]``.

Nothing is registered at import: :func:`register_opts` takes the
configuration that is to know them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from oslo_config import cfg, types

GROUP = cfg.OptGroup(
    'sev_scheduling',
    title='Memory-encrypted guests',
    help="""
How nova-scheduler treats guests with memory encryption (AMD SEV, SEV-ES,
SEV-SNP, Intel TDX). Read where ``sev_scheduling.nova.MemoryEncryptionFilter``
or ``sev_scheduling.nova.MemoryEncryptionWeigher`` is enabled.
""",
)

#: What ``on_placement_failure`` may be.
PROTECTED, PASS, REFUSE = 'protected', 'pass', 'refuse'

#: The names of the weight multipliers, in nova.conf and in the metadata of
#: aggregates.
WEIGHT_MULTIPLIER = 'memory_encryption_weight_multiplier'
AVOIDANCE_MULTIPLIER = 'memory_encryption_avoidance_weight_multiplier'

OPTS: tuple[cfg.Opt, ...] = (
    cfg.BoolOpt(
        'request_filter',
        default=True,
        help="""
Check the flavor and the image of an encrypted guest before any host is
tried, and put all problems with their fixes into the fault of the server.

Leave it on unless another component has checked them already. Off, only what
a single host says is checked, by the filter.

Related options:

* ``explain_no_candidates``, which is a part of this
* ``[filter_scheduler] enabled_filters``: enabling the filter installs it
""",
    ),
    cfg.BoolOpt(
        'explain_no_candidates',
        default=True,
        help="""
Before nova asks Placement for hosts for an encrypted guest, ask whether there
are any, and where there are none put the reason into the fault of the server:
no host offers the model, all slots are used, or the rest of the request does
not fit where slots are free.

It costs one call to Placement for an encrypted guest that fits, mostly about
one host, and four at most; at most fifteen for one that does not fit (twice
that with pinned CPUs); nothing for other guests. Turn it off where Placement
is so loaded that this matters; the fault is empty then, as in nova.

Related options:

* ``request_filter``: it works only where that is on
* ``placement_timeout``: the time that it may take
""",
    ),
    cfg.BoolOpt(
        'allow_host_devices',
        default=False,
        help="""
Let encrypted guests have devices of the host: PCI aliases, vGPUs,
accelerators, passthrough ports.

Turn it on only where QEMU, the kernel and the guests' drivers are known to
support such devices with encrypted memory. Off, such requests are refused
with code ``host-device``.
""",
    ),
    cfg.BoolOpt(
        'undo_refused_rebuild',
        default=True,
        help="""
Take ``hw_mem_encryption`` and ``hw_mem_encryption_model`` of the new image off
a server again, where the filter refuses its rebuild.

Nova writes a new image's properties down before it asks the scheduler, and a
refusal leaves them; a hard reboot would encrypt a server that holds no slot.
Removed are those of the two keys that the rebuild added, and nothing else.
Turn it off where nova-scheduler must not write nova's databases; then run
``sev-scheduling server check`` instead.

Related options:

* ``[filter_scheduler] enabled_filters``: of the filters that look at rebuilds,
  ours must be the first
""",
    ),
    cfg.ListOpt(
        'default_machine_type',
        default=[],
        help="""
The default machine type of hosts that do not publish theirs, in the format of
``[libvirt] hw_machine_type`` on the hosts: ``x86_64=q35``; a machine type
alone means x86_64.

Set it where every compute host has the same ``hw_machine_type``; set ``pc``
where none has it set, so that images without ``hw_machine_type=q35`` are
refused with a reason. Where hosts differ, let each publish its own:
``sev-scheduling node provider-config`` on the host, or the aggregate metadata
``sev_scheduling:hw_machine_type``; both go before this. Empty, it is unknown.

Related options:

* ``require_known_machine_type``
""",
    ),
    cfg.BoolOpt(
        'require_known_machine_type',
        default=False,
        help="""
Reject hosts whose default machine type is unknown, for images that do not
name one.

Turn it on once all hosts publish theirs, so that a new host is not tried in
vain. Off, such hosts are tried, as in nova.

Related options:

* ``default_machine_type``
""",
    ),
    cfg.IntOpt(
        'max_guests',
        min=0,
        help="""
How many encrypted guests of one model a host takes, where that is less than
the inventory in Placement says.

Set it for hosts whose inventory is unlimited (QEMU or libvirt that do not
report the number of slots). Where you can, set the number on the host instead:
Placement enforces that one exactly, while two schedulers at once can go
beyond this one. The aggregate metadata ``sev_scheduling:max_guests`` and
``sev_scheduling:max_guests:<model>`` go before it. Unset, the inventory
alone counts.

Related options:

* ``max_guests_per_model``
* ``[libvirt] num_memory_encrypted_guests`` on the hosts
""",
    ),
    cfg.Opt(
        'max_guests_per_model',
        type=types.Dict(types.Integer(min=0)),
        default={},
        help="""
How many encrypted guests of single models a host takes.

Set it where models differ: ``amd-sev:15,amd-sev-es:100``.

Related options:

* ``max_guests``, for the models that are not named here
""",
    ),
    cfg.FloatOpt(
        'cache_seconds',
        default=60.0,
        min=0.0,
        help="""
How long it is cached which providers offer which model, and what machine types
hosts publish. How many slots are free is never cached for a decision.

Shorten it while hosts are being set up; 0 asks Placement for each encrypted
guest (about eight small calls, whatever the size of the cloud).

Related options:

* ``slots_cache_seconds``
""",
    ),
    cfg.FloatOpt(
        'slots_cache_seconds',
        default=30.0,
        min=0.0,
        help="""
How long encrypted guests are spread or stacked by the same free slots. From
these are taken the guests that nova counts on each host since.

Placement answers with the slots of every host, which takes about a tenth of
the time of one scheduling. No guest waits for that while there is an answer at
most ten times as old: one is asked for by a thread, and used from the next
guest on. Shorten it where several schedulers place encrypted guests and these
shall spread more evenly; 0 asks for each guest, which waits. It is for the
weigher alone: which hosts can take a guest is decided by what is free then.

Related options:

* ``memory_encryption_weight_multiplier``
""",
    ),
    cfg.FloatOpt(
        'placement_timeout',
        default=10.0,
        min=0.1,
        help="""
Seconds that a request waits in all for look-ups that get no answer, keystone's
part included.

Once it is over, the look-ups of all requests fail at once for half a minute.
Then one request asks again, and the others do so where it is answered in time.

Lower it where servers must not wait for a Placement that hangs; raise it only
where Placement takes so long while all is well. Nova's own calls are not
affected: see ``[placement] timeout``, which has no limit by default.

Related options:

* ``on_placement_failure``
""",
    ),
    cfg.IntOpt(
        'placement_answer_limit',
        default=256,
        min=1,
        help="""
MiB that one answer of Placement may have, decompressed. A larger one is not
read, and counts as no answer.

Raise it only in a cloud of more than 20,000 hosts, where nova-scheduler's log
names it. Lower it where nova-scheduler has little memory. An answer takes
about twice its size while it is read.
""",
    ),
    cfg.StrOpt(
        'on_placement_failure',
        default=PROTECTED,
        choices=[
            (
                PROTECTED,
                "pass what nova's own claim of a slot still protects; refuse "
                'a rebuild that makes or keeps a server encrypted, as it '
                'claims nothing, and hosts with a limit lower than their '
                'inventory, which the claim does not know',
            ),
            (PASS, 'pass everything, as nova alone would'),
            (REFUSE, 'refuse every encrypted guest'),
        ],
        help="""
What to do with an encrypted guest when Placement does not answer the look-ups
of the filter.

The default suits most clouds. Choose ``refuse`` where no guest may end up
with a slot of another model; choose ``pass`` where rebuilds must work during
an outage of Placement.

Related options:

* ``placement_timeout``
* ``max_guests``
""",
    ),
    cfg.FloatOpt(
        WEIGHT_MULTIPLIER,
        default=1.0,
        help="""
How hosts are weighed for encrypted guests, by the free slots of their model:
positive spreads the guests, negative stacks them, 0 leaves it to the other
weighers (and asks Placement nothing).

Stack where hosts are to be kept free for large guests or maintenance. It may
be set for an aggregate, as metadata of the same name.

Related options:

* ``[filter_scheduler] weight_classes`` must have
  ``sev_scheduling.nova.MemoryEncryptionWeigher``
""",
    ),
    cfg.FloatOpt(
        AVOIDANCE_MULTIPLIER,
        default=100.0,
        min=0.0,
        help="""
How strongly guests without encryption are kept off hosts that offer slots,
while other hosts fit. The default outweighs nova's other weighers at their
defaults, but for failed builds and moves between cells; 0 leaves it to them
(and asks Placement nothing).

Lower it where hosts with slots are most of the cloud. It may be set for an
aggregate of hosts with slots, as metadata of the same name: 0 opens them to
all guests.

Related options:

* ``[filter_scheduler] weight_classes`` must have
  ``sev_scheduling.nova.MemoryEncryptionWeigher``
""",
    ),
)


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make the options known to a configuration; again does no harm."""
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, Iterable[cfg.Opt]]]:
    """Return the options for oslo-config-generator and the documentation."""
    return [(GROUP, copy.deepcopy(OPTS))]
