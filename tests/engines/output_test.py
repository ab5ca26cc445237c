#!/usr/bin/env python3
"""What `assay sql` writes as Arrow and Parquet is read by pyarrow and Polars, with every type and null in place.

    output_test.py PROGRAM TABLE_WRITER
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from make_tables import Lake  # noqa: E402
from matrix_test import python_of_engines  # noqa: E402

CHECK = """
import os, sys, io, pyarrow.ipc, pyarrow.parquet, polars
arrow, parquet = (open(path, "rb").read() for path in sys.argv[1:])
stream = pyarrow.ipc.open_stream(arrow).read_all()
for batch in stream.to_batches():
    batch.validate(full=True)
rows = pyarrow.parquet.read_table(io.BytesIO(parquet))
assert stream.column_names == rows.column_names, stream.column_names
assert repr(stream.to_pydict()) == repr(rows.to_pydict())
assert repr(polars.read_ipc_stream(io.BytesIO(arrow)).to_dicts()) == repr(polars.from_arrow(rows).to_dicts())
print(stream.num_rows, "rows,", len(stream.schema), "columns:", ", ".join(str(t) for t in stream.schema.types))
sys.stdout.flush()
os._exit(0)  # threads of these libraries now and then abort a process that ends by itself
"""


def main(words):
    folder = Path(tempfile.mkdtemp(prefix="assay_output_")).resolve()
    try:
        lake = Lake(Path(words[0]).resolve(), Path(words[1]).resolve(), folder)
        for table in ("types", "nested"):
            lake.fill(table)
        for query in ("FROM lake.bronze.types ORDER BY id", "FROM lake.bronze.types WHERE id < 0",
                      "FROM lake.bronze.nested ORDER BY id",
                      "FROM lake.bronze.types a, range(200) ORDER BY id, range"):
            files = []
            for kind in ("arrow", "parquet"):
                files.append(folder / f"rows.{kind}")
                with files[-1].open("wb") as out:
                    subprocess.run([lake.program, "sql", query, "--output", kind, "--project", folder], check=True,
                                   stdout=out)
            subprocess.run([python_of_engines(), "-c", CHECK, *files], check=True)
        return 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
