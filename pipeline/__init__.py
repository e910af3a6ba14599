"""Every behaviour of coldbridge as plain functions; nothing here knows Dagster."""
