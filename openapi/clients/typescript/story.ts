// The story of docs/CLIENTS.md with the generated TypeScript types and openapi-fetch: exit code 0 if all of it came true.
//
// It wants COLLECTOR_URL and COLLECTOR_API_KEY, and of an Okta org OKTA_DOMAIN, OKTA_TOKEN and OKTA_NEW_TOKEN.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Problem = components["schemas"]["Problem"];
type SourceStatus = components["schemas"]["SourceStatus"];

const PATIENCE_MS = 60_000;

const client = createClient<paths>({
  baseUrl: setting("COLLECTOR_URL"),
  headers: { Authorization: `Bearer ${setting("COLLECTOR_API_KEY")}` },
});

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

/** The data of an answer, unless it is a problem. */
function ok<T>(answer: { data?: T; error?: Problem }): T {
  if (answer.error !== undefined) {
    const { status, code, detail, request_id } = answer.error;
    throw new Error(`${status} ${code}: ${detail} (request ${request_id})`);
  }
  return answer.data as T;
}

/** Looks until it finds something, and returns that. */
async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(500);
  }
  throw new Error(`waited in vain until ${what}`);
}

type Page<T> = { items: T[]; next_cursor: string | null };

/** The items of all pages. */
async function everything<T>(page: (cursor?: { cursor: string }) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  for (let next = await page(); ; next = await page({ cursor: next.next_cursor })) {
    items.push(...next.items);
    if (next.next_cursor === null) return items;
  }
}

const credential = ok(
  await client.POST("/v1/credentials", {
    body: { name: "story", domain: setting("OKTA_DOMAIN"), token: setting("OKTA_TOKEN") },
  }),
);
const destination = ok(
  await client.POST("/v1/destinations", {
    body: { name: "story", kind: "file", file: { path: "story.ndjson" } },
  }),
);
const source = ok(
  await client.POST("/v1/sources", {
    body: {
      display_name: "Story",
      timezone: "Europe/Berlin",
      refresh_frequency: "1h",
      start: "earliest",
      credential_id: credential.id,
      destination_ids: [destination.id],
    },
  }),
);
const path = { source_id: source.id };

async function status(): Promise<SourceStatus> {
  return ok(await client.GET("/v1/sources/{source_id}/status", { params: { path } }));
}

const before = await until("the source shows its check mark and delivers", async () => {
  const now = await status();
  const delivered = now.delivery.routes.some((route) => route.delivered_events > 0);
  return now.running && delivered ? now : undefined;
});
console.log(`running: ${before.polling.stored_events} events stored, ${before.polling.state} and ${before.delivery.state}`);

const rotated = ok(
  await client.PATCH("/v1/credentials/{credential_id}", {
    params: { path: { credential_id: credential.id } },
    body: { token: setting("OKTA_NEW_TOKEN") },
  }),
);
ok(await client.POST("/v1/sources/{source_id}/poll", { params: { path } }));

const after = await until("polling goes on with the new token", async () => {
  const now = await status();
  const last = now.polling.last_success_at;
  const polled = last !== null && new Date(last) > new Date(rotated.secret_set_at);
  return polled && now.running && now.polling.stored_events > before.polling.stored_events ? now : undefined;
});
console.log(`rotated: ${after.polling.stored_events} events stored, credential ${rotated.fingerprint}`);

const hours = await everything(async (cursor) =>
  ok(await client.GET("/v1/sources/{source_id}/ledger", { params: { path, query: { limit: 1, ...cursor } } })),
);
const stored = hours.reduce((sum, hour) => sum + hour.stored, 0);
assert(stored >= after.polling.stored_events, `${stored} in the ledger`);
assert(hours.every((hour) => !hour.gap));
for (const { route_id } of after.delivery.routes) {
  const dead = await everything(async (cursor) =>
    ok(await client.GET("/v1/routes/{route_id}/dead-letters", { params: { path: { route_id }, query: { limit: 1, ...cursor } } })),
  );
  assert.deepEqual(dead, []);
}
console.log(`ledger: ${stored} events stored, no gap; no dead letter`);

// The org goes on making events: what is not delivered yet is given up with the source.
ok(await client.DELETE("/v1/sources/{source_id}", { params: { path, query: { discard: true } } }));
ok(await client.DELETE("/v1/destinations/{destination_id}", { params: { path: { destination_id: destination.id } } }));
ok(await client.DELETE("/v1/credentials/{credential_id}", { params: { path: { credential_id: credential.id } } }));
const gone = await client.GET("/v1/sources/{source_id}", { params: { path } });
assert.equal(gone.error?.code, "not_found");
console.log("deleted");
