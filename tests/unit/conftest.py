"""What tests of several parts count."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from sev_scheduling.request.contents import Known
from sev_scheduling.rules import validation


@pytest.fixture
def rule_calls(monkeypatch):
    """Count the calls of each rule, by code and model."""
    counted = Counter()

    def counting(rule):
        def check(request, *rest):
            counted[rule.code, rest[0].name if rest else ''] += 1
            return rule.check(request, *rest)

        return replace(rule, check=check)

    # What other tests have validated would count for nothing.
    monkeypatch.setattr(validation, '_KNOWN', Known())
    for name in ('REQUEST_RULES', 'PLAIN_RULES', 'MODEL_RULES'):
        rules = tuple(map(counting, getattr(validation, name)))
        monkeypatch.setattr(validation, name, rules)
    return counted
