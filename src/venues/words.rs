//! From a venue's words for rights to ours: one table for each venue, and one rule for all of them. A right is there when a word grants it, absent
//! only when every word that could grant it is known to be absent and nothing was said that we do not understand.

use super::fact::{KeyFacts, Right, Rights, Tri};
use std::collections::BTreeMap;

/// A word of a venue, and what it grants.
pub(super) struct Word {
    /// As the venue writes it. Of a group, `Group:Word`.
    pub(super) word: &'static str,
    /// What it grants.
    pub(super) rights: &'static [Right],
}

/// A line of a table.
pub(super) const fn word(word: &'static str, rights: &'static [Right]) -> Word {
    Word { word, rights }
}

/// Writes into `facts` what these words mean. `holds` says of each known word whether it was said; `strange` are those that no table has.
pub(super) fn tell(facts: &mut KeyFacts, known: &[Word], holds: impl Fn(&str) -> Tri, mut strange: Vec<String>) {
    strange.sort();
    strange.dedup();
    let mut found: BTreeMap<Right, Tri> = BTreeMap::new();
    for word in known {
        let held = holds(word.word);
        if held == Tri::Yes {
            facts.words.push(word.word.to_owned());
        }
        for right in word.rights {
            found.entry(*right).and_modify(|so_far| *so_far = so_far.or(held)).or_insert(held);
        }
    }
    let mut rights = Rights::default();
    for (right, has) in found {
        rights.set(right, if has == Tri::No && !strange.is_empty() { Tri::Unknown } else { has });
    }
    facts.words.sort();
    facts.rights = rights;
    facts.unknown_words = strange.into_iter().map(|word| word.chars().filter(|c| !c.is_control()).take(60).collect()).collect();
}

/// The same for a venue that lists the words that hold: what is not listed does not.
pub(super) fn tell_listed(facts: &mut KeyFacts, known: &[Word], said: &[String]) {
    let strange = said.iter().filter(|said| known.iter().all(|known| known.word != **said)).cloned().collect();
    tell(facts, known, |word| said.iter().any(|said| said == word).into(), strange);
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Word; 3] = [word("see", &[Right::Read]), word("spot", &[Right::Trade]), word("perp", &[Right::Trade, Right::Borrow])];

    fn told(said: &[&str]) -> KeyFacts {
        let mut facts = KeyFacts::default();
        tell_listed(&mut facts, &KNOWN, &said.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        facts
    }

    #[test]
    fn one_word_grants_and_only_all_of_them_together_refuse() {
        let facts = told(&["see", "spot"]);
        assert_eq!((facts.right(Right::Read), facts.right(Right::Trade), facts.right(Right::Borrow)), (Tri::Yes, Tri::Yes, Tri::No));
        assert_eq!(facts.right(Right::Withdraw), Tri::Unknown, "no word of this venue speaks of it");
        assert_eq!(facts.words, ["see", "spot"]);
    }

    #[test]
    fn a_word_that_nobody_knows_leaves_no_right_denied() {
        let facts = told(&["see", "levitate"]);
        assert_eq!((facts.right(Right::Read), facts.right(Right::Trade)), (Tri::Yes, Tri::Unknown));
        assert!(facts.has_unknown_words() && facts.unknown_words == ["levitate"]);
    }
}
