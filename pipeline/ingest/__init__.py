"""Raw dumps in any dialect become typed tables of reviews and items."""
