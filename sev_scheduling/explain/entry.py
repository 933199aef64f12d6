"""What is imported with the package: it loads the words when they are needed.

The catalogue takes most of the time to import the package. Most processes
need none of it: their hosts fit, or they read codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sev_scheduling.problems import Problem, advice, message

if TYPE_CHECKING:
    from sev_scheduling.diagnosis import Diagnosis, Feasibility
    from sev_scheduling.explain.explanation import Explanation
    from sev_scheduling.hosts.verdict import FilterResult


def explain(
    finding: FilterResult | Diagnosis | Feasibility | Iterable[Problem],
) -> Explanation:
    """Put what was found into words.

    :param finding: what :func:`.filter_hosts`, :func:`.validate`, a
        diagnosis or :meth:`.PlacementClient.feasibility` returned
    """
    from sev_scheduling.explain import explanation

    return explanation.explain(finding)


def _load_when_called(words: Any) -> None:
    """Have the first text that is asked for load the catalogue.

    :param words: a function of :mod:`.problems`, for which the catalogue
        registers the kinds of findings
    """
    without_row: Callable[[object], str] = words.dispatch(object)

    def load(finding: object) -> str:
        # It registers what has words.
        import sev_scheduling.explain.explanation  # noqa: F401

        words.register(object, without_row)
        text: str = words(finding)
        return text

    words.register(object, load)


_load_when_called(message)
_load_when_called(advice)
