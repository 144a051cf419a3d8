"""Feed cursors: where the next page begins, for one reader.

A cursor is opaque to callers. It holds the reader and the last post id of the page, so it stays
right while posts arrive above it, and a check sum tells typing errors from cursors. It is no
secret and grants nothing: a feed is public to whoever may ask for it.
"""

import base64
import binascii
import struct
import zlib

from ..errors import BadCursor
from ..ids import MAX_ID

_LAYOUT = struct.Struct(">IQ")


def encode(user_id: int, last_id: int) -> str:
    """The cursor of the page after `last_id` of the user's feed."""
    raw = _LAYOUT.pack(user_id, last_id)
    return base64.urlsafe_b64encode(raw + zlib.crc32(raw).to_bytes(4)).decode()


def decode(user_id: int, cursor: str) -> int:
    """The id below which the page begins. Raises `BadCursor`."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _LAYOUT.size + 4 or zlib.crc32(raw[:-4]) != int.from_bytes(raw[-4:]):
        raise BadCursor("This is no cursor of a feed.")
    owner, last_id = _LAYOUT.unpack(raw[:-4])
    if owner != user_id:
        raise BadCursor(f"The cursor belongs to the feed of user {owner}, not to user {user_id}.")
    if not 0 < last_id <= MAX_ID:
        raise BadCursor("The cursor points to no post.")
    return int(last_id)
