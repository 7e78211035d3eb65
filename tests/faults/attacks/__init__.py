"""Importing this package puts every attack on the list of `tests.faults.attack`."""

from tests.faults.attacks import clocks, databases, kills, orders, people, providers

__all__ = ["clocks", "databases", "kills", "orders", "people", "providers"]
