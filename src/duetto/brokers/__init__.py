"""Ways to carry messages between participants, and records to whoever listens to a topic."""

from duetto.brokers.faults import Faults
from duetto.brokers.in_process import InProcessBroker
from duetto.brokers.signed import SignedBroker, signed
from duetto.brokers.topics import InProcessTopics

__all__ = ["Faults", "InProcessBroker", "InProcessTopics", "SignedBroker", "signed"]
