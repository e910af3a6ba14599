"""How runs are launched, executed and stopped, and what they must not share."""
