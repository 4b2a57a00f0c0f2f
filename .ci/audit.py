"""Asks for known vulnerabilities of what is locked, and says so when nobody answered.

    python .ci/audit.py requirements.lock

Ends with 1 when a locked version has a known vulnerability, and when the tool itself fails. Where the advisories cannot
be had (no network, a mirror that has packages but no advisories) it warns and ends with 0, or with 1 where
AUDIT_REQUIRED=1 says that it must not be so. Whether they can be had is asked with a version that is known to be
vulnerable: a service that knows nothing of it knows nothing of ours either, and pip-audit alone would call that fine.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

# Since 2019: sandbox escape, CVE-2019-10906.
KNOWN_BAD = "jinja2==2.10"
_LIMIT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the service said.

    Attributes:
        findings: package, version and the advisories' ids, one line each.
        audited: how many packages it knew.
        skipped: how many it did not.
        fault: why there is no answer at all; empty: there is one.
    """

    findings: tuple[str, ...] = ()
    audited: int = 0
    skipped: int = 0
    fault: str = ""


def read(report: str, error: str) -> Answer:
    """Reads the JSON of pip-audit; without one, the last line of what it complained of is the fault."""
    try:
        dependencies = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = error.strip().splitlines()
        return Answer(fault=lines[-1][:300] if lines else "pip-audit said nothing")
    known = [each for each in dependencies if "skip_reason" not in each]
    return Answer(
        findings=tuple(
            f"{each['name']} {each['version']}: {', '.join(found['id'] for found in each['vulns'])}"
            for each in known
            if each["vulns"]
        ),
        audited=len(known),
        skipped=len(dependencies) - len(known),
    )


def judge(known_bad: Answer, locked: Answer, *, required: bool) -> tuple[int, str]:
    """The exit code, and what to say."""
    if locked.findings:
        return 1, "\n".join(("known vulnerabilities:", *(f"  {line}" for line in locked.findings)))
    if known_bad.findings and not locked.fault and not locked.skipped:
        return 0, f"{locked.audited} packages, no known vulnerability"
    if not known_bad.findings:
        why = known_bad.fault or f"the service does not know that {KNOWN_BAD} is vulnerable"
    else:
        why = locked.fault or f"the service does not know {locked.skipped} of the packages"
    return int(required), f"WARNING: NOT AUDITED for known vulnerabilities: {why}"


def ask(requirements: Path, *options: str) -> Answer:
    """Runs pip-audit on a file of pinned requirements; nothing is installed for it."""
    asked = [sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--disable-pip", *options]
    asked += ["--format", "json", "--progress-spinner", "off"]
    try:
        ended = subprocess.run(asked, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return Answer(fault=f"no answer within {_LIMIT_S} s")
    return read(ended.stdout, ended.stderr)


def main() -> int:
    """Audits the file that is named."""
    with tempfile.TemporaryDirectory() as folder:
        bad = Path(folder) / "requirements.txt"
        bad.write_text(f"{KNOWN_BAD}\n", encoding="utf-8")
        known_bad = ask(bad, "--no-deps")
    code, said = judge(
        known_bad,
        ask(Path(sys.argv[1]), "--require-hashes"),
        required=os.environ.get("AUDIT_REQUIRED") == "1",
    )
    print(said, file=sys.stderr if code or said.startswith("WARNING") else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
