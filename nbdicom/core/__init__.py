"""PS3.8 and PS3.7 without input or output: bytes become indications, requests become buffers.

From the wire up: `layout` and `pdu` (what the bytes are), `machine` (Table 9-10), `upper_layer` (the protocol machine at
work), `command` (DIMSE messages), `negotiation` (presentation contexts and their friends), `dimse` (messages from
fragments and back), `association` (all of it as one object that a driver feeds).  Nothing here opens a socket, starts a
thread, asks for the time or knows pydicom.
"""
