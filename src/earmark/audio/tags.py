"""Tags that lie before, between and behind the sound, whatever its format."""

from __future__ import annotations

_BEHIND = (b"TAG", b"APETAGEX", b"ID3", b"LYRICSBEGIN", b"3DI")


def behind() -> tuple[bytes, ...]:
    """Marks of tags that may follow the last frame."""
    return _BEHIND


def tag_length(content: bytes) -> int:
    """Bytes of the tag with which ``content`` begins, 0 where it begins with none.

    Parameters
    ----------
    content : bytes
        From the tag on; only its first bytes need be there.
    """
    if content[:3] == b"ID3" and len(content) >= 10 and content[3] < 0xFF and content[4] < 0xFF:
        return _id3(content)
    if content[:4] == b"TAG+":
        return 227
    if content[:3] == b"TAG":
        return 128
    if content[:8] == b"APETAGEX" and len(content) >= 24:
        # The size counts the items and the footer, which may be all that there is.
        footer = not content[23] & 0x20
        return 32 if footer else 32 + int.from_bytes(content[12:16], "little")
    if content[:11] == b"LYRICSBEGIN":
        ends = [place + 9 for mark in (b"LYRICS200", b"LYRICSEND") if (place := content.find(mark)) > 0]
        return min(ends, default=0)
    return 0


def _id3(content: bytes) -> int:
    a, b, c, d = content[6:10]
    footer = 10 if content[5] & 0x10 else 0
    if max(a, b, c, d) > 0x7F:  # written by programs that do not know of seven bits a byte
        return 10 + footer + int.from_bytes(content[6:10], "big")
    return 10 + footer + (a << 21 | b << 14 | c << 7 | d)
