"""One text for one row, whatever engine gave it, and a hash of all rows whatever their order.

Uses nothing but the standard library: it runs inside every engine's own Python.
"""

import datetime
import decimal
import hashlib
import struct

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


def micros_of(value):
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    delta = value - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def text_of(value, milliseconds, plain_nulls):
    """The value as text; times in milliseconds, rounded half up, for an engine that knows no finer ones."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return "nan" if value != value else repr(value)
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "x" + bytes(value).hex()
    if isinstance(value, datetime.datetime):
        micros = micros_of(value)
        return f"t{(micros + 500) // 1000 * 1000 if milliseconds else micros}"
    if isinstance(value, datetime.date):
        return "d" + value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value.normalize() + 0, "f")
    if hasattr(value, "asDict"):  # Spark's Row
        value = value.asDict()
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        items = list(value)
        if items and all(isinstance(item, tuple) and len(item) == 2 for item in items) and not hasattr(items[0], "asDict"):
            members = sorted(f"{text_of(key, milliseconds, plain_nulls)}:{text_of(item, milliseconds, plain_nulls)}"
                             for key, item in items)
            return "{" + ",".join(members) + "}"
        return "[" + ",".join(text_of(item, milliseconds, plain_nulls) for item in items) + "]"
    raise TypeError(f"no canonical form of {type(value)}")


def as_type(value, kind):
    """The value as its column's type says, where engines differ: `kind` is DuckDB's name of it."""
    if value is None:
        return None
    if kind == "FLOAT":
        return struct.unpack("f", struct.pack("f", float(value)))[0]
    if kind == "DOUBLE":
        return float(value)
    if kind == "VARCHAR" and isinstance(value, (bytes, bytearray)):
        return bytes(value).decode()
    if kind == "BLOB" and isinstance(value, str):
        return value.encode()
    if kind == "BOOLEAN" and isinstance(value, int):
        return bool(value)
    return value


def split_kinds(text):
    """The parts of "a BIGINT, b STRUCT(c INTEGER, d VARCHAR)"."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "(<") - (character in ")>")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def without_nested_nulls(value, kind):
    """The value as an engine without null lists, maps and structs has it: empty ones; leaves as their type says."""
    if kind.endswith("]"):  # T[] and T[8]
        element = kind[:kind.rindex("[")]
        return [without_nested_nulls(item, element) for item in value or []]
    if kind.startswith("MAP("):
        key_kind, element = split_kinds(kind[4:-1])
        items = value.items() if isinstance(value, dict) else value or []
        return [(as_type(key, key_kind), without_nested_nulls(item, element)) for key, item in items]
    if kind.startswith("STRUCT("):
        members = [part.split(" ", 1) for part in split_kinds(kind[7:-1])]
        value = value.asDict() if hasattr(value, "asDict") else value or {}
        return {name.strip('"'): without_nested_nulls(value.get(name.strip('"')), member) for name, member in members}
    return as_type(value, kind)


class RowsHash:
    """Number and hash of rows, in any order; losses: "milliseconds", "nested_nulls"."""

    def __init__(self, columns, losses=()):
        self.names = sorted(columns)
        self.kinds = [columns[name] for name in self.names]
        self.milliseconds = "milliseconds" in losses
        self.nested_nulls = "nested_nulls" in losses
        self.rows = 0
        self.total = 0

    def add(self, values):
        """One row: its values in the order of self.names."""
        texts = []
        for value, kind in zip(values, self.kinds):
            value = without_nested_nulls(value, kind) if self.nested_nulls else as_type(value, kind)
            texts.append(text_of(value, self.milliseconds, self.nested_nulls))
        digest = hashlib.blake2b("\x1f".join(texts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self.total = (self.total + int.from_bytes(digest, "little")) % 2**64
        self.rows += 1

    def result(self):
        return {"rows": self.rows, "hash": f"{self.total:016x}"}
