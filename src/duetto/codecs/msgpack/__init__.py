"""Values as msgpack, in the layout of their type, or saying their own."""

from duetto.codecs.msgpack.codec import MsgpackCodec

__all__ = ["MsgpackCodec"]
