"""Ways to carry messages between participants."""

from duetto.brokers.in_process import Faults, InProcessBroker

__all__ = ["Faults", "InProcessBroker"]
