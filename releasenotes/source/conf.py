"""Sphinx configuration of the release notes."""

project = 'sev_scheduling release notes'
copyright = 'the sev_scheduling authors; Apache License 2.0'
extensions = ['reno.sphinxext']
html_theme = 'furo'
html_title = project
html_show_sphinx = False
html_copy_source = False
