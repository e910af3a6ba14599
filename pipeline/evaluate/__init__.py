"""Weights become ranks, a leaderboard, a report and recommendations."""
