"""Reasons that a row of the catalogue puts into words: about hosts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sev_scheduling.diagnosis import (
    NO_CANDIDATE,
    PASSING,
    Cause,
    Constraint,
    Diagnosis,
)
from sev_scheduling.diagnosis.askers import of_tenants, relaxable
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.fixes import (
    Step,
    correcting_callers,
    creating,
    enabling,
    how_to,
    steps_of,
    steps_on_hosts,
)
from sev_scheduling.explain.reason.reason import FIRST_NAMES, Reason
from sev_scheduling.explain.values.cases import cause_case, verdict_case
from sev_scheduling.explain.values.causes import (
    but_for,
    cause_values,
    hosts_of,
    rest_values,
)
from sev_scheduling.explain.values.naming import Count, sentence
from sev_scheduling.explain.values.problems import Values, verdict_values
from sev_scheduling.hosts.verdict import Verdict, VerdictCode
from sev_scheduling.problems import Fix
from sev_scheduling.text import printable

#: What may pass without anybody changing anything.
_PASSING = frozenset(
    {
        VerdictCode.HOST_DISABLED,
        VerdictCode.NO_FREE_SLOT,
        *PASSING,
        NO_CANDIDATE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReason(Reason):
    """A reason of hosts, with the words of a row of the catalogue."""

    @property
    @abstractmethod
    def _row(self) -> tuple[catalogue.rows.Row, Values]:
        """The row, and what its texts are made of."""

    @property
    def _tenant_row(self) -> tuple[catalogue.rows.Row, Values]:
        """The same of what a tenant reads."""
        return self._row

    @property
    def sentence(self) -> str:
        text = '; '.join((self.text, *self.also))
        return catalogue.hosts.GROUP.format(
            count=self.hosts, n=Count(self.hosts), text=text
        )

    @property
    def own_steps(self) -> tuple[Step, ...]:
        row, values = self._row
        changes = () if self.unchanged else self.changes
        found = [*steps_of(changes)]
        if row.advice:
            text = row.advice.format_map(values)
            found.append(Step(text, other=bool(found)))
            if not changes:
                return tuple(found)
        return (*found, *steps_on_hosts(self.of_hosts, other=bool(found)))

    @property
    def wait(self) -> tuple[Step, ...]:
        row, values = self._row
        return (Step(row.wait.format_map(values)),) if row.wait else ()

    def tenant_steps(self) -> tuple[Step, ...]:
        steps = tuple(steps_of(self.changes, tenant=True))
        if not steps:
            return self._tenant_advice
        row, _ = self._tenant_row
        passes = self.waits and not self.permanent
        text = (row.or_wait if passes else '') or row.or_advice
        return (*steps, Step(text, other=True)) if text else steps

    @property
    def _tenant_advice(self) -> tuple[Step, ...]:
        """What a tenant can do where there is nothing to change."""
        row, values = self._tenant_row
        template = row.tenant_advice
        if row.tenant_wait and not self.permanent:
            # All else that is in the way has advice of its own.
            template = row.tenant_wait if self.waits else template
        elif not template:
            template = catalogue.rows.ASK_OPERATOR
        advice = template.format_map(values)
        return (Step(advice, whole=True),) if advice else ()

    @property
    def _to_tenant(self) -> tuple[str, str]:
        return self._tenant_text, self._tenant_fix

    @property
    def _tenant_text(self) -> str:
        row, values = self._tenant_row
        if not self.scoped or not row.asked:
            return row.tenant.format_map(values)
        hosts = catalogue.hosts.THE_HOSTS
        if self.asked_for is not None:
            hosts = catalogue.hosts.THE_HOST_UNNAMED
        if self.asked_for:
            hosts = catalogue.hosts.THE_HOST.format(
                name=printable(self.asked_for)
            )
        n = Count(2 if self.asked_for is None else 1)
        return catalogue.hosts.ASKED.format(
            hosts=hosts, text=row.asked.format_map({**values, 'n': n})
        )

    @property
    def _tenant_fix(self) -> str:
        row, values = self._tenant_row
        if row.tenant_advice and self.changes:
            # The command alone, in as few words as there are.
            return row.tenant_advice.format_map(values)
        change = sentence(how_to(self.changes, tenant=True))
        return change or ' '.join(step.line for step in self.tenant_steps())

    @property
    def host_text(self) -> str:
        """What is against its one host, in a sentence."""
        name = printable(self.answers[0].verdict.host.name)
        text = '; '.join((self._text_of_one, *self.also))
        return catalogue.hosts.HOST.format(name=name, text=text)

    @property
    def _text_of_one(self) -> str:
        return self.text

    def host_steps(self) -> tuple[Step, ...]:
        """Return the same, or what to use in place of these hosts."""
        steps = self.steps()
        if steps or not self.helps:
            return steps
        row, values = self._row
        text = row.host_advice.format_map(values)
        return (Step(text, whole=True),) if text else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictReason(RowReason):
    """A verdict that hosts have in common.

    :ivar finding: the verdicts, at least one
    :ivar of_all: every host gives it
    """

    finding: tuple[Verdict, ...]
    of_all: bool = False

    @property
    def permanent(self) -> bool:
        return self.code not in _PASSING

    @property
    def _row(self) -> tuple[catalogue.rows.Row, Values]:
        case = verdict_case(self.finding)
        if case != 'reserved' and (
            self.code == VerdictCode.NO_POOL and not self.of_all
        ):
            # Others offer the model that is asked for.
            case = ''
        row = catalogue.hosts.VERDICTS[self.code, case]
        return row, verdict_values(self.finding)

    @property
    def text(self) -> str:
        row, values = self._row
        return row.hosts.format_map(values)

    @property
    def _text_of_one(self) -> str:
        return replace(self, of_all=True).text

    @property
    def own_steps(self) -> tuple[Step, ...]:
        if self.code == VerdictCode.HOST_DISABLED:
            return tuple(self._enabling())
        return super(VerdictReason, self).own_steps

    def _enabling(self) -> Iterator[Step]:
        """Yield how to enable the first of its hosts."""
        row, values = self._row
        for n, answer in enumerate(self.answers[:FIRST_NAMES]):
            host = answer.verdict.host
            # Without a name there is no service to be named.
            command = '' if host.name == host.uuid else enabling(host.name)
            if not command:
                yield Step(row.advice.format_map(values))
                return
            text = catalogue.hosts.ENABLE.format(host=printable(host.name))
            yield Step(text, command, other=n > 0)


def _row_of(diagnosis: Diagnosis) -> tuple[catalogue.rows.Row, Values]:
    case = diagnosis.cause, cause_case(diagnosis)
    return catalogue.placement.CAUSES[case], cause_values(diagnosis)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisReason(RowReason):
    """What Placement lacks: a diagnosis, or what it shows of some hosts.

    :ivar finding: the diagnosis
    :ivar partial: changes that solve only a part of it
    :ivar rest: what these leave
    :ivar beside_others: it is about hosts beside others, which have been
        counted: those that would do but for what the diagnosis names
    """

    finding: Diagnosis
    partial: tuple[Fix, ...] = ()
    rest: tuple[Constraint, ...] = ()
    beside_others: bool = False

    @property
    def permanent(self) -> bool:
        return self.finding.permanent

    @property
    def is_diagnosed(self) -> bool:
        return not self.finding.partial

    @property
    def guests_fit(self) -> int | None:
        return self.finding.guests_fit

    @property
    def _row(self) -> tuple[catalogue.rows.Row, Values]:
        return _row_of(self.finding)

    @property
    def _tenant_row(self) -> tuple[catalogue.rows.Row, Values]:
        return _row_of(of_tenants(self.finding))

    @property
    def text(self) -> str:
        row, values = self._row
        text = row.hosts.format_map(values)
        if self.finding.partial:
            return catalogue.placement.FAILS.format(
                what=text, n=Count(self.hosts)
            )
        text = but_for(self.finding, values, text, self.beside_others)
        count = hosts_of(self.finding)
        return f'{count} {text}' if count and not self.hosts else text

    @property
    def sentence(self) -> str:
        if self.finding.partial:
            return super(DiagnosisReason, self).sentence
        alone = replace(self, hosts=0, beside_others=False)
        return f'{sentence(alone.text)}.'

    @property
    def own_steps(self) -> tuple[Step, ...]:
        if self.finding.unknown:
            return tuple(self._for_names())
        if self.partial:
            return (
                *steps_of(self.partial),
                *steps_on_hosts(self.of_hosts, other=True),
                self._for_the_rest(),
            )
        return super(DiagnosisReason, self).own_steps

    def _for_names(self) -> Iterator[Step]:
        """Yield how to correct the names that are unknown, or create them."""
        steps = [] if self.unchanged else [*steps_of(self.changes)]
        steps += correcting_callers(self.finding)
        yield from steps
        for n, one in enumerate(self.finding.unknown):
            step = creating(one, self.finding.request)
            yield step._replace(other=True) if n or steps else step

    def _for_the_rest(self, *, tenant: bool = False) -> Step:
        """Return what to do beside changes that solve only a part."""
        rest = tuple(c for c in self.finding.constraints if c in self.rest)
        found = replace(self.finding, constraints=rest)
        if tenant and len(relaxable(found)) < len(rest):
            return Step(catalogue.rows.ASK_OPERATOR, whole=True)
        template = catalogue.placement.REST
        if found.permanent:
            template = catalogue.placement.REST_THAT_STAYS
        elif all(c.cause is Cause.SLOTS_USED for c in rest):
            template = catalogue.placement.REST_TO_WAIT_FOR
        slots = [c for c in rest if c.cause is Cause.SLOTS_USED]
        if not 0 < len(slots) < len(rest):
            values = rest_values(found, tenant=tenant)
            return Step(template.format_map(values)).joined()
        others = tuple(c for c in rest if c not in slots)
        text = template.format_map(
            rest_values(replace(found, constraints=others), tenant=tenant)
        )
        values = rest_values(
            replace(found, constraints=tuple(slots)), tenant=tenant
        )
        both = catalogue.placement.REST_AND_SLOTS.format(
            text=text, slots=values['rest']
        )
        return Step(both).joined()

    @property
    def _ways(self) -> tuple[Fix, ...]:
        return (*self.changes, *self.partial)

    @property
    def _tenant_advice(self) -> tuple[Step, ...]:
        if self.partial:
            rest = self._for_the_rest(tenant=True)
            return *steps_of(self.partial, tenant=True), rest
        found = correcting_callers(self.finding)
        return found or super(DiagnosisReason, self)._tenant_advice

    @property
    def _tenant_text(self) -> str:
        if self.finding.partial:
            _, values = self._row
            return catalogue.placement.TENANT_FAILS.format_map(values)
        return super(DiagnosisReason, self)._tenant_text
