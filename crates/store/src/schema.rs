//! The tables as Diesel sees them; a test compares this with the database.

diesel::table! { tenants (id) { id -> Uuid, name -> Text, created_at -> Timestamptz, } }

diesel::table! {
    api_keys (tenant_id, id) {
        tenant_id -> Uuid, id -> Uuid, public_id -> Text, secret_sha256 -> Bytea, name -> Text, role -> Text,
        created_at -> Timestamptz, expires_at -> Nullable<Timestamptz>, revoked_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    credentials (tenant_id, id) {
        tenant_id -> Uuid, id -> Uuid, name -> Text, kind -> Text, origin -> Text, seal_kek -> Text,
        seal_dek -> Bytea, seal_body -> Bytea, secret_version -> Int4, secret_set_at -> Timestamptz,
        fingerprint -> Bytea, org_id -> Nullable<Text>, state -> Text, trouble -> Nullable<Text>,
        trouble_detail -> Nullable<Text>, state_at -> Timestamptz, last_used_at -> Nullable<Timestamptz>,
        version -> Int8, created_at -> Timestamptz, updated_at -> Timestamptz, client_id -> Nullable<Text>,
        key_id -> Nullable<Text>, algorithm -> Nullable<Text>, expires_at -> Nullable<Timestamptz>,
        warned_days -> Nullable<Int2>, refused_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    sources (tenant_id, id) {
        tenant_id -> Uuid, id -> Uuid, display_name -> Text, credential_id -> Uuid, timezone -> Text,
        refresh_seconds -> Int4, start_at -> Nullable<Timestamptz>, filter -> Nullable<Text>, keywords -> Nullable<Text>,
        enabled -> Bool, org_id -> Nullable<Text>, version -> Int8, created_at -> Timestamptz,
        updated_at -> Timestamptz, verify -> Text, query_changed_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    logs (tenant_id, id) {
        tenant_id -> Uuid, id -> Uuid, source_id -> Uuid, kind -> Text, next_number -> Int8, day -> Date,
        first_day -> Date, cursor -> Nullable<Text>, cursor_query -> Nullable<Text>,
        watermark -> Nullable<Timestamptz>, newest_published -> Nullable<Timestamptz>, stored -> Int8,
        last_poll_at -> Nullable<Timestamptz>, last_success_at -> Nullable<Timestamptz>,
        last_event_at -> Nullable<Timestamptz>, trouble -> Nullable<Text>, trouble_detail -> Nullable<Text>,
        trouble_at -> Nullable<Timestamptz>, failures -> Int4, malformed -> Int4,
        malformed_since -> Nullable<Timestamptz>, malformed_hash -> Nullable<Bytea>, fallbacks -> Int8,
        rereading -> Bool, ahead_days -> Int2, unreachable_before -> Nullable<Timestamptz>,
        head_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    quarantined_pages (tenant_id, id) {
        tenant_id -> Uuid, id -> Uuid, source_id -> Uuid, cursor -> Nullable<Text>, next_cursor -> Nullable<Text>,
        problem -> Text, body -> Bytea, gap_from -> Nullable<Timestamptz>, gap_until -> Timestamptz,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    source_ledger (tenant_id, source_id, hour) {
        tenant_id -> Uuid, source_id -> Uuid, hour -> Timestamptz, stored -> Int8, late -> Int8,
        duplicate -> Int8, reread -> Int8, changed -> Int8, gap -> Bool,
        verified_at -> Nullable<Timestamptz>, verified_events -> Nullable<Int8>, found -> Int8,
        missing -> Int8, restored -> Int8, not_shown -> Int8,
    }
}

diesel::table! {
    backfills (tenant_id, id) {
        tenant_id -> Uuid, id -> Uuid, source_id -> Uuid, log_id -> Uuid, asked_since -> Timestamptz,
        asked_until -> Timestamptz, since -> Timestamptz, until -> Timestamptz, state -> Text,
        done_through -> Timestamptz, chunk_until -> Nullable<Timestamptz>, chunk_seconds -> Int4,
        duplicate -> Int8, changed -> Int8, unread_seconds -> Int8, created_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>, finished_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    verifications (tenant_id, source_id) {
        tenant_id -> Uuid, source_id -> Uuid, started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>, complete_through -> Nullable<Timestamptz>,
        through -> Nullable<Timestamptz>, shown -> Int8,
        span_hours -> Int4, hours -> Int8, skipped -> Int8, found -> Int8, missing -> Int8, restored -> Int8,
        trouble -> Nullable<Text>, trouble_detail -> Nullable<Text>, found_total -> Int8,
        missing_total -> Int8,
    }
}

diesel::table! {
    destinations (tenant_id, id) {
        tenant_id -> Uuid, id -> Uuid, name -> Text, kind -> Text, config -> Jsonb, version -> Int8,
        created_at -> Timestamptz, updated_at -> Timestamptz, seal_kek -> Nullable<Text>,
        seal_dek -> Nullable<Bytea>, seal_body -> Nullable<Bytea>, secret_version -> Int4,
        secret_set_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    routes (tenant_id, id) {
        tenant_id -> Uuid, id -> Uuid, source_id -> Uuid, destination_id -> Uuid, format -> Text, enabled -> Bool,
        trouble -> Nullable<Text>, trouble_detail -> Nullable<Text>, trouble_at -> Nullable<Timestamptz>,
        last_success_at -> Nullable<Timestamptz>, delivered -> Int8, dead -> Int8, given_up -> Int8,
        version -> Int8, created_at -> Timestamptz, updated_at -> Timestamptz,
    }
}

diesel::table! {
    route_positions (tenant_id, route_id, log_id) {
        tenant_id -> Uuid, route_id -> Uuid, log_id -> Uuid, day -> Date, number -> Int8, index -> Int4,
        flight_number -> Nullable<Int8>, flight_index -> Nullable<Int4>, flight_format -> Nullable<Text>,
        failures -> Int4, refused_in_row -> Int4, refused_cause -> Nullable<Text>,
        refused_day -> Nullable<Date>, refused_number -> Nullable<Int8>, refused_index -> Nullable<Int4>,
    }
}

diesel::table! {
    route_ledger (tenant_id, route_id, hour) {
        tenant_id -> Uuid, route_id -> Uuid, hour -> Timestamptz, delivered -> Int8, dead -> Int8, given_up -> Int8,
    }
}

diesel::table! {
    dead_letters (tenant_id, id) {
        tenant_id -> Uuid, id -> Uuid, route_id -> Uuid, log_id -> Uuid, number -> Int8, index -> Int4,
        cause -> Text, detail -> Text, event -> Bytea, hour -> Timestamptz, created_at -> Timestamptz,
        kind -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    api_keys,
    backfills,
    credentials,
    dead_letters,
    destinations,
    logs,
    quarantined_pages,
    route_ledger,
    route_positions,
    routes,
    source_ledger,
    sources,
    tenants,
    verifications,
);
