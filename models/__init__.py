"""The mathematics: pure torch modules. No files, no clocks, no Polars, no Dagster."""
