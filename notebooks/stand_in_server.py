"""An OpenAI-compatible server that stands in for an LLM in llm_routing.ipynb: it knows SNCM-open's labels and errs on purpose.

python notebooks/stand_in_server.py [PORT]     then OPENAI_BASE_URL=http://127.0.0.1:PORT/v1 for the notebook

It answers the label questions of the Chinese template about test sentences: the right label six times in ten, else any other; now
and then something that is no label at all. The same question always gets the same answer.
"""

from __future__ import annotations

import json
import random
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hybridner.data import label_set
from hybridner.data.sncm import corpus_splits
from hybridner.spans import NON_ENTITY

ACCURACY, UNREADABLE = 0.6, 0.04
_QUESTION = re.compile(r"句子：“(?P<sentence>.*)”\n目标片段：“(?P<span>.*)”\n类别：", re.DOTALL)
_BRACKETS = ("[]", "【】", "⟦⟧")
_LABELS = label_set("sncm").with_outside
_RECORDS = [sentence.record for sentence in corpus_splits()["test"]]


def answer(messages: list[dict[str, str]]) -> str:
    """What the stand-in says to a chat."""
    asked = next(match for message in reversed(messages) if (match := _QUESTION.search(message["content"])))
    true = _truth(asked["sentence"], asked["span"])
    dice = random.Random(asked[0])
    if dice.random() < UNREADABLE and len(messages) == 2:
        return "难以判断，可能是某种装备"
    label = true if dice.random() < ACCURACY else dice.choice([label for label in _LABELS if label != true])
    return "非实体" if label == NON_ENTITY else label


def _truth(sentence: str, span: str) -> str:
    """The label of the bracketed span in the corpus; O where it is no entity."""
    for opening, closing in _BRACKETS:
        before, found, after = sentence.partition(f"{opening}{span}{closing}")
        if not found:
            continue
        for record in _RECORDS:
            at = record.text.find(before + span + after)
            if at >= 0:
                start = at + len(before)
                spans = {(entity.start, entity.end): entity.label for entity in record.entities}
                return spans.get((start, start + len(span)), NON_ENTITY)
    raise ValueError(f"not about a test sentence of SNCM-open: {sentence}")


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": answer(request["messages"])}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": "1", "object": "chat.completion", "created": 0, "model": "stand-in", "choices": [choice]}
        content = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8902
    print(f"OPENAI_BASE_URL=http://127.0.0.1:{port}/v1")
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
