"""Reviews become interactions, sequences, splits and evaluation candidates."""
