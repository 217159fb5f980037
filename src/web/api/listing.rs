//! Lists in pieces: at most `limit` items, each list in an order of its own that stays, `next` names where to go on.

use crate::web::{WebError, query::Params};
use serde::Serialize;

/// The items of a piece when none are asked for.
const USUAL: i64 = 100;
/// The most items of a piece.
const MOST: i64 = 1_000;

/// How a piece is asked for, described; `Listing::cut` reads it.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Piece {
    /// How many items, 1 to 1000; usually 100.
    pub limit: Option<i64>,
    /// `next` of the piece before.
    pub after: Option<String>,
}

/// A piece of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// Ask again with `after` set to this; null: this is the end.
    pub next: Option<String>,
}

/// Which piece of a list that the database cuts is asked for: after which item, none from the first, and at most how many.
///
/// # Errors
/// 400 for a limit that is no number from 1 to 1,000; what `id_of` says of an id that is none.
pub fn asked<I>(params: &Params, id_of: impl Fn(&str) -> Result<I, WebError>) -> Result<(Option<I>, i64), WebError> {
    let limit = params.number("limit", 1..=MOST, USUAL)?;
    Ok((params.text("after").map(|id| id_of(&id)).transpose()?, limit))
}

impl<T> Listing<T> {
    /// A piece that the database cut.
    pub fn of(items: Vec<T>, next: Option<impl ToString>) -> Self {
        Self { items, next: next.map(|next| next.to_string()) }
    }

    /// Cuts a piece out of a list as `limit` and `after` ask for. `key` is what the list is ordered by; no two items share it.
    ///
    /// # Errors
    /// 400 for a limit that is no number from 1 to 1,000.
    pub fn cut(mut all: Vec<T>, key: impl Fn(&T) -> &str, params: &Params) -> Result<Self, WebError> {
        let limit = usize::try_from(params.number("limit", 1..=MOST, USUAL)?).unwrap_or_default();
        all.sort_by(|a, b| key(a).cmp(key(b)));
        if let Some(after) = params.text("after") {
            all.retain(|item| key(item) > after.as_ref());
        }
        let is_whole = all.len() <= limit;
        all.truncate(limit);
        let next = all.last().filter(|_| !is_whole).map(|last| key(last).to_owned());
        Ok(Self { items: all, next })
    }
}
