"""Texts become vectors and generated titles, each paid for once."""
