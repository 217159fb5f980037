//! Numbers of entries. A log that went on after a recovery has incarnations, each of which counts its entries from 0; a number names one entry
//! among those of all of them. In the first incarnation it is the position itself.

/// How many numbers an incarnation has: 2^40.
const EACH: i64 = 1 << 40;

/// The number of the entry at a position of an incarnation, which counts from 1.
pub fn of(log: i64, seq: i64) -> i64 {
    (log - 1) * EACH + seq
}

/// Incarnation and position of a number. `i64::MAX` lies behind every entry.
pub fn parts(number: i64) -> (i64, i64) {
    (number.div_euclid(EACH) + 1, number.rem_euclid(EACH))
}

/// As people read it: `17`, and `2/17` in the second incarnation.
pub fn words(number: i64) -> String {
    match parts(number) {
        (1, seq) => seq.to_string(),
        (log, seq) => format!("{log}/{seq}"),
    }
}

/// Which incarnation an origin names: its last part; 1 when that is no number.
pub fn incarnation(origin: &str) -> u64 {
    origin.rsplit('/').next().and_then(|n| n.parse().ok()).filter(|n| *n > 0).unwrap_or(1)
}

/// The origin of the incarnation after this one.
pub fn next_origin(origin: &str) -> String {
    let (name, _) = origin.rsplit_once('/').unwrap_or((origin, ""));
    format!("{name}/{}", incarnation(origin) + 1)
}

/// True when two origins name incarnations of one log.
pub fn are_of_one_log(one: &str, other: &str) -> bool {
    one.rsplit_once('/').map(|(name, _)| name) == other.rsplit_once('/').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_back_to_its_entry_and_they_follow_each_other() {
        for (log, seq) in [(1, 0), (1, 17), (2, 0), (2, 17), (300, 5)] {
            assert_eq!(parts(of(log, seq)), (log, seq));
        }
        assert_eq!(of(1, 17), 17);
        assert!(of(1, 1_000_000) < of(2, 0) && parts(i64::MAX).0 > 300);
        assert_eq!([of(1, 17), of(2, 3)].map(words), ["17", "2/3"]);
    }

    #[test]
    fn origins_count_on() {
        assert_eq!(next_origin("h/audit/control/1"), "h/audit/control/2");
        assert_eq!(incarnation("h/audit/control/12"), 12);
        assert!(are_of_one_log("h/audit/control/1", "h/audit/control/2") && !are_of_one_log("g/audit/control/1", "h/audit/control/1"));
    }
}
