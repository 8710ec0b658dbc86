"""Has the org refuse the next request to its log with a 429, as if the window were used up."""

import json
import sys
import urllib.request

fault = json.dumps({"fault": "rate_limit", "times": 1}).encode()
request = urllib.request.Request(f"{sys.argv[1]}/orgs/acme/faults", data=fault)
with urllib.request.urlopen(request, timeout=10) as answer:
    answer.read()
