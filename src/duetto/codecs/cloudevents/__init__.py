"""CloudEvents 1.0: what events are to programs that are not of Duetto."""

from duetto.codecs.cloudevents.binary import (
    AMQP,
    HTTP,
    KAFKA,
    Binding,
    decode_binary,
    encode_binary,
)
from duetto.codecs.cloudevents.events import CloudEvents
from duetto.codecs.cloudevents.foreign import Foreign
from duetto.codecs.cloudevents.signed import SignedWire
from duetto.codecs.cloudevents.structured import (
    BATCH,
    STRUCTURED,
    decode_batch,
    decode_structured,
    encode_batch,
    encode_structured,
)
from duetto.codecs.cloudevents.wire import CloudEventWire

__all__ = [
    "AMQP",
    "BATCH",
    "HTTP",
    "KAFKA",
    "STRUCTURED",
    "Binding",
    "CloudEventWire",
    "CloudEvents",
    "Foreign",
    "SignedWire",
    "decode_batch",
    "decode_binary",
    "decode_structured",
    "encode_batch",
    "encode_binary",
    "encode_structured",
]
