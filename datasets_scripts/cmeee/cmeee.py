"""Builder of Cmeee: ``Cmeee(data_dir=...).download_and_prepare()``. See README.md beside this file."""

from hybridner.data.corpora.builder import RecordBuilder


class Cmeee(RecordBuilder):
    SOURCE = "cmeee"
