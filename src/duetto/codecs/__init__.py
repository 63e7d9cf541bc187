"""Implementations of the codec: values to bytes and back, exactly."""

from duetto.codecs.msgpack import MsgpackCodec

__all__ = ["MsgpackCodec"]
