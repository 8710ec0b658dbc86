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
