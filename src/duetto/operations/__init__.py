"""Everything one can ask of Duetto, once: all doors call it."""

from duetto.operations.events import Letters
from duetto.operations.handle import Handle
from duetto.operations.listener import Listener
from duetto.operations.operations import Operations

__all__ = ["Handle", "Letters", "Listener", "Operations"]
