"""Measures what a user would feel, beside the plain way of doing the same work."""
