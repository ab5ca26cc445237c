"""A small client of Trino's HTTP protocol, and its reading of Delta tables."""

import base64
import datetime
import decimal
import json
import struct
import time
import urllib.request

from canonical import RowsHash


class Trino:
    def __init__(self, address):
        self.address = address

    def query(self, sql):
        """(columns as the server describes them, rows). A node that was too busy to be heard is waited for."""
        until = time.monotonic() + 180
        while True:
            try:
                return self.ask(sql)
            except RuntimeError as error:
                if "No nodes available" not in str(error) or time.monotonic() > until:
                    raise
            time.sleep(2)

    def ask(self, sql):
        request = urllib.request.Request(f"http://{self.address}/v1/statement", data=sql.encode(),
                                         headers={"X-Trino-User": "test", "X-Trino-Time-Zone": "UTC"})
        columns, rows = [], []
        while True:
            with urllib.request.urlopen(request, timeout=120) as response:
                page = json.load(response)
            if "error" in page:
                raise RuntimeError(page["error"]["message"])
            columns = page.get("columns", columns)
            rows += page.get("data", [])
            if "nextUri" not in page:
                return columns, rows
            request = urllib.request.Request(page["nextUri"])


def value_of(text, signature):
    """A value of the JSON answer as Python's own type."""
    if text is None:
        return None
    kind = signature["rawType"]
    arguments = [argument["value"] for argument in signature.get("arguments", [])]
    if kind == "varbinary":
        return base64.b64decode(text)
    if kind == "decimal":
        return decimal.Decimal(text)
    if kind == "date":
        return datetime.date.fromisoformat(text)
    if kind == "real":  # written with the digits that tell it from other 32-bit numbers
        return struct.unpack("f", struct.pack("f", float(text)))[0]
    if kind == "double":
        return float(text)
    if kind.startswith("timestamp"):
        return datetime.datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    if kind == "array":
        return [value_of(item, arguments[0]) for item in text]
    if kind == "map":
        # Keys are the texts of a JSON object.
        return {value_of(json.loads(key) if arguments[0]["rawType"] in ("bigint", "integer") else key, arguments[0]):
                value_of(item, arguments[1]) for key, item in text.items()}
    if kind == "row":
        return {field["fieldName"]["name"]: value_of(item, field["typeSignature"])
                for field, item in zip(arguments, text)}
    return text


def answer(trino, table, request):
    at = "" if request["version"] is None else f" FOR VERSION AS OF {request['version']}"
    columns, rows = trino.query(f'SELECT * FROM delta.default."{table}"{at}')
    result = RowsHash(request["columns"], request.get("losses", ()))
    places = {column["name"]: index for index, column in enumerate(columns)}
    if sorted(places) != sorted(name.lower() for name in result.names):
        return {"error": f"columns are {sorted(places)}"}
    order = [places[name.lower()] for name in result.names]
    signatures = [columns[place]["typeSignature"] for place in order]
    for row in rows:
        result.add([value_of(row[place], signature) for place, signature in zip(order, signatures)])
    return result.result()
