//! Which sealing keys the stored secrets need: those of credentials, the next ones among them, and of destinations.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;

use crate::error::StoreError;
use crate::pool::Store;
use crate::sql::sql_query;

impl Store {
    /// The key names that stored secrets need and the ring lacks.
    pub async fn missing_sealing_keys(&self) -> Result<Vec<String>, StoreError> {
        let needed = self.secrets_by_key().await?.into_iter();
        Ok(needed
            .map(|(kek, _)| kek)
            .filter(|kek| !self.keys.knows(kek))
            .collect())
    }

    /// Number of sealed secrets per sealing key.
    pub async fn secrets_by_key(&self) -> Result<Vec<(String, i64)>, StoreError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            kek: String,
            #[diesel(sql_type = BigInt)]
            secrets: i64,
        }
        let mut conn = self.conn().await?;
        let rows: Vec<Row> = sql_query(
            "SELECT kek, count(*) AS secrets FROM ( \
                SELECT seal_kek AS kek FROM credentials UNION ALL \
                SELECT seal_kek FROM credential_rotations WHERE seal_kek IS NOT NULL UNION ALL \
                SELECT seal_kek FROM destinations WHERE seal_kek IS NOT NULL) sealed GROUP BY 1 ORDER BY 1",
        )
        .load(&mut conn)
        .await?;
        Ok(rows.into_iter().map(|row| (row.kek, row.secrets)).collect())
    }
}
