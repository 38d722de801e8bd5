"""Jinja2 sources of generated files."""
