//! The few largest of many, and what the rest adds up to: how a long list of positions is told in a short one without hiding anything.

use super::Decimal;
use std::cmp::Reverse;

/// What was left out of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// How many.
    pub count: u64,
    /// Their worth together, without signs. None: that of one of them is not known.
    pub worth: Option<Decimal>,
}

/// Keeps the `most` of the largest worth, signs aside; whose worth is not known comes last. A list that is short enough stays as it is, in
/// its own order. None: nothing was left out.
pub fn keep_largest<T>(all: &mut Vec<T>, most: usize, worth: impl Fn(&T) -> Option<Decimal>) -> Option<Rest> {
    if all.len() <= most {
        return None;
    }
    all.sort_by_cached_key(|one| Reverse(worth(one).map(Decimal::abs)));
    let rest = all.split_off(most);
    let worths: Option<Vec<Decimal>> = rest.iter().map(|one| worth(one).map(Decimal::abs)).collect();
    Some(Rest { count: rest.len() as u64, worth: worths.map(|all| all.into_iter().fold(Decimal::default(), Decimal::plus)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_stay_and_the_rest_is_summed_or_unknown() {
        let worth = |text: &&str| Decimal::parse(text);
        let mut all = vec!["1", "-30", "20", "?", "2"];
        assert_eq!(keep_largest(&mut all, 5, worth), None);
        assert_eq!(all, ["1", "-30", "20", "?", "2"], "a short list stays as it is");
        let rest = keep_largest(&mut all, 3, worth).unwrap();
        assert_eq!((all, rest), (vec!["-30", "20", "2"], Rest { count: 2, worth: None }));
        let mut all = vec!["1", "-30", "20", "2"];
        let rest = keep_largest(&mut all, 2, worth).unwrap();
        assert_eq!((all, rest), (vec!["-30", "20"], Rest { count: 2, worth: Decimal::parse("3") }));
    }
}
