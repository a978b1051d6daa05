"""What importing hybridner does: transformers knows our classes whatever is imported first, and little is loaded."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

import hybridner
from hybridner.bundled import BUNDLED_FOLDER
from hybridner.export import OnnxHybridNerConfig
from hybridner.models import MEMBER_CLASSES
from hybridner.registration import CONFIGURATIONS

MODEL = repr(str(BUNDLED_FOLDER))
LOAD = f".from_pretrained({MODEL})"
PREDICT = "pipeline('hybrid-ner')('美国海军在红海。')[0]['word']"
#: Each in a process of its own. What comes first decides what is half loaded when transformers' tables are complete.
PROGRAMS = {
    "configuration": f"import hybridner\nfrom transformers import AutoConfig\nAutoConfig{LOAD}.labels",
    "model": f"import hybridner\nfrom transformers.models.auto import modeling_auto\nmodeling_auto.AutoModel{LOAD}",
    "tokenizer": f"""
import hybridner
from transformers import AutoTokenizer
encoding = AutoTokenizer{LOAD}("美国 海军", return_offsets_mapping=True, add_special_tokens=False)
assert encoding["offset_mapping"] == [(at, at + 1) for at in range(5)]
""",
    "our configuration": """
from hybridner.models import BertBiLstmCrfConfig
from transformers import AutoModelForTokenClassification
assert BertBiLstmCrfConfig in AutoModelForTokenClassification._model_mapping
""",
    "pipeline": f"import hybridner\nfrom transformers import pipeline\n{PREDICT}",
    "pipeline after models and adapters": f"""
import hybridner
from transformers import BertModel, Trainer
import peft
from transformers import pipeline
{PREDICT}
""",
    "our pipeline": """
from hybridner.pipeline import HybridNerPipeline
from transformers import pipeline
assert isinstance(pipeline('hybrid-ner'), HybridNerPipeline)
""",
    "everything": f"import hybridner\nfrom transformers import *\nAutoModel{LOAD}\n{PREDICT}",
    "hybridner last": f"from transformers import AutoConfig, pipeline\nimport hybridner\nAutoConfig{LOAD}.labels\n{PREDICT}",
}
THREADS = f"""
import threading, sys
import hybridner
import transformers  # its own first import does not bear threads
sys.setswitchinterval(1e-5)
failures = []
def attempt(code):
    try:
        exec(code, {{}})
    except BaseException as error:
        failures.append(f"{{code}}: {{error!r}}")
codes = [
    "from transformers import AutoConfig; AutoConfig.from_pretrained({MODEL}).labels",
    "from transformers import pipeline; pipeline('hybrid-ner')",
    "from hybridner import HybridNerModel; HybridNerModel.from_pretrained({MODEL})",
    "from transformers import AutoModel; AutoModel.from_pretrained({MODEL})",
    "from hybridner import HybridNerPipeline, SpannerModel",
    "from transformers import AutoConfig; AutoConfig.for_model('spanner')",
]
threads = [threading.Thread(target=attempt, args=(code,)) for code in codes]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failures, failures
"""


#: Runs each program in a process that has imported what others have written, and nothing of transformers and hybridner.
DRIVER = """
import json, os, sys, traceback
import pandas, pyarrow, scipy.stats, sklearn, sympy, torch, trio
assert not {"transformers", "hybridner"} & sys.modules.keys()
for name, program in json.load(sys.stdin).items():
    child = os.fork()
    if not child:
        try:
            exec(program, {})
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(f"failed: {name}", file=sys.stderr)
"""


def run(code: str, written: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-c", code], input=written, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_transformers_knows_our_classes() -> None:
    """Whatever is imported first; and threads that import at the same time. One program that fails shows that failures show."""
    failures = run(DRIVER, json.dumps({**PROGRAMS, "threads": THREADS, "wrong": "import hybridner.nonsense"})).stderr
    assert re.findall("failed: (.*)", failures) == ["wrong"], failures


def test_every_model_type_is_announced() -> None:
    classes = [model.config_class for model in MEMBER_CLASSES.values()]
    classes += [hybridner.HybridNerConfig, hybridner.AdaptedHybridNerConfig, OnnxHybridNerConfig]
    assert {config.model_type: config.__name__ for config in classes} == {
        model_type: name for model_type, (_, name) in CONFIGURATIONS.items()
    }


@pytest.mark.parametrize("module", ["hybridner", *(f"hybridner.{name}" for name in ("spans", "text", "data", "ensemble", "llm"))])
def test_what_works_without_torch_does_not_load_it(module: str) -> None:
    loaded = f"import {module}, sys; print(sorted({{'torch', 'transformers', 'openai', 'scipy.stats'}} & set(sys.modules)))"
    assert run(loaded).stdout.strip() == "[]"


def test_every_export_is_there() -> None:
    for name in hybridner.__all__:
        assert getattr(hybridner, name) is not None
    assert set(hybridner.__all__) <= set(dir(hybridner))
    with pytest.raises(AttributeError, match="no attribute 'HybridNer'"):
        hybridner.HybridNer  # noqa: B018
