"""Sphinx configuration."""

import pathlib
import sys
import tomllib

_ROOT = pathlib.Path(__file__).parents[2]
# The drawing of the house is made by what tests it.
sys.path[:0] = [str(pathlib.Path(__file__).parent / '_ext'), str(_ROOT)]

_PROJECT = tomllib.loads((_ROOT / 'pyproject.toml').read_text())['project']

project = 'sev_scheduling'
copyright = 'the sev_scheduling authors; Apache License 2.0'
release = version = _PROJECT['version']

extensions = [
    'cliff.sphinxext',
    'codes',
    'everytext',
    'housedrawing',
    'oslo_config.sphinxext',
    'reno.sphinxext',
    'rulestable',
    'sphinx.ext.autodoc',
]

html_theme = 'furo'
html_title = f'sev_scheduling {release}'
html_show_sphinx = False
html_copy_source = False
html_css_files = ['narrow.css']
html_static_path = ['_static']
templates_path = ['_templates']

# They would make a dash of the two of --option.
smartquotes = False

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
# nova is not installed where the documentation is built.
autodoc_mock_imports = ['nova', 'oslo_log']

autoprogram_cliff_application = 'sev-scheduling'
nitpicky = False

man_pages = [
    (
        'reference/cli',
        'sev-scheduling',
        'place memory-encrypted guests on OpenStack hosts',
        'the sev_scheduling authors',
        1,
    )
]
