"""What a step finds: a line of JSON each, written at once, so that a step that dies keeps what it had."""
import json
import threading
import time
import traceback

from executable import Failed
from programs import OutOfTime

PASS, FAIL, SKIP, LATE, INFO = "PASS", "FAIL", "SKIP", "NOT RUN", "INFO"


class Skip(Exception):
    """The case makes no sense here; the text says why."""


class Rows:
    def __init__(self, path):
        self.file, self.lock = open(path, "a", buffering=1), threading.Lock()

    def add(self, verdict, name, detail="", /, **values):
        with self.lock:
            self.file.write(json.dumps({"verdict": verdict, "name": name, "detail": detail, "values": values}) + "\n")

    def info(self, name, detail="", /, **values):
        self.add(INFO, name, detail, **values)

    def check(self, name, claims, /, **values):
        """`claims`: (what, found, bound) with found <= bound where all is well."""
        broken = [f"{what} {found:.3g} > {bound:g}" for what, found, bound in claims if not found <= bound]
        worst = max(claims, key=lambda claim: claim[1] / claim[2], default=None)
        detail = "; ".join(broken) if broken else (f"{worst[0]} {worst[1]:.2g} <= {worst[2]:g}" if worst else "")
        self.add(FAIL if broken else PASS, name, detail, **values)

    def case(self, name, function, *arguments):
        """`function` returns claims, or None where it adds rows by itself."""
        begin = time.monotonic()
        try:
            claims = function(*arguments)
            if claims is not None:
                self.check(name, claims, seconds=round(time.monotonic() - begin, 2))
        except Skip as why:
            self.add(SKIP, name, str(why))
        except OutOfTime as why:
            self.add(LATE, name, str(why))
        except Failed as error:
            self.add(FAIL, name, str(error).strip())
        except Exception:
            self.add(FAIL, name, traceback.format_exc().strip())


def read(path):
    """A last line that was cut off does not count."""
    rows = []
    try:
        for line in open(path):
            try:
                rows.append(json.loads(line))
            except ValueError:
                pass
    except FileNotFoundError:
        pass
    return rows
