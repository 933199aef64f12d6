import subprocess
import sys

import pytest

from sev_scheduling import problems


@pytest.mark.parametrize(
    'first',
    [
        pytest.param('sev_scheduling.explain.catalogue', id='its words'),
        pytest.param('sev_scheduling.placement', id='a part that uses it'),
    ],
)
def test_explain_is_the_function_whatever_is_imported_before(first):
    code = (
        f'import {first}; from sev_scheduling import explain; '
        'print(explain(()).operator())'
    )
    ran = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )

    assert (ran.returncode, ran.stderr) == (0, '')


@pytest.mark.parametrize(
    'text',
    ['problem.message', 'problem.fix', 'verdict.message', 'verdict.fix'],
)
def test_the_first_text_that_is_asked_for_loads_the_words(text):
    code = f"""
from sev_scheduling import Host, filter_hosts, parse, validate
request = parse(
    {{'vcpus': 1, 'ram': 1, 'extra_specs': {{'hw:mem_encryption': 'true'}}}}
)
problem = validate(request)[0]
(verdict,) = filter_hosts(request, [Host(name='a')]).rejected
print({text})
"""
    ran = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )

    assert (ran.returncode, ran.stderr) == (0, '')
    assert ran.stdout.strip()


@pytest.mark.parametrize('words', [problems.message, problems.advice])
def test_what_has_no_words_is_reported_whether_they_are_loaded_or_not(words):
    code = f"""
from sev_scheduling import problems
for _ in range(2):
    try:
        problems.{words.__name__}({{}})
    except TypeError as error:
        print(error)
"""
    ran = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )

    assert ran.stdout == 'dict has no row in the catalogue\n' * 2
