"""Parts that several systems share; each file is one idea."""
