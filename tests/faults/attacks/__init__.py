"""Importing this package puts every attack on the list of `tests.faults.attack`."""

from tests.faults.attacks import clocks, kills, orders, people

__all__ = ["clocks", "kills", "orders", "people"]
