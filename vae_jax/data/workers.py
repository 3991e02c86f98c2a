"""Decode many images in order, on all cores. `vae_jax.data.build` and `vae_jax.data.user_images` use this.

The work is done in processes, because decoding a small JPEG holds the interpreter's lock for a quarter of its time, and
threads on sixteen cores would wait for that lock. The processes are plain child interpreters: a fork is unsafe once jax
has threads, and `multiprocessing`'s spawn imports the caller's script again, which may have no main guard. Requests are
lines of JSON, and answers are a line of JSON followed by raw pixels, over pipes.
"""

import collections
import contextlib
import dataclasses
import json
import math
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vae_jax.data import images, interrupts, stores, tfds_store

# What opens a store in another process, by the kind in its `spec`.
KINDS = {"directory": stores.Directory, "zip": stores.Zip, "tfds": tfds_store.TfdsStore}

_BYTES_PER_WORKER = 2**22  # below this many encoded bytes another process costs more than it saves
_CHUNK = 64  # images in one request; fewer where they keep their own size, which may be large
_CHUNK_LARGE = 4
_AHEAD = 4  # chunks asked for, for each worker: one being decoded, one waiting there, two decoded and not yet read


class Decoded(NamedTuple):
    """One image, or the reason why there is none."""

    name: str
    pixels: np.ndarray | None  # uint8 [H, W, C], C of 1 or 3
    reason: str
    notes: dict  # what the store knows beside the pixels
    frames: int = 1  # in the file


