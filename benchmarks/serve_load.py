"""The service under load: batching against one at a time, latency by number of clients, memory, a stop and a kill.

usage: python -m benchmarks.serve_load MODEL [--seconds 10] [--rounds 5] [--requests 20000] [--beside "what else ran"]

Server and clients share the machine. Every client has one connection, sends the next text when the last is answered, and
compares each answer with what a lone client got.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.side_by_side import RESULTS, machine
from hybridner.data.sncm.corpus import read_corpus_splits

HOST = "127.0.0.1"
CLIENTS = (1, 8, 32, 128)
SIDE_BY_SIDE_CLIENTS = 32
PARTS = ("side_by_side", "latency", "endurance", "stops")
#: Scores may differ by rounding between a text alone and in a batch.
TOLERANCE = 1e-5
_SERVE = """
import sys
from hybridner.serving.limits import Limits
from hybridner.serving.server import serve
source, port, threads, batch, workers = sys.argv[1:]
serve(source, port=int(port), threads=int(threads), limits=Limits(batch=int(batch), workers=int(workers)), log_level="error")
"""


@dataclass
class Server:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def cpu_seconds(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def megabytes(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss / 1e6)

    def metric(self, name: str) -> float:
        """One figure of /metrics."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))


def start(model: str, port: int, threads: int, batch: int, workers: int) -> Server:
    arguments = [model, *map(str, (port, threads, batch, workers))]
    server = Server(subprocess.Popen([sys.executable, "-c", _SERVE, *arguments]), port)
    while True:
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/ready").close()
            return server
        except OSError:
            if server.process.poll() is not None:
                sys.exit("the service did not start")
            time.sleep(0.1)


@contextmanager
def running(model: str, port: int, threads: int, batch: int = 32, workers: int = 2) -> Iterator[Server]:
    server = start(model, port, threads, batch, workers)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@dataclass
class Seen:
    """What clients saw."""

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    errors: list[str] = field(default_factory=list)
    resent: int = 0


class Client:
    """One keep-alive connection; as little work as can be, since it takes the server's cores."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            OSError, EOFError: the connection was lost.
        """
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(HOST, self._port)
            reader, writer = self._streams
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if b"connection: close" in head.lower():
                self.close()
            return int(head.split(b" ", 2)[1]), body
        except (OSError, EOFError):
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def as_request(text: str) -> bytes:
    body = json.dumps({"inputs": text}, ensure_ascii=False).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def is_same(body: bytes, expected: bytes) -> bool:
    """Whether two answers say the same, scores up to rounding."""
    if body == expected:
        return True
    mine, theirs = json.loads(body), json.loads(expected)
    # Scores, uncertainties and whatever other numbers a calibrated model gives.
    rest = [[{k: v for k, v in entity.items() if not isinstance(v, float)} for entity in row] for row in (mine, theirs)]
    return rest[0] == rest[1] and all(
        abs(value - b[name]) <= TOLERANCE
        for a, b in zip(mine, theirs, strict=True)
        for name, value in a.items()
        if isinstance(value, float)
    )


class Load:
    """Texts, and the answers that a lone client got."""

    def __init__(self, server: Server, texts: Sequence[str]) -> None:
        self.requests = [as_request(text) for text in texts]
        self.expected = asyncio.run(self._alone(server.port))

    async def _alone(self, port: int) -> list[bytes]:
        client = Client(port)
        answers = [await client.ask(request) for request in self.requests]
        client.close()
        assert all(status == 200 for status, _ in answers)
        return [body for _, body in answers]

    def run(
        self, server: Server, clients: int, *, seconds: float = float("inf"), requests: int | None = None, resend: bool = False
    ) -> Seen:
        """So many clients for so many seconds, or until so many requests are answered.

        Args:
            resend: whether a client whose connection is lost sends its request again, as one would whose server was killed.
        """
        return asyncio.run(self.drive(server.port, clients, seconds, requests, resend))

    async def drive(self, port: int, clients: int, seconds: float, requests: int | None, resend: bool) -> Seen:
        seen, end = Seen(), time.perf_counter() + seconds
        tickets = iter(range(requests if requests is not None else 10**9))

        async def one(number: int) -> None:
            client = Client(port)
            for ticket in tickets:
                if time.perf_counter() >= end:
                    break
                at = (ticket * 7 + number) % len(self.requests)
                began = time.perf_counter()
                while True:
                    try:
                        status, body = await client.ask(self.requests[at])
                        break
                    except (OSError, EOFError) as error:
                        if not resend:
                            seen.errors.append(type(error).__name__)
                            return
                        seen.resent += 1
                        await asyncio.sleep(0.1)
                seen.seconds.append(time.perf_counter() - began)
                if status != 200:
                    seen.errors.append(f"status {status}")
                elif not is_same(body, self.expected[at]):
                    seen.wrong += 1
            client.close()

        await asyncio.gather(*(one(number) for number in range(clients)))
        return seen


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50": 1e3 * cuts[49], "p95": 1e3 * cuts[94], "p99": 1e3 * cuts[98], "largest": 1e3 * max(seconds)}


