"""Generated titles are grounded in real items by nearest-neighbour search."""
