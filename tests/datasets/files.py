"""Small files of data for tests."""

import json

from mobilebert.datasets.items import FinetuneTask
from mobilebert.datasets.reading import read_items
from mobilebert.datasets.sources import open_rows


def write(directory, name, content):
    """Write text or bytes, and return the path."""
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_jsonl(directory, rows, name="rows.jsonl"):
    return write(directory, name, "".join(json.dumps(row) + "\n" for row in rows))


def read(task, path, **options):
    """Read items of a file as it comes."""
    return read_items(FinetuneTask(task), open_rows(path), **options)