def side_by_side(model: str, texts: Sequence[str], seconds: float, rounds: int, threads: int) -> dict[str, Any]:
    """Batches against one text after the other: two services, loaded in turns."""
    rates: dict[str, list[tuple[float, float]]] = {"one": [], "batched": []}
    with running(model, 8141, threads, batch=1, workers=1) as one, running(model, 8142, threads) as batched:
        load = Load(one, texts)
        for number in range(rounds + 1):
            for name, server in (("one", one), ("batched", batched)):
                busy, began = server.cpu_seconds, time.perf_counter()
                seen = load.run(server, SIDE_BY_SIDE_CLIENTS, seconds=seconds)
                answers, wall = len(seen.seconds), time.perf_counter() - began
                assert not seen.errors
                assert not seen.wrong
                if number:  # the first round warms up
                    rates[name].append((answers / wall, (server.cpu_seconds - busy) / answers))
        size = batched.metric("hybridner_batch_texts_sum") / batched.metric("hybridner_batch_texts_count")
    pairs = list(zip(rates["one"], rates["batched"], strict=True))
    ratios = sorted(b[0] / a[0] for a, b in pairs)
    return {
        "clients": SIDE_BY_SIDE_CLIENTS,
        "rounds": rounds,
        "seconds_each": seconds,
        "answers_per_second": {name: statistics.median(rate for rate, _ in found) for name, found in rates.items()},
        "server_cpu_ms_per_answer": {name: 1e3 * statistics.median(cpu for _, cpu in found) for name, found in rates.items()},
        "texts_per_batch": size,
        "throughput_ratio": {"median": statistics.median(ratios), "lowest": ratios[0], "highest": ratios[-1]},
        "cpu_ratio": statistics.median(a[1] / b[1] for a, b in pairs),
    }


def latency(model: str, texts: Sequence[str], seconds: float, threads: int) -> dict[str, Any]:
    figures = {}
    with running(model, 8143, threads) as server:
        load = Load(server, texts)
        for clients in CLIENTS:
            seen = load.run(server, clients, seconds=seconds)
            figures[str(clients)] = {
                "answers": len(seen.seconds),
                "answers_per_second": len(seen.seconds) / seconds,
                "milliseconds": quantiles(seen.seconds),
                "errors": seen.errors,
                "wrong": seen.wrong,
            }
    return figures


