"""Memory does not grow with the file."""

import json

import pytest

from tests.support.forked import run

#: A process of its own: nothing else is counted.
READ = """
import json
import sys
import tracemalloc
from hybridner.data import iter_records

for path in sys.argv[1:]:
    tracemalloc.start()
    count = sum(1 for _ in iter_records(path))
    print(json.dumps([count, tracemalloc.get_traced_memory()[1]]))
    tracemalloc.stop()
"""


def conll(path, records):
    sentence = "俄 B-STATE\n军 I-STATE\n在 O\n叙 B-LOC\n利 I-LOC\n亚 I-LOC\n。 O\n 乙 O\n a O\n\n"
    with path.open("w", encoding="utf-8") as handle:
        handle.writelines(sentence for _ in range(records))


def lines(path, records):
    line = json.dumps({"text": "俄军在叙利亚。", "entities": [{"start": 0, "end": 2, "label": "STATE"}]}) + "\n"
    with path.open("w", encoding="utf-8") as handle:
        handle.writelines(line for _ in range(records))


def array(path, records):
    item = json.dumps({"text": "俄军在叙利亚。", "entities": [{"start_idx": 0, "end_idx": 1, "type": "STATE"}]}, indent=2)
    with path.open("w", encoding="utf-8") as handle:
        handle.write("[" + item)
        handle.writelines(f",\n{item}" for _ in range(records - 1))
        handle.write("]")


# 30,000 sentences of 9 characters are 300,000 lines.
@pytest.mark.parametrize(("form", "records"), [(conll, 30_000), (lines, 50_000), (array, 50_000)])
def test_a_large_file_takes_no_more_memory_than_a_small_one(tmp_path, form, records):
    small, large = tmp_path / "small", tmp_path / "large"
    form(small, records // 10)
    form(large, records)
    ended = run("-c", READ, str(small), str(large))
    assert ended.returncode == 0, ended.stderr
    (few, before), (many, after) = map(json.loads, ended.stdout.splitlines())
    assert (few, many) == (records // 10, records)
    assert after < 1.2 * before + 100_000
    assert after < large.stat().st_size / 2
