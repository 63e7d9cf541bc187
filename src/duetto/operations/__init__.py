"""Everything one can ask of Duetto, once: all doors call it."""

from duetto.operations.events import Letters, Replayed
from duetto.operations.handle import Handle
from duetto.operations.listener import Listener
from duetto.operations.operations import Operations
from duetto.runtime.replays import Picked

__all__ = ["Handle", "Letters", "Listener", "Operations", "Picked", "Replayed"]
