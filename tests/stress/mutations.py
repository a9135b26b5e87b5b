"""How is a file damaged, so that the same seed damages it the same way?

Bytes are flipped, cut, repeated, zeroed and overwritten by extreme numbers.
Where a checksum would give damage away at once, it is made good again, so that
what lies behind it is reached too: members of zip archives, chunks of PNGs.
Values of JSON are exchanged for hostile ones.
"""

import io
import json
import random
import struct
import zipfile
import zlib

# What lengths, offsets and counts are overwritten by.
_EXTREMES = (0, 1, -1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31)
_WIDTHS = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")
_DEEP = 100_000  # Deeper than any parser recurses.
_PNG = b"\x89PNG\r\n\x1a\n"
_ZIP = b"PK\x03\x04"


def mutated(samples: list[bytes], seed: int) -> bytes:
    """One of the samples, damaged.

    Args:
        samples: Whole files of one kind; pieces of one get into another.
        seed: Decides everything.

    Returns:
        The content of a file; now and then it is that of a sample.
    """
    rng = random.Random(seed)
    data = rng.choice(samples)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = damaged(data, samples, rng)
    return data


def damaged(data, samples, rng) -> bytes:
    """The data with one more damage, of a kind that suits it."""
    inside = rng.random() < 0.6
    if inside and data.startswith(_ZIP):
        return _damaged_member(data, rng)
    if inside and data.startswith(_PNG):
        return _damaged_chunk(data, rng)
    if inside and data.lstrip()[:1] in (b"{", b"["):
        return _damaged_json(data, rng)
    return rng.choice(_MUTATORS)(bytearray(data), samples, rng)


# === Bytes ===


def _block(data, rng) -> slice:
    """A place in the data, most often a short one."""
    start = rng.randrange(len(data) + 1)
    length = rng.choice((1, 2, 4, 8, 16, 64, 256, max(len(data) // 3, 1)))
    return slice(start, min(start + length, len(data)))


def _flip_bits(data, samples, rng):
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _truncate(data, samples, rng):
    return bytes(data[: rng.randrange(len(data) + 1)])


def _zero(data, samples, rng):
    place = _block(data, rng)
    value = rng.choice((0, 255))
    data[place] = bytes([value]) * (place.stop - place.start)
    return bytes(data)


def _repeat(data, samples, rng):
    piece = bytes(data[_block(data, rng)])
    place = rng.randrange(len(data) + 1)
    data[place:place] = piece * rng.choice((1, 1, 2, 50))
    return bytes(data)


def _remove(data, samples, rng):
    del data[_block(data, rng)]
    return bytes(data)


def _insert_noise(data, samples, rng):
    place = rng.randrange(len(data) + 1)
    data[place:place] = rng.randbytes(rng.choice((1, 4, 64)))
    return bytes(data)


def _extreme_number(data, samples, rng):
    """As a length field, an offset or a count that is blown up."""
    width = rng.choice(_WIDTHS)
    size = struct.calcsize(width)
    # Headers are where such numbers are.
    reach = rng.choice((64, 512, len(data)))
    place = rng.randrange(max(min(reach, len(data)) - size, 1))
    number = rng.choice(_EXTREMES) % (1 << (8 * size))
    data[place : place + size] = struct.pack(width, number)
    return bytes(data)


def _of_another(data, samples, rng):
    other = rng.choice(samples)
    data[_block(data, rng)] = other[_block(other, rng)]
    return bytes(data)


_MUTATORS = (
    _flip_bits,
    _truncate,
    _zero,
    _repeat,
    _remove,
    _insert_noise,
    _extreme_number,
    _of_another,
)


# === Behind a checksum ===


def _damaged_member(data, rng) -> bytes:
    """Damages one member of a zip archive, or its name."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {i.filename: archive.read(i) for i in archive.infolist()}
    except Exception:  # Damaged before: as bytes, then.
        return rng.choice(_MUTATORS)(bytearray(data), [data], rng)
    names = sorted(members)
    chosen = rng.choice(names) if names else ""
    action = rng.random()
    if action < 0.05:
        members.pop(chosen, None)
    elif action < 0.1:
        members[f"../../{chosen}"] = members.pop(chosen, b"")
    elif action < 0.15 and names:
        members[rng.choice(names)] = members[chosen]
    elif chosen:
        members[chosen] = damaged(members[chosen], [members[chosen]], rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def _damaged_chunk(data, rng) -> bytes:
    """Damages one chunk of a PNG; its checksum fits."""
    chunks, place = [], len(_PNG)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind = data[place + 4 : place + 8]
        chunks.append((kind, data[place + 8 : place + 8 + length]))
        place += 12 + length
    if not chunks:
        return _flip_bits(bytearray(data), [data], rng)
    index = rng.randrange(len(chunks))
    kind, content = chunks[index]
    content = rng.choice(_MUTATORS)(bytearray(content), [content], rng)
    chunks[index] = kind, content
    if rng.random() < 0.1:
        rng.shuffle(chunks)
    return _PNG + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


# === JSON ===


def _damaged_json(data, rng) -> bytes:
    """Exchanges one value of JSON (or of one of its lines) for another."""
    lines = data.splitlines(keepends=True)
    number = rng.randrange(len(lines))
    try:
        content, before, after = json.loads(data), b"", b""
    except (ValueError, RecursionError):
        try:
            content = json.loads(lines[number])
        except (ValueError, RecursionError):
            return rng.choice(_MUTATORS)(bytearray(data), [data], rng)
        before = b"".join(lines[:number])
        after = b"\n" + b"".join(lines[number + 1 :])
    places = list(_places(content))
    if rng.random() < 0.02 or not places:
        return before + rng.choice(_HOSTILE_TEXTS) + after
    owner, key = rng.choice(places)
    if rng.random() < 0.15:
        del owner[key]
    elif rng.random() < 0.15:
        other, other_key = rng.choice(places)
        owner[key] = json.loads(json.dumps(other[other_key]))
    else:
        owner[key] = rng.choice(_HOSTILE_VALUES)
    text = json.dumps(content)
    if rng.random() < 0.02:
        text = text.replace('"deep"', "[" * _DEEP + "]" * _DEEP)
    return before + text.encode() + after


def _places(content):
    """Every (container, key) of nested JSON."""
    pairs = ()
    if isinstance(content, dict):
        pairs = content.items()
    elif isinstance(content, list):
        pairs = enumerate(content)
    for key, value in list(pairs):
        yield content, key
        yield from _places(value)


_HOSTILE_VALUES = (
    *(None, True, False, 0, 1, -1, 2, 3, 0.5, -0.0, 1e308, 2**31, 2**63),
    *(10**400, float("nan"), float("inf"), "", "0", "deep", "../../etc/passwd"),
    *("x" * 10_000, "\x00", "\ud800", "\u202e", "softmax", "float32"),
    *([], {}, [[]], [None], [1, 2], [0, 0], [-1, 5], [1, 2, 3], {"a": 1}),
    *([1e9, 1e9], [10**9, 10**9], [2**31, 2**31], [[1], [2, 3]], ["a", "a"]),
)
_HOSTILE_TEXTS = (
    *(b"", b"null", b"[]", b"0", b'""', b"NaN", b"{}", b"\xff\xfe{}"),
    b"[" * _DEEP + b"]" * _DEEP,
    b'{"a":' * _DEEP,
    b"9" * 5_000,
)
