//! Statements written as text, prepared once per connection.
//!
//! Diesel prepares a statement of `sql_query` anew each time, and planning costs PostgreSQL about as much
//! as running it (docs/PERFORMANCE.md). Here the text is the key of the connection's cache, so it must come
//! from a small set: constants, or constants with a day in them. What names tables or partitions by
//! their dates stays with `diesel::sql_query`.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, BoxedSqlQuery, Query, QueryFragment, QueryId, SqlQuery};
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Untyped};

/// A statement and the values of its parameters, `$1` and so on, in order.
pub(crate) struct Statement<'f>(BoxedSqlQuery<'f, Pg, SqlQuery>);

/// A statement that this connection has prepared already, if it has met the text before.
pub(crate) fn sql_query<'f>(text: impl Into<String>) -> Statement<'f> {
    Statement(diesel::sql_query(text).into_boxed())
}

impl<'f> Statement<'f> {
    /// Gives the next parameter its value.
    pub(crate) fn bind<ST, V>(self, value: V) -> Self
    where
        Pg: HasSqlType<ST>,
        V: ToSql<ST, Pg> + Send + 'f,
        ST: Send + 'f,
    {
        Self(self.0.bind::<ST, V>(value))
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = Untyped;
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _backend: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use diesel::QueryableByName;
    use diesel::sql_types::BigInt;
    use diesel_async::RunQueryDsl;
    use secrecy::ExposeSecret;
    use testkit::postgres::TestDb;

    use super::*;
    use crate::pool::{Store, StoreConfig};
    use crate::sealing::KeyRing;

    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }

    #[tokio::test]
    async fn a_text_is_prepared_once_whatever_its_parameters_are() {
        let db = TestDb::new().await;
        let ring = KeyRing::generate().unwrap();
        let keys = KeyRing::parse(ring.expose_secret()).unwrap();
        let store = Store::new(&StoreConfig::new(db.url()), keys).unwrap();
        let mut conn = store.conn().await.unwrap();
        for given in [7, 8, 9] {
            let asked = sql_query("SELECT $1 + $1 AS n").bind::<BigInt, _>(given);
            let found: Number = asked.get_result(&mut conn).await.unwrap();
            assert_eq!(found.n, 2 * given);
        }
        let prepared = "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement = 'SELECT $1 + $1 AS n'";
        let prepared = diesel::sql_query(prepared);
        let prepared: Number = prepared.get_result(&mut conn).await.unwrap();
        assert_eq!(prepared.n, 1);
    }
}
