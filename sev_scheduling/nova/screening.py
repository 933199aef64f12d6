"""Which of nova's host states need no full evaluation, many at a time.

What hosts say has few different values, and each value is judged once. What
look-ups know of them is made a set of hosts. Their candidates are not looked
at here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any

from sev_scheduling.models import EncryptionModel
from sev_scheduling.nova.host_state import AggregateFacts, Aggregates
from sev_scheduling.nova.lookups import Providers, Slots
from sev_scheduling.nova.options import Options
from sev_scheduling.request.request import EncryptionRequest


class Screening:
    """Finds hosts against which nothing speaks, in one pass over all.

    :param states: all of them
    :param providers: None where Placement does not answer
    :param ask_slots: called only where guests are limited
    :param tolerant: whether memory that hosts overcommit, and models that
        should not share a host, are put up with
    """

    def __init__(
        self,
        states: Sequence[Any],
        request: EncryptionRequest,
        model: EncryptionModel,
        options: Options,
        facts: AggregateFacts,
        providers: Providers | None,
        ask_slots: Callable[[], Slots | None],
        *,
        tolerant: bool,
    ) -> None:
        self._request = request
        self._model = model
        self._options = options
        self._facts = facts
        self._providers = providers
        self._ask_slots = ask_slots
        self._tolerant = tolerant
        self._architecture = request.architecture or model.architectures[0]
        self._needs_memory = (
            model.pins_memory and not request.mem_page_size and not tolerant
        )
        #: The uuids of hosts that offer the model.
        self._offering: frozenset[str] = (
            frozenset([state.uuid for state in states])
            if providers is None
            else providers.hosts[model.name]
        )
        #: Machine type and limit by aggregates or options -> clear hosts.
        self._by_facts: dict[
            tuple[str | None, int | None], frozenset[str]
        ] = {}
        self._by_aggregates: dict[Aggregates, frozenset[str]] = {}
        #: Aggregates without facts.
        self._plain: set[Any] = set()

    def clears_all(self, states: Sequence[Any], known: bool) -> bool:
        """Say of host states together that nothing speaks against any.

        One field of all is read after the other, without a function call:
        a processor reads ahead what it is asked for in a pattern, and it is
        for memory that thousands of host states wait.

        :param known: whether each is known to offer the model
        """
        aggregates = {one for state in states for one in state.aggregates}
        return (
            self._hypervisors_do({state.hypervisor_type for state in states})
            and self._memory_suffices({s.ram_allocation_ratio for s in states})
            and all(
                [
                    (known and clear is self._offering)
                    or clear.issuperset([state.uuid for state in states])
                    for clear in self._clear_by_facts(states, aggregates)
                ]
            )
        )

    def _clear_by_facts(
        self, states: Sequence[Any], aggregates: Set[Any]
    ) -> Iterable[frozenset[str]]:
        """Return clear hosts, by all that aggregates of host states say."""
        if self._are_plain(aggregates):
            return (self._clear_hosts(()),)
        sets = [
            self._clear_hosts(some)
            for some in {tuple(state.aggregates) for state in states}
        ]
        return {id(one): one for one in sets}.values()

    def clears(self, state: Any) -> bool:
        """Say of one host state that nothing speaks against it."""
        return (
            state.uuid in self._clear_hosts(tuple(state.aggregates))
            and self._hypervisors_do((state.hypervisor_type,))
            and self._memory_suffices((state.ram_allocation_ratio,))
        )

    def _are_plain(self, aggregates: Set[Any]) -> bool:
        """Say whether no aggregate has facts of hosts."""
        if aggregates <= self._plain:
            return True
        new = aggregates - self._plain
        if self._facts.concern(new):
            return False
        self._plain |= new
        return True

    def _hypervisors_do(self, hypervisors: Iterable[str | None]) -> bool:
        """Say whether all hypervisors run the model, or are not known."""
        for name in hypervisors:
            if name and name.lower() not in self._model.hypervisor_types:
                return False
        return True

    def _memory_suffices(self, ratios: Iterable[float | None]) -> bool:
        """Say whether hosts have the memory that they offer the guest."""
        if self._needs_memory:
            for ratio in ratios:
                if ratio and ratio > 1.0:
                    return False
        return True

    def _clear_hosts(self, aggregates: Aggregates) -> frozenset[str]:
        """Return the uuids of hosts against which no look-up speaks.

        If they are in these aggregates. Hosts that are not known to offer
        the model are not among them.
        """
        clear = self._by_aggregates.get(aggregates)
        if clear is None:
            default = None
            if self._request.machine_type is None:
                types = self._facts.machine_types(aggregates)
                default = types.get(self._architecture)
            limit = self._facts.max_guests(aggregates, self._model.name)
            facts = default, limit
            # Many aggregates say the same.
            if facts not in self._by_facts:
                self._by_facts[facts] = self._clear(default, limit)
            clear = self._by_aggregates[aggregates] = self._by_facts[facts]
        return clear

    def _clear(
        self, machine_type: str | None, limit: int | None
    ) -> frozenset[str]:
        """Return them by what aggregates or options say.

        :param machine_type: the default of hosts that publish none
        :param limit: of the guests of a host
        """
        name = self._model.name
        clear = self._of_machine_type(machine_type)
        if self._providers is not None and not self._tolerant:
            for other in self._providers.excluding(self._model):
                clear = clear - self._providers.hosts[other]
        if limit is None:
            return clear
        if limit == 0:
            return frozenset()
        slots = self._ask_slots()
        if slots is not None:
            return clear - slots.full(name, limit)
        return clear if self._options.passes else frozenset()

    def _of_machine_type(self, default: str | None) -> frozenset[str]:
        """Return hosts that offer the model and whose machine type will do."""
        wanted = self._model.machine_type
        if self._request.machine_type is not None:
            # The image decides for every host.
            will_do = wanted in self._request.machine_type
            return self._offering if will_do else frozenset()
        fine: set[str] = set()
        other: set[str] = set()
        if self._providers is not None:
            for root, types in self._providers.machine_types.items():
                published = types.get(self._architecture)
                if published is not None:
                    (fine if wanted in published else other).add(root)
        strict = self._options.require_known_machine_type
        if wanted in default if default else not strict:
            return self._offering - other
        return self._offering & fine
