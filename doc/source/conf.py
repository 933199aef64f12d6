"""Sphinx configuration."""

import pathlib
import sys
import tomllib

_ROOT = pathlib.Path(__file__).parents[2]
# The drawing of the house is made by what tests it.
sys.path[:0] = [str(pathlib.Path(__file__).parent / '_ext'), str(_ROOT)]

_PROJECT = tomllib.loads((_ROOT / 'pyproject.toml').read_text())['project']

project = 'sev_scheduling'
copyright = 'The sev_scheduling authors'
release = version = _PROJECT['version']

extensions = [
    'cliff.sphinxext',
    'housedrawing',
    'openstackdocstheme',
    'oslo_config.sphinxext',
    'reno.sphinxext',
    'rulestable',
    'sphinx.ext.autodoc',
]

html_theme = 'openstackdocs'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_repo_name = 'sev_scheduling'
# Where the sources live is for whoever publishes the pages to say.
openstackdocs_pdf_link = False
html_theme_options = {'show_other_versions': False}

# They would make a dash of the two of --option.
smartquotes = False

autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
# nova is not installed where the documentation is built.
autodoc_mock_imports = ['nova', 'oslo_log']

autoprogram_cliff_application = 'sev-scheduling'
nitpicky = False
