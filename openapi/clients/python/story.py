"""The story of docs/CLIENTS.md with the generated Python client: exit code 0 if all of it came true.

It wants COLLECTOR_URL and COLLECTOR_API_KEY, and of an Okta org OKTA_DOMAIN, OKTA_TOKEN and OKTA_NEW_TOKEN.
"""

import os
import time

from okta_collector_client import AuthenticatedClient
from okta_collector_client.api.credentials import create_credential, delete_credential, update_credential
from okta_collector_client.api.destinations import create_destination, delete_destination
from okta_collector_client.api.routes import list_dead_letters
from okta_collector_client.api.sources import (
    create_source,
    delete_source,
    get_source,
    get_source_status,
    list_ledger_hours,
    poll_source,
)
from okta_collector_client.models import (
    CredentialCreate,
    CredentialPatch,
    DestinationCreate,
    DestinationKind,
    FileSettings,
    Problem,
    SourceCreate,
)

PATIENCE = 60.0  # seconds

client = AuthenticatedClient(base_url=os.environ["COLLECTOR_URL"], token=os.environ["COLLECTOR_API_KEY"])


def ok(answer):
    """The answer, unless it is a problem."""
    if isinstance(answer, Problem):
        raise SystemExit(f"{answer.status} {answer.code}: {answer.detail} (request {answer.request_id})")
    return answer


def until(what, look):
    """Looks until it finds something, and returns that."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.5)
    raise SystemExit(f"waited in vain until {what}")


def everything(list_page, *args):
    """The items of all pages."""
    cursor = None
    while True:
        page = ok(list_page.sync(*args, client=client, limit=1, **({"cursor": cursor} if cursor else {})))
        yield from page.items
        if (cursor := page.next_cursor) is None:
            return


credential = ok(
    create_credential.sync(
        client=client,
        body=CredentialCreate(name="story", domain=os.environ["OKTA_DOMAIN"], token=os.environ["OKTA_TOKEN"]),
    )
)
destination = ok(
    create_destination.sync(
        client=client,
        body=DestinationCreate(name="story", kind=DestinationKind.FILE, file=FileSettings(path="story.ndjson")),
    )
)
source = ok(
    create_source.sync(
        client=client,
        body=SourceCreate(
            display_name="Story",
            timezone="Europe/Berlin",
            refresh_frequency="1h",
            start="earliest",
            credential_id=credential.id,
            destination_ids=[destination.id],
        ),
    )
)


def status():
    return ok(get_source_status.sync(source.id, client=client))


def checked():
    now = status()
    delivered = sum(route.delivered_events for route in now.delivery.routes)
    return now if now.running and delivered > 0 else None


before = until("the source shows its check mark and delivers", checked)
print(f"running: {before.polling.stored_events} events stored, {before.polling.state} and {before.delivery.state}")

rotated = ok(
    update_credential.sync(credential.id, client=client, body=CredentialPatch(token=os.environ["OKTA_NEW_TOKEN"]))
)
ok(poll_source.sync(source.id, client=client))


def went_on():
    now = status()
    polled = now.polling.last_success_at is not None and now.polling.last_success_at > rotated.secret_set_at
    return now if polled and now.running and now.polling.stored_events > before.polling.stored_events else None


after = until("polling goes on with the new token", went_on)
print(f"rotated: {after.polling.stored_events} events stored, credential {rotated.fingerprint}")

hours = list(everything(list_ledger_hours, source.id))
assert sum(hour.stored for hour in hours) >= after.polling.stored_events, hours
assert not any(hour.gap for hour in hours), hours
for route in after.delivery.routes:
    dead = list(everything(list_dead_letters, route.route_id))
    assert dead == [], dead
print(f"ledger: {len(hours)} hours, no gap; no dead letter")

# The org goes on making events: what is not delivered yet is given up with the source.
ok(delete_source.sync(source.id, client=client, discard=True))
ok(delete_destination.sync(destination.id, client=client))
ok(delete_credential.sync(credential.id, client=client))
gone = get_source.sync(source.id, client=client)
assert isinstance(gone, Problem) and gone.code == "not_found", gone
print("deleted")
