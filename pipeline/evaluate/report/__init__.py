"""The page of a scenario: all that there is to know of its run, in one HTML file."""

VERSION = "2"
"""Raise it when the page says or shows something else of the same artifacts."""
