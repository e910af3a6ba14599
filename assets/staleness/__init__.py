"""What is missing or stale, why, and how it is brought up to date, across partitions."""
