"""Programs that may hang or die: each ends within a limit, and what went wrong is one sentence."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from executable import Failed


class OutOfTime(Exception):
    """The step has no time left for this."""


class Finished:
    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds


def last_lines(text, count=6):
    return "\n".join(text.strip().splitlines()[-count:])


def how_it_ended(code):
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


def start(command, out, err, environment=None):
    """In the process group of the step, which check.py ends as a whole."""
    words = [str(word) for word in command]
    try:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **(environment or {})})
    except OSError as error:
        raise Failed(f"{words[0]}: could not be started: {error.strerror}") from error


def run(command, limit, environment=None):
    """Whatever the exit code. Output goes to files: a child that holds a pipe open cannot keep us waiting."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.monotonic()
        process = start(command, out, err, environment)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        seconds = time.monotonic() - begin
    if code is None:
        raise Failed(f"{short(command)}\nno end after {limit:.0f} s\n{last_lines(texts[0] + texts[1])}")
    return Finished(code, *texts, seconds)


def short(command):
    """The command line, without the folders of the kit."""
    return " ".join(pathlib.Path(str(word)).name if str(word).startswith("/") else str(word) for word in command)


def call(command, limit, environment=None):
    """What the program printed; any exit code but 0 is an error."""
    done = run(command, limit, environment)
    if done.code != 0:
        raise Failed(f"{short(command)}\n{how_it_ended(done.code)}\n{last_lines(done.out + done.err)}")
    return done.out
