"""Hostile peers and failing disks: what nbdicom has to survive; ``python -m tests.hostile`` prints the score."""
