"""Images of items: from folders or downloaded with limits on everything, kept by their digest."""
