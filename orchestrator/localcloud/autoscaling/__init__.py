"""Autoscaling that scales: targets, policies, schedules, and who carries them out."""
