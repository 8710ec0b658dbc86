"""Compares what an SDK read with what the org has, and what the org saw with what it should have."""

import json
import sys
import urllib.request
from collections import Counter
from pathlib import Path

work, control, sdk, mode = Path(sys.argv[1]), *sys.argv[2:5]
SCHEMES = {"ssws": {"ssws", "ssws_without_space"}, "oauth": {"bearer"}, "dpop": {"dpop"}}


def expect(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"not so: {what}")


def get(path: str) -> dict:
    with urllib.request.urlopen(control + path, timeout=10) as answer:
        return json.load(answer)


lines = (work / "events.ndjson").read_text().splitlines()
has = [json.loads(line)["uuid"] for line in lines]
read = json.loads((work / "read.json").read_text())
expect(read == has, f"all {len(has)} events were read once and in order; {len(read)} were read")

mark = work / "seen"
seen = int(mark.read_text()) if mark.exists() else 0
record = get(f"/orgs/acme/requests?from={seen}")
mark.write_text(str(record["next"]))
logs = [r for r in record["requests"] if r["target"].startswith("/api/v1/logs")]
tokens = [r for r in record["requests"] if r["target"] == "/oauth2/v1/token"]
statuses = Counter(r["status"] for r in logs)
expect(statuses[429] > 0, f"a 429 was met on the way: {statuses}")
expect(set(statuses) == {200, 429}, f"nothing else went wrong: {statuses}")
expect({r["authorization"] for r in logs} <= SCHEMES[mode], "the scheme is that of the mode")
expect(len({r["principal"] for r in logs}) == 1, "all requests were one principal's")
expect(logs[-1]["events"] == 0 and logs[-1]["status"] == 200, "the last page was empty")
expect(sum(r["events"] == 0 and r["status"] == 200 for r in logs) == 1, "the head was asked once")
answers = [r["status"] for r in tokens]
if mode == "ssws":
    expect(not answers, "an API token needs no other")
elif mode == "oauth":
    expect(answers == [200], f"one access token was enough: {answers}")
else:
    expect(answers == [400, 200], f"the nonce was asked for and given: {answers}")
    expect(all(r["proof"] for r in logs), "each request had a proof")
print(f"{sdk}, {mode}: {len(read)} events in {statuses[200]} pages, {statuses[429]} of 429, head reached")
