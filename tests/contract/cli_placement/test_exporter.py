"""The exporter as a process of its own, and what etc/ makes of its metrics."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.unit.cli.test_metrics import samples

ROOT = Path(__file__).parents[3]
SCRIPT = Path(sys.executable).with_name('sev-scheduling')
RULES = ROOT / 'etc/prometheus/sev_scheduling.rules.yml'
DASHBOARD = ROOT / 'etc/grafana/sev_scheduling.json'
PROMTOOL = shutil.which('promtool')
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None,
    reason="no promtool, of Debian's package prometheus",
)


def free_port():
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def exporter(*options):
    """Run one; yield the process and a function that asks it."""
    port = free_port()
    with subprocess.Popen(
        [SCRIPT, 'exporter', '--port', str(port), *map(str, options)],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:

        def ask():
            url = f'http://127.0.0.1:{port}/metrics'
            with urllib.request.urlopen(url, timeout=20) as answer:
                return samples(answer.read().decode())

        try:
            yield process, ask
        finally:
            process.kill()


def end(process):
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    return process.returncode, err


@pytest.fixture(scope='module')
def served(tmp_path_factory):
    """Ask one once, and end it: what it served, and how it ended."""
    from tests.contract.cli_placement.conftest import CLOUD

    path = tmp_path_factory.mktemp('exporter') / 'cloud.json'
    path.write_text(json.dumps(CLOUD))
    with exporter('--cloud', path) as (process, ask):
        assert process.stderr.readline().startswith('Serving on http://127.')
        found = ask()
        return found, *end(process)


def test_slots_are_served_until_it_is_told_to_end(served):
    found, status, err = served

    assert (status, err) == (0, '')
    assert found['sev_scheduling_placement_up',] == 1
    assert found['sev_scheduling_slots_free', 'epyc-1', 'amd-sev'] == 2
    assert found['sev_scheduling_slots_free', 'full', 'amd-sev'] == 0


def test_a_placement_that_is_away_is_served_as_such():
    url = f'http://127.0.0.1:{free_port()}'
    with exporter('--placement-url', url) as (process, ask):
        assert 'Placement did not answer' in process.stderr.readline()
        assert process.stderr.readline().startswith('Serving on ')
        assert ask() == {
            ('sev_scheduling_placement_up',): 0,
            ('sev_scheduling_placement_failures_total',): 1,
            **{k: v for k, v in ask().items() if k[0].endswith('_created')},
        }
        assert end(process)[0] == 0


def test_it_ends_in_the_midst_of_a_question_too():
    with socket.create_server(('127.0.0.1', 0)) as silent:
        silent.settimeout(20)
        url = f'http://127.0.0.1:{silent.getsockname()[1]}'
        with exporter('--placement-url', url) as (process, _):
            connection, _ = silent.accept()
            with connection:
                assert end(process)[0] == 0


def test_a_port_in_use_is_reported_in_one_line(run, cloud):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        ran = run('exporter', '--cloud', cloud, '--port', port)

    assert (ran.status, ran.out) == (2, '')
    assert f'--port {port}' in ran.err
    assert ran.err.count('\n') == 1


_METRIC = re.compile(r'[a-z_]*:?sev_scheduling_[a-z_]+(?::[a-z]+)?')


def known(served):
    recorded = re.findall(r'record: (\S+)', RULES.read_text())
    return {key[0] for key in served[0]} | set(recorded)


def expressions():
    """Return each query of the dashboard, variables filled in."""
    found = []

    def walk(node):
        if isinstance(node, dict):
            if 'expr' in node:
                found.append(node['expr'])
            query = node.get('query')
            if isinstance(query, str) and 'label_values(' in query:
                found.append(re.search(r'label_values\((\w+)', query)[1])
            node = list(node.values())
        if isinstance(node, list):
            for item in node:
                walk(item)

    walk(json.loads(DASHBOARD.read_text()))
    return found


def test_the_rules_ask_for_metrics_that_are_served(served):
    text = '\n'.join(
        line
        for line in RULES.read_text().splitlines()
        if not line.lstrip().startswith(('#', '- name:'))
    )
    names = set(_METRIC.findall(text))

    assert len(names) >= 8
    assert names <= known(served)


def test_the_dashboard_asks_for_metrics_that_are_served(served):
    found = expressions()

    assert len(found) >= 6
    for expression in found:
        names = set(_METRIC.findall(expression))
        assert names, expression
        assert names <= known(served), expression


@needs_promtool
def test_promtool_takes_the_rules_and_the_queries(tmp_path):
    rules = [
        {'record': f'query{n}', 'expr': expression.replace('$model', '.*')}
        for n, expression in enumerate(expressions())
    ]
    queries = tmp_path / 'queries.json'
    # JSON is YAML, too.
    queries.write_text(
        json.dumps({'groups': [{'name': 'dashboard', 'rules': rules}]})
    )
    subprocess.run([PROMTOOL, 'check', 'rules', RULES, queries], check=True)


@needs_promtool
def test_the_alerts_fire_when_they_should(tmp_path):
    shutil.copy(RULES, tmp_path)
    shutil.copy(ROOT / 'tests/samples/prometheus/rules_test.yml', tmp_path)

    ran = subprocess.run(
        [PROMTOOL, 'test', 'rules', 'rules_test.yml'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_alert_has_a_test():
    alerts = set(re.findall(r'alert: (\S+)', RULES.read_text()))
    tests = (ROOT / 'tests/samples/prometheus/rules_test.yml').read_text()

    fired = re.findall(
        r'alertname: (\S+)\n +eval_time: \S+\n +exp_alerts:\n', tests
    )
    assert set(fired) == alerts
