"""Reads the log with the Okta SDK for Python until an empty page, and prints the uuids as JSON."""

import asyncio
import json
import sys
from pathlib import Path

from okta.client import Client
from okta.pagination import PaginationHelper

url, mode, work = sys.argv[1], sys.argv[2], Path(sys.argv[3])


def configuration() -> dict:
    config = {"orgUrl": url}
    if mode == "ssws":
        return config | {"token": "00sdk"}
    return config | {
        "authorizationMode": "PrivateKey",
        "clientId": f"0oa{mode}",
        "scopes": ["okta.logs.read"],
        "privateKey": (work / f"{mode}.pem").read_text(),
        "kid": mode,
        "dpopEnabled": mode == "dpop",
    }


async def main() -> None:
    uuids, after = [], None
    client = Client(configuration())
    while True:
        events, response, error = await client.list_log_events(limit=10, after=after)
        if error:
            sys.exit(f"the SDK gave an error: {error}")
        if response is None:
            sys.exit("the SDK gave no response")
        if not events:
            break
        uuids += [event.uuid for event in events]
        after = PaginationHelper.extract_next_cursor(response.headers)
        if after is None:
            sys.exit("the SDK found no next link")
    print(json.dumps(uuids))


asyncio.run(main())
