"""Values of the fixture as Feast has them: in its client, and in its messages."""

import base64
import datetime
import struct

from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.Value_pb2 import Value

PRESENT, NULL, MISSING, OLD = (FieldStatus.PRESENT, FieldStatus.NULL_VALUE, FieldStatus.NOT_FOUND,
                               FieldStatus.OUTSIDE_MAX_AGE)
NO_TIME = -(2**63)  # what stands for a null in a list of times
# By the name of a column: the field of a Value, and what stands for a null inside a list.
KINDS = {"age": "int64_val", "n32": "int32_val", "score": "double_val", "f32": "float_val", "name": "string_val",
         "active": "bool_val", "seen": "unix_timestamp_val", "blob": "bytes_val", "tags": "string_list_val",
         "vec": "float_list_val", "ids": "int64_list_val", "bools": "bool_list_val", "blobs": "bytes_list_val",
         "n32s": "int32_list_val", "n64s": "int64_list_val", "reals": "double_list_val", "f32s": "float_list_val",
         "words": "string_list_val", "times": "unix_timestamp_list_val"}
STAND_INS = {"bool": False, "bytes": b"", "int32": 0, "int64": 0, "double": 0.0, "float": 0.0, "string": "",
             "unix_timestamp": NO_TIME}


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def seconds(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def as_client(name, value):
    """A value as Feast's client shows it when it came over HTTP."""
    if isinstance(value, list):
        return [as_client(name, element) for element in value]
    kind = KINDS[name].removesuffix("_val").removesuffix("_list")
    if value is not None and kind in ("unix_timestamp", "bytes", "float"):
        return {"unix_timestamp": seconds, "bytes": lambda blob: base64.b64encode(blob).decode(), "float": float32}[kind](value)
    return value


def as_value(name, value):
    """A value as a message of Feast's."""
    made = Value()
    if value is None:
        return made
    field = KINDS[name]
    kind = field.removesuffix("_val").removesuffix("_list")

    def element(of):
        return STAND_INS[kind] if of is None else seconds(of) if kind == "unix_timestamp" else of

    if field.endswith("_list_val"):
        getattr(made, field).SetInParent()
        getattr(made, field).val.extend(map(element, value))
    else:
        setattr(made, field, element(value))
    return made


def same(found, expected):
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float) and isinstance(found, float):
        return struct.pack("<d", found) == struct.pack("<d", expected)
    return type(found) is type(expected) and found == expected


def statuses(response, name):
    index = list(response.proto.metadata.feature_names.val).index(name)
    return list(response.proto.results[index].statuses)
