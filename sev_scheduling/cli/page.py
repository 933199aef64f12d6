"""One self-contained page of HTML with the slots of a cloud."""

from __future__ import annotations

import datetime
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sev_scheduling.documents import named, read_document
from sev_scheduling.exceptions import InputError, needed
from sev_scheduling.explain.capacity import in_all, resource, why_no_more
from sev_scheduling.explain.values.naming import owner
from sev_scheduling.hosts.capacity import Capacity, HostCapacity
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.problems import Source
from sev_scheduling.text import counted, printable, quoted, whole_number

Pools = Sequence[tuple[Host, str, SlotPool]]

#: The chart of the trend, in units of its own.
_WIDTH, _HEIGHT = 600.0, 120.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The slots of one model at one time.

    :ivar usable: slots that guests may have
    """

    time: datetime.datetime
    used: int
    usable: int


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One host's slots of a model; None for what is not known."""

    host: str
    used: int
    reserved: int
    total: int | None
    usable: int | None
    free: int | None
    disabled: bool

    @property
    def full(self) -> bool:
        return self.free == 0

    @property
    def percent(self) -> float:
        return _percent(self.used, self.usable)


@dataclass(frozen=True, slots=True)
class ModelSection:
    """The slots of one model; those without a limit are not counted.

    :ivar free: slots that guests can have now: those of enabled hosts
    :ivar trend: the earlier moments and this one; empty without earlier ones
    """

    name: str
    rows: tuple[PoolRow, ...]
    used: int
    usable: int
    free: int
    trend: tuple[Moment, ...] = ()

    @property
    def percent(self) -> float:
        return _percent(self.used, self.usable)

    @property
    def full(self) -> int:
        return sum(row.full for row in self.rows)

    @property
    def disabled(self) -> int:
        return sum(row.disabled for row in self.rows)

    @property
    def idle(self) -> int:
        """Free slots of disabled hosts, which no guest gets."""
        return sum(row.free or 0 for row in self.rows if row.disabled)

    @property
    def chart(self) -> Chart:
        return Chart.of(self.trend)


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines of a trend: points as SVG has them, and the scale."""

    used: str
    usable: str
    top: int
    width: float = _WIDTH
    height: float = _HEIGHT

    @classmethod
    def of(cls, moments: Sequence[Moment]) -> Chart:
        first, last = moments[0].time, moments[-1].time
        seconds = (last - first).total_seconds() or 1.0
        top = max(1, *(max(m.used, m.usable) for m in moments))

        def points(values: Iterable[int]) -> str:
            return ' '.join(
                f'{(m.time - first).total_seconds() / seconds * _WIDTH:.1f},'
                f'{_HEIGHT - value / top * _HEIGHT:.1f}'
                for m, value in zip(moments, values, strict=True)
            )

        return cls(
            points(m.used for m in moments),
            points(m.usable for m in moments),
            top,
        )


def page_of(
    pools: Pools,
    *,
    guests: Capacity | None = None,
    earlier: Iterable[str] = (),
) -> str:
    """Return the page as of now.

    :param pools: host, model and pool, by model
    :param guests: how many more of a request fit
    :param earlier: files that ``capacity -f json`` printed before
    :raises InputError: where Jinja2 is not installed, or a file cannot be
        read or is none of these
    """
    now = datetime.datetime.now().astimezone()
    trends = read_trends(earlier)
    return render(sections_of(pools, trends, now), guests=guests, now=now)


def write(path: str, page: str) -> None:
    """Write a page.

    :raises InputError: where it cannot be written
    """
    try:
        Path(path).write_text(page, encoding='utf-8')
    except OSError as error:
        raise InputError(
            f'--html {quoted(path)} cannot be written: {error.strerror}; give '
            'a file in a folder that exists.'
        ) from None


def sections_of(
    pools: Pools,
    trends: Mapping[str, Sequence[Moment]],
    now: datetime.datetime,
) -> list[ModelSection]:
    """Return a section for each model, full hosts first."""
    sections = []
    for model, group in itertools.groupby(pools, lambda row: row[1]):
        of_model = [(host, pool) for host, _, pool in group]
        rows = sorted(
            (_row(host, pool) for host, pool in of_model),
            key=lambda row: (
                row.usable is None,
                row.free or 0,
                -row.percent,
            ),
        )
        limited = [(h, p) for h, p in of_model if not p.unlimited]
        used = sum(pool.used for _, pool in limited)
        usable = sum(pool.capacity for _, pool in limited)
        before = [m for m in trends.get(model, ()) if m.time < now]
        sections.append(
            ModelSection(
                model,
                tuple(rows),
                used,
                usable,
                sum(p.free for h, p in limited if not h.disabled),
                (*before, Moment(now, used, usable)) if before else (),
            )
        )
    return sections


def _row(host: Host, pool: SlotPool) -> PoolRow:
    known = not pool.unlimited
    return PoolRow(
        printable(host.name),
        pool.used,
        pool.reserved,
        pool.total if known else None,
        pool.capacity if known else None,
        pool.free if known else None,
        host.disabled,
    )


def _percent(used: int, usable: int | None) -> float:
    return min(100.0, 100.0 * used / usable) if usable else 100.0 * bool(used)


def read_trends(files: Iterable[str]) -> dict[str, list[Moment]]:
    """Return model -> what earlier files say of it, in order of time.

    A file's time is that of its last change.

    :raises InputError: where it cannot be read, or is no such file
    """
    found: dict[str, list[Moment]] = {}
    for file in files:
        rows = read_document(file)
        time = datetime.datetime.fromtimestamp(
            os.stat(file).st_mtime
        ).astimezone()
        sums: dict[str, tuple[int, int]] = {}
        try:
            for row in rows:
                if row['Total'] is None:
                    continue
                # What was over-used is in use all the same. Where reserved
                # slots were not asked for, the total is without them.
                reserved = row['Reserved']
                numbers = [
                    whole_number(number)
                    for number in (
                        row['Total'],
                        0 if reserved is None else reserved,
                        row['Used'],
                    )
                ]
                total, reserved, used = (int(n) for n in numbers)  # type: ignore[arg-type]
                before = sums.get(str(row['Model']), (0, 0))
                sums[str(row['Model'])] = (
                    before[0] + used,
                    before[1] + max(0, total - reserved),
                )
        except (TypeError, KeyError):
            raise InputError(
                f'--earlier {named(file)} is not what "sev-scheduling '
                'capacity -f json" prints; give such a file.'
            ) from None
        for model, (used, usable) in sums.items():
            found.setdefault(model, []).append(Moment(time, used, usable))
    for moments in found.values():
        moments.sort(key=lambda moment: moment.time)
    return found


def render(
    sections: Sequence[ModelSection],
    *,
    now: datetime.datetime,
    guests: Capacity | None = None,
) -> str:
    """Return the page.

    :raises InputError: where Jinja2 is not installed
    """
    with needed('html', '--html'):
        import jinja2
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / 'templates'),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values: dict[str, Any] = {
        'sections': sections,
        'now': now,
        'guests': guests,
    }
    if guests:
        values |= {
            'in_all': in_all(guests),
            'names': [
                printable(owner(guests.request.field(source, '')))
                for source, name in (
                    (Source.FLAVOR, guests.request.flavor_name),
                    (Source.IMAGE, guests.request.image_name),
                )
                if name or source is Source.FLAVOR
            ],
            'room': sorted(guests.hosts, key=lambda h: (h.guests, h.name)),
            'why_no_more': why_no_more,
            'limits': _limits,
        }
    environment.filters |= {'printable': printable, 'counted': counted}
    return environment.get_template('capacity.html').render(values) + '\n'


def _limits(host: HostCapacity) -> list[tuple[str, int, bool]]:
    """Return name, guests and whether it binds, of each resource class."""
    return [
        (resource(name), most, name in host.binding)
        for name, most in sorted(host.limits.items(), key=lambda i: i[1])
    ]