@contextlib.contextmanager
def decoding(
    store: stores.Store,
    names: list[str],
    recipe: images.Recipe,
    num_bytes: int,
    check: interrupts.Check = interrupts.never,
) -> Iterator[Iterator[Decoded]]:
    """Yield an iterator over the image of every name, in the order of `names`.

    Other processes begin to decode at once and end with the context.

    Args:
        store: where the images are.
        names: which ones.
        recipe: crop and size.
        num_bytes: encoded size of all of them; decides how many processes are worth their start.
        check: called often while the next image is waited for; what it raises ends the iteration.
    """
    step = _CHUNK if recipe.size or recipe.crop in ("center148", "wae140") else _CHUNK_LARGE
    chunks = [names[i : i + step] for i in range(0, len(names), step)]
    count = min(num_cores(), len(chunks), num_bytes // _BYTES_PER_WORKER)
    if count < 2:
        yield (decode_one(store, name, recipe) for name in names)
        return
    workers = [_Worker(store.spec, recipe) for _ in range(count)]
    todo = queue.SimpleQueue()
    pool = futures.ThreadPoolExecutor(count)
    try:
        for worker in workers:
            pool.submit(_keep_busy, worker, todo)
        yield _in_order(todo, chunks, _AHEAD * count, check)
    finally:
        for worker in workers:
            worker.kill()  # a thread still reading from it sees the end of its pipe
            todo.put(None)
        pool.shutdown(wait=True)


def _in_order(
    todo: queue.SimpleQueue, chunks: list[list[str]], ahead: int, check: interrupts.Check
) -> Iterator[Decoded]:
    """Yield the images of all chunks; each chunk is asked for at most `ahead` chunks before it is read."""
    pending = collections.deque()
    for chunk in chunks:
        answer = futures.Future()
        todo.put((chunk, answer))
        pending.append(answer)
        if len(pending) >= ahead:
            yield from _wait(pending.popleft(), check)
    while pending:
        yield from _wait(pending.popleft(), check)


def _wait(answer: futures.Future, check: interrupts.Check) -> list[Decoded]:
    while not futures.wait([answer], timeout=0.2).done:
        check()
    return answer.result()


def _keep_busy(worker: "_Worker", todo: queue.SimpleQueue) -> None:
    """Answer the chunks of `todo` until there is a None.

    The worker is sent the next request before its answer to the last one is read. Without that it would be idle from
    its last image until this interpreter has come to reading the pixels.
    """
    sent = collections.deque()
    try:
        while True:
            while len(sent) < 2:
                try:
                    item = todo.get(block=not sent)
                except queue.Empty:
                    break
                if item is None:
                    return
                worker.ask(item[0])
                sent.append(item)
            chunk, answer = sent[0]
            answer.set_result(worker.answer(chunk))
            sent.popleft()
    except Exception as error:
        for _, answer in sent:
            answer.set_exception(error)


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decode_one(store: stores.Store, name: str, recipe: images.Recipe) -> Decoded:
    """Read, decode and fit one image."""
    try:
        file, frame = images.frame_of(name, recipe)
        data, notes = store.read(file)
        picture, frames = images.decode_and_count(data, recipe.value_range, frame)
        return Decoded(name, images.fit(picture, recipe), "", notes, frames)
    except images.Unusable as reason:
        return Decoded(name, None, str(reason), {})


class _Worker:
    """A child interpreter running `_serve`."""

    def __init__(self, spec: dict, recipe: images.Recipe):
        path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=2**20,  # a chunk of pixels fits, so that a worker need not wait for its reader
            # A group of its own: Ctrl-C at a terminal goes to this process alone, which then ends the workers.
            process_group=0 if os.name == "posix" else None,
            # One thread of BLAS: none is used, and starting one per core takes longer than all other imports.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self._process.stdin and self._process.stdout  # both are pipes
        self._in, self._out = self._process.stdin, self._process.stdout
        self.ask({"store": spec, "recipe": dataclasses.asdict(recipe)})

    def ask(self, message: dict | list[str]) -> None:
        """Send names to decode, or first of all the store and the recipe; answers come in the same order."""
        try:
            self._in.write(json.dumps(message).encode() + b"\n")
            self._in.flush()
        except BrokenPipeError:
            pass  # `answer` will find the other pipe at its end

    def answer(self, names: list[str]) -> list[Decoded]:
        """Wait for the images of `names`, which must be the oldest request without an answer."""
        out = self._out
        line = out.readline()
        if not line:
            raise RuntimeError(f"a decoding process ended early (exit code {self._process.wait()})")
        header = json.loads(line)
        pixels = np.frombuffer(out.read(sum(math.prod(shape) for shape, *_ in header if shape)), np.uint8)
        decoded, start = [], 0
        for name, (shape, *rest) in zip(names, header, strict=True):
            stop = start + math.prod(shape or (0,))
            decoded.append(Decoded(name, pixels[start:stop].reshape(shape) if shape else None, *rest))
            start = stop
        return decoded

    def kill(self) -> None:
        """End the process and wait until it is gone."""
        self._process.kill()
        self._process.wait()


def _serve() -> None:
    """Answer requests from stdin until stdin closes or nobody reads the answers."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent handles them, and ends this process
        signal.signal(number, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not break the protocol
    try:
        _answer_all(out)
    except BrokenPipeError:  # the parent was killed
        os._exit(1)  # without flushing `out`, which would raise again


def _answer_all(out) -> None:
    """Answer each line of JSON on stdin by one on `out`, followed by the pixels of the usable images."""
    setup = json.loads(sys.stdin.buffer.readline() or b"null")
    if setup is None:
        return
    store = KINDS[setup["store"]["kind"]](setup["store"]["path"])
    recipe = setup["recipe"]
    recipe = images.Recipe(**{**recipe, "size": tuple(recipe["size"]), "value_range": tuple(recipe["value_range"])})
    for line in sys.stdin.buffer:
        decoded = [decode_one(store, name, recipe) for name in json.loads(line)]
        header = [[d.pixels.shape if d.pixels is not None else None, d.reason, d.notes, d.frames] for d in decoded]
        out.write(json.dumps(header).encode() + b"\n")
        for item in decoded:
            if item.pixels is not None:
                out.write(item.pixels.tobytes())
        out.flush()


if __name__ == "__main__":
    _serve()
