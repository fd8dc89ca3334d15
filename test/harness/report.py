"""One line a case: PASS, FAIL or UNSUPPORTED, its name, why. test/run_all.py counts these lines."""
import os
import sys
import time
import traceback

import compiled


class Unsupported(Exception):
    """The case cannot run here; the text says why."""


class Report:
    def __init__(self, suite):
        self.suite = suite
        self.failed = 0

    @staticmethod
    def share(items):
        """Every n-th of `items` where run_all.py runs the script as n programs, each with a part of its own; else all."""
        part, parts = (int(number) for number in os.environ.get("NETC_TEST_PART", "0/1").split("/"))
        return [item for index, item in enumerate(items) if index % parts == part]

    def line(self, verdict, name, detail=""):
        self.failed += verdict == "FAIL"
        print(f"{verdict} {self.suite}/{name}" + (f": {detail}" if detail else ""), flush=True)

    def check(self, name, claims):
        """`claims`: (what, found, bound) with found <= bound where all is well."""
        broken = [f"{what} {found:.3g} > {bound:g}" for what, found, bound in claims if not found <= bound]
        worst = max(claims, key=lambda claim: claim[1] / claim[2], default=None)
        detail = "; ".join(broken) if broken else (f"{worst[0]} {worst[1]:.2g} <= {worst[2]:g}" if worst else "")
        self.line("FAIL" if broken else "PASS", name, detail)

    def case(self, name, function, *arguments):
        """Runs `function`, which returns claims or reports by itself and returns None."""
        start = time.time()
        try:
            claims = function(*arguments)
            if claims is not None:
                self.check(name, claims)
        except Unsupported as why:
            self.line("UNSUPPORTED", name, str(why))
        except compiled.Failed as error:
            self.line("FAIL", name, str(error).strip().replace("\n", "\n    "))
        except Exception:
            self.line("FAIL", name, traceback.format_exc().strip().replace("\n", "\n    "))
        print(f"    {self.suite}/{name} took {time.time() - start:.1f} s", flush=True)

    def close(self):
        sys.exit(1 if self.failed else 0)