def endurance(model: str, texts: Sequence[str], requests: int, threads: int) -> dict[str, Any]:
    """Memory over many requests; the server's own count of them tells whether one was lost."""
    parts = 20
    with running(model, 8144, threads) as server:
        load, memory, total = Load(server, texts), [], Seen()
        memory.append(server.megabytes)
        for _ in range(parts):
            seen = load.run(server, SIDE_BY_SIDE_CLIENTS, requests=requests // parts)
            total.seconds += seen.seconds
            total.errors += seen.errors
            total.wrong += seen.wrong
            memory.append(server.megabytes)
        counted = server.metric('hybridner_requests_total{route="/predict",status="200"}') - len(load.requests)
    return {
        "requests": requests // parts * parts,
        "answers": len(total.seconds),
        "counted_by_the_server": int(counted),
        "errors": total.errors,
        "wrong": total.wrong,
        "megabytes": {"start": memory[0], "after_a_tenth": memory[2], "end": memory[-1], "all": memory},
    }


def stops(model: str, texts: Sequence[str], threads: int, clients: int = 32, requests: int = 600) -> dict[str, Any]:
    """SIGTERM in the middle of a load, then SIGKILL and a new start."""
    with running(model, 8145, threads) as server:
        load = Load(server, texts)

        async def stopped() -> Seen:
            driving = asyncio.create_task(load.drive(server.port, clients, 60.0, None, False))
            await asyncio.sleep(2.0)
            server.process.send_signal(signal.SIGTERM)
            return await driving

        answered = asyncio.run(stopped())
        code = server.process.wait()

    server = start(model, 8145, threads, 32, 2)

    async def killed() -> tuple[Seen, Server]:
        driving = asyncio.create_task(load.drive(8145, clients, float("inf"), requests, True))
        await asyncio.sleep(1.0)
        server.process.kill()
        server.process.wait()
        again = await asyncio.to_thread(start, model, 8145, threads, 32, 2)
        return await driving, again

    seen, again = asyncio.run(killed())
    again.process.kill()
    again.process.wait()
    return {
        "clients": clients,
        "sigterm": {
            "exit_code": code,
            "answers": len(answered.seconds),
            "wrong": answered.wrong,
            "answers_with_an_error": [error for error in answered.errors if error.startswith("status")],
            "refused": answered.errors.count(ConnectionRefusedError.__name__),
            # Sent, and the connection was lost before the answer.
            "cut_off": sum(
                not error.startswith("status") and error != ConnectionRefusedError.__name__ for error in answered.errors
            ),
        },
        "sigkill": {
            "requests": requests,
            "answers": len(seen.seconds),
            "resent": seen.resent,
            "wrong": seen.wrong,
            "errors": seen.errors,
        },
    }


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    pair, waits, long, stop = (figures[name] for name in PARTS)
    rate, cpu, ratio = pair["answers_per_second"], pair["server_cpu_ms_per_answer"], pair["throughput_ratio"]
    megabytes, term, kill = long["megabytes"], stop["sigterm"], stop["sigkill"]
    rows = "\n".join(
        f"| {clients} | {one['answers_per_second']:.0f} | "
        + " | ".join(f"{one['milliseconds'][name]:.0f}" for name in ("p50", "p95", "p99", "largest"))
        + f" | {len(one['errors'])} | {one['wrong']} |"
        for clients, one in waits.items()
        if clients.isdecimal()
    )
    others = "; ".join(f"{name} {figures[name]['beside']} (load {figures[name]['load_average_before']:.1f})" for name in PARTS)
    machine_ = pair["machine"]
    return f"""# The service under load

`python -m benchmarks.serve_load MODEL`: {pair["model"]}, test sentences of SNCM-open, one to a request;
{machine_["cores"]} cores, {machine_["threads"]} threads, loopback, server and clients on the same machine, so compare what stands
in one table, not with other machines. Beside it ran, and load average before: {others}.

## Batches against one text after the other

{pair["clients"]} clients, the two services loaded in turns, {pair["rounds"]} rounds of {pair["seconds_each"]:g} s, medians.
"One" is the same service with batches of one and one worker.

| | one | batched |
|---|---:|---:|
| answers a second | {rate["one"]:.1f} | {rate["batched"]:.1f} |
| CPU milliseconds of the server for an answer | {cpu["one"]:.1f} | {cpu["batched"]:.1f} |

Throughput × {ratio["median"]:.2f} (lowest round {ratio["lowest"]:.2f}, highest {ratio["highest"]:.2f}),
CPU time ÷ {pair["cpu_ratio"]:.2f}; {pair["texts_per_batch"]:.1f} texts in a batch on average.

## Latency

| clients | answers a second | p50 ms | p95 ms | p99 ms | largest | errors | wrong |
|---:|---:|---:|---:|---:|---:|---:|---:|
{rows}

"Wrong" is any answer that differs from what a lone client got: other entities, votes or offsets, or a score by more than
{TOLERANCE:g}.

## {long["requests"]:,} requests

{long["answers"]:,} answers, {long["counted_by_the_server"]:,} counted by the server, {len(long["errors"])} errors,
{long["wrong"]} wrong. Memory of the server: {megabytes["start"]:.0f} MB at the start, {megabytes["after_a_tenth"]:.0f} MB after a
tenth, {megabytes["end"]:.0f} MB at the end.

## Stop and kill

- SIGTERM under {stop["clients"]} clients: exit status {term["exit_code"]}; {term["answers"]} answers, {term["wrong"]} wrong,
  {term["cut_off"]} requests that were sent and not answered; {term["refused"]} clients were turned away when they came back
  after their answer.
- SIGKILL under {stop["clients"]} clients, and a new start: of {kill["requests"]} requests {kill["answers"]} were answered,
  {kill["wrong"]} wrong; {kill["resent"]} times a client whose connection was lost sent its request again.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub id")
    parser.add_argument("--name", help="what the model is called in the results")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--beside", default="nothing", help="what else ran on the machine meanwhile")
    parser.add_argument("--only", choices=PARTS, action="append")
    options = parser.parse_args()
    texts = [sentence.record.text for sentence in read_corpus_splits()["test"]]
    file = RESULTS / "serve_load.json"
    figures: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    parts = {
        "side_by_side": lambda: side_by_side(options.model, texts, options.seconds, options.rounds, options.threads),
        "latency": lambda: latency(options.model, texts, options.seconds, options.threads),
        "endurance": lambda: endurance(options.model, texts, options.requests, options.threads),
        "stops": lambda: stops(options.model, texts, options.threads),
    }
    for name, part in parts.items():
        if not options.only or name in options.only:
            before = os.getloadavg()[0]
            figures[name] = {
                "model": options.name or Path(options.model).name,
                "machine": {**machine(), "cores": os.cpu_count(), "threads": options.threads},
                "beside": options.beside,
                "load_average_before": before,
                **part(),
            }
            print(name, json.dumps(figures[name], indent=1))
            file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if figures.keys() >= set(PARTS):
        (RESULTS / "serve_load.md").write_text(table(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
