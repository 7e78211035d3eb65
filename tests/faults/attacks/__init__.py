"""Importing this package puts every attack on the list of `tests.faults.attack`."""

from tests.faults.attacks import (
    brokers,
    clocks,
    clusters,
    databases,
    kills,
    networks,
    orders,
    people,
    providers,
    races,
    soak,
    tickets,
)

__all__ = [
    "brokers",
    "clocks",
    "clusters",
    "databases",
    "kills",
    "networks",
    "orders",
    "people",
    "providers",
    "races",
    "soak",
    "tickets",
]
