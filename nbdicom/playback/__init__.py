"""A recorded session played again: as an SCP for whoever calls, or as an SCU against an SCP (PS3.8 7, PS3.7 9).

One side of a recorded connection is a script: what it says, and what it waits to hear.  It is followed message by message,
in the recorded order, at the speed of the peer.  The bytes are the recorded ones; only presentation context IDs, Message IDs
and the lengths of fragments follow the live peer where it does otherwise than the recorded one.  A peer that departs from
the script ends it, and the report says where.

`script` is what one side says and hears, `player` follows it, `peers` has the two roles.

Uses: a bug of a peer that is not at hand becomes a test; an SCU is developed without its SCP.
"""

from nbdicom.playback.peers import FakePeer, replay
from nbdicom.playback.script import ReplayReport, Turn, script

__all__ = ["FakePeer", "ReplayReport", "Turn", "replay", "script"]
