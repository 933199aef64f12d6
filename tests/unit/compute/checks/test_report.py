import pytest

from sev_scheduling.compute.checks.report import HostReport
from sev_scheduling.compute.detection import HostEvidence
from sev_scheduling.hosts.check import NotRead


def test_settings_that_could_not_be_read_are_reported_once():
    report = HostReport(facts=HostEvidence(), nova_error='a line')

    with pytest.raises(NotRead, match='a line'):
        assert report.settings
