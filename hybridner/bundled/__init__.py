"""The model that comes with the package; `pipeline("hybrid-ner")` and the commands use it when no other is named.

It was trained on SNCM-open by `recipes/bundled.yaml`; its card lies beside it.
"""

from pathlib import Path

#: What the commands call it.
BUNDLED = "bundled"
#: Where it lies.
BUNDLED_FOLDER = Path(__file__).parent / "model"
