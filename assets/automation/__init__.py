"""Schedules and sensors, off until someone switches them on."""
