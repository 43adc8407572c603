"""Known vulnerabilities of what requirements.lock pins: `make audit`.

Asks the OSV database through pip-audit, which installs nothing.  Ends with 1 if a pin has a vulnerability that
`.ci/audit-ignored.toml` does not name.  A database that cannot be reached, or does not know an old
release that is known to be vulnerable, is told as "not run" and ends with 0: no network is no news.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OSV = "https://api.osv.dev/v1/query"
KNOWN = ("pip", "9.0.0")
"""Vulnerable for as long as the database remembers: whoever does not know it knows nothing."""
PATIENCE_S = 15


def main() -> int:
    """The exit code."""
    words = argparse.ArgumentParser(description="Known vulnerabilities of what requirements.lock pins.")
    words.add_argument("--lock", type=Path, default=HERE.parent / "requirements.lock")
    words.add_argument("--ignored", type=Path, default=HERE / "audit-ignored.toml")
    words.add_argument("--osv-url", default=OSV, help="The database to ask.")
    asked = words.parse_args()
    reasons = ignored(asked.ignored)
    if why := unreachable(asked.osv_url):
        print(f"audit: not run: {why}")
        return 0
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(asked.lock), "--disable-pip", "--no-deps"),
            *("--vulnerability-service", "osv", "--osv-url", asked.osv_url, "--timeout", str(PATIENCE_S)),
            *("--format", "json", "--desc", "off", "--progress-spinner", "off"),
        ],
        capture_output=True,
        text=True,
    )
    try:
        pins = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        if why := unreachable(asked.osv_url):
            print(f"audit: not run: {why}")
            return 0
        print(f"audit: pip-audit did not finish:\n{done.stderr.strip()}", file=sys.stderr)
        return 1
    return report(pins, reasons)


def ignored(file: Path) -> dict[str, str]:
    """By id of a vulnerability, why it does not concern us."""
    reasons = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    if bad := [name for name, why in reasons.items() if not isinstance(why, str) or not why.strip()]:
        raise SystemExit(f"audit: {file}: give the reason as text: {', '.join(bad)}")
    return reasons


def unreachable(url: str) -> str | None:
    """Why the database cannot be asked; None if it knows what it must know."""
    name, version = KNOWN
    query = json.dumps({"package": {"name": name, "ecosystem": "PyPI"}, "version": version}).encode()
    try:
        request = urllib.request.Request(url, query, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            known = json.load(answer).get("vulns")
    except urllib.error.HTTPError as exc:
        exc.close()
        return f"{url} answers HTTP {exc.code}"
    except (OSError, ValueError, AttributeError) as exc:
        return f"{url} cannot be reached or read ({getattr(exc, 'reason', None) or exc})"
    return None if known else f"{url} does not know that {name} {version} is vulnerable"


def report(pins: list[dict[str, Any]], reasons: dict[str, str]) -> int:
    """Say what was found; the exit code."""
    found = [(pin, hole) for pin in pins for hole in pin.get("vulns", [])]
    skipped = [f"{pin['name']} ({pin['skip_reason']})" for pin in pins if "skip_reason" in pin]
    open_holes, met = 0, set()
    for pin, hole in found:
        names = {hole["id"], *hole.get("aliases", [])} & reasons.keys()
        met |= names
        cure = f"; fixed in {', '.join(hole['fix_versions'])}" if hole.get("fix_versions") else "; no fix yet"
        verdict = f"ignored: {reasons[min(names)]}" if names else f"VULNERABLE{cure}"
        open_holes += not names
        print(f"audit: {pin['name']} {pin['version']}: {hole['id']} {verdict}")
    for name in sorted(reasons.keys() - met):
        print(f"audit: {name} is ignored but no pin has it: take it out of the list")
    for each in skipped:
        print(f"audit: not looked at: {each}")
    print(f"audit: {len(pins) - len(skipped)} pins looked at, {open_holes} with a vulnerability that is not ignored")
    if open_holes:
        print("audit: make lock UPGRADE=1 takes newer versions; .ci/audit-ignored.toml takes a reason", file=sys.stderr)
    return 1 if open_holes else 0


if __name__ == "__main__":
    sys.exit(main())
