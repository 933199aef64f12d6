"""The only words: facts become text here."""

from sev_scheduling.explain.explanation import Explanation, explain

__all__ = [
    'Explanation',
    'explain',
]
