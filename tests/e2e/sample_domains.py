"""The synthetic world's two domains, as a catalog names them; tests add scenarios."""

SAMPLE_DOMAINS = """
[domain.food]
title = "food"
format = "amazon-2018"
source = "sample"
reviews = "raw/food.json.gz"
items = "raw/meta_food.json.gz"
max_rejected_rows = 5

[domain.kitchen]
title = "kitchen"
format = "amazon-2018"
source = "sample"
reviews = "raw/kitchen.json.gz"
items = "raw/meta_kitchen.json.gz"
max_rejected_rows = 5
"""
