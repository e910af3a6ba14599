"""Official review dumps: where they are, and how they are fetched whole."""
