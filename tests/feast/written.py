"""Rows that Feast's client writes into a view whose rows are those of a source, and pushes by the source's name.

    written.py FOLDER
"""

import sys

import pandas
from feast import FeatureStore


def row(spend, items, time):
    return pandas.DataFrame({"user_id": [1], "region": ["eu"], "spend": [spend], "items": [items],
                             "known_time": [pandas.Timestamp(time)]})


def main(folder):
    store = FeatureStore(repo_path=folder)
    store.write_to_online_store("basket", row(7.0, 7, "2026-04-10T00:00:04Z"))
    store.push("orders", row(8.0, 8, "2026-04-10T00:00:05Z"))


if __name__ == "__main__":
    main(sys.argv[1])
