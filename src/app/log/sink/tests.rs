//! A sink that is torn anywhere goes on as if nothing had happened.

use super::*;
use proptest::prelude::*;

const MINE: fn() -> About = || About { origin: "h/audit/control/1".into(), installation: "i".into() };

fn bodies(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!("{{\"n\":{n},\"x\":\"{}\"}}", "é".repeat(n * 3)).into_bytes()).collect()
}

/// Opens it the way a server does after a crash.
fn reopen(folder: &Path) -> Sink {
    let claimed = Sink::claim(folder, &MINE()).unwrap();
    let scan = scan(folder, u64::MAX).unwrap();
    Sink::open(claimed, folder, scan.frontier.size(), scan.end).unwrap()
}

fn fill(sink: &mut Sink, bodies: &[Vec<u8>]) {
    let missing = &bodies[sink.count as usize..];
    sink.append(missing.iter().map(Vec::as_slice)).unwrap();
    if sink.covered < bodies.len() as u64 {
        sink.append_checkpoint(bodies.len() as u64, "a\nb\n\n— c d\n".into()).unwrap();
    }
}

fn contents(folder: &Path) -> [Vec<u8>; 2] {
    [ENTRIES, CHECKPOINTS].map(|file| fs::read(folder.join(file)).unwrap())
}

#[test]
fn torn_at_every_byte_of_the_last_line_it_is_whole_again() {
    let (all, more) = (bodies(3), bodies(4));
    let whole = tempfile::tempdir().unwrap();
    fill(&mut reopen(whole.path()), &all);
    let before = contents(whole.path());
    fill(&mut reopen(whole.path()), &more);
    let after = contents(whole.path());
    for (n, file) in [ENTRIES, CHECKPOINTS].into_iter().enumerate() {
        let last = before[n][..before[n].len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for cut in last..=before[n].len() {
            for garbage in [&b""[..], b"\0\0\0"] {
                let dir = tempfile::tempdir().unwrap();
                fill(&mut reopen(dir.path()), &all);
                if n == 0 {
                    // A checkpoint comes after its entries are on disk: where they are torn, it is not there.
                    fs::write(dir.path().join(CHECKPOINTS), "").unwrap();
                }
                fs::write(dir.path().join(file), [&before[n][..cut], garbage].concat()).unwrap();
                // The same once more, and then what came meanwhile.
                fill(&mut reopen(dir.path()), &all);
                fill(&mut reopen(dir.path()), &more);
                assert_eq!(contents(dir.path()), after, "{file} cut at {cut} with {garbage:?}");
            }
        }
    }
}

#[test]
fn a_write_that_failed_midway_is_taken_up_where_it_ended() {
    let (all, dir) = (bodies(3), tempfile::tempdir().unwrap());
    let mut sink = reopen(dir.path());
    sink.append(all[..1].iter().map(Vec::as_slice)).unwrap();
    // What a full disk leaves of a write, in a process that goes on.
    OpenOptions::new().append(true).open(dir.path().join(ENTRIES)).unwrap().write_all(&all[1][..5]).unwrap();
    fill(&mut sink, &all);
    let lines: Vec<Vec<u8>> = all.iter().map(|body| [body.as_slice(), b"\n"].concat()).collect();
    assert_eq!(fs::read(dir.path().join(ENTRIES)).unwrap(), lines.concat());
}

#[test]
fn another_logs_folder_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut reopen(dir.path()), &bodies(2));
    let other = About { installation: "j".into(), ..MINE() };
    assert!(matches!(Sink::claim(dir.path(), &other), Err(SinkError::Another(..))));
    let held = Sink::claim(dir.path(), &MINE()).unwrap();
    assert!(matches!(Sink::claim(dir.path(), &MINE()), Err(SinkError::InUse(_))));
    drop(held);
    assert!(Sink::claim(dir.path(), &MINE()).is_ok());
    let nameless = tempfile::tempdir().unwrap();
    fs::write(nameless.path().join(ENTRIES), "{}\n").unwrap();
    assert!(Sink::claim(nameless.path(), &MINE()).is_err());
    assert_eq!(folder(Path::new("/x"), "h/audit/control/1"), Path::new("/x/control-1"));
}

proptest! {
    #[test]
    fn whatever_lies_behind_the_last_whole_line_goes(count in 0usize..6, torn in proptest::collection::vec(1u8..9, 0..40)) {
        let (all, dir) = (bodies(6), tempfile::tempdir().unwrap());
        let mut sink = reopen(dir.path());
        sink.append(all[..count].iter().map(Vec::as_slice)).unwrap();
        drop(sink);
        OpenOptions::new().append(true).open(dir.path().join(ENTRIES)).unwrap().write_all(&torn).unwrap();
        fill(&mut reopen(dir.path()), &all);
        let lines: Vec<Vec<u8>> = all.iter().map(|body| [body.as_slice(), b"\n"].concat()).collect();
        prop_assert_eq!(fs::read(dir.path().join(ENTRIES)).unwrap(), lines.concat());
    }
}

#[test]
fn a_scan_goes_on_where_a_checkpoint_ends_and_reads_all_where_none_does() {
    let (all, dir) = (bodies(6), tempfile::tempdir().unwrap());
    let mut sink = reopen(dir.path());
    sink.append(all[..5].iter().map(Vec::as_slice)).unwrap();
    sink.append_checkpoint(3, "one".into()).unwrap();
    sink.append_checkpoint(5, "two".into()).unwrap();
    let (lines, _) = checkpoints(dir.path()).unwrap();
    let ends: Vec<u64> = lines.iter().map(|line| line.end.unwrap()).collect();
    let length = |count: usize| all[..count].iter().map(|body| body.len() as u64 + 1).sum::<u64>();
    assert_eq!(ends, [length(3), length(5)]);
    let whole = scan(dir.path(), u64::MAX).unwrap();
    let known = Scan { frontier: scan(dir.path(), 3).unwrap().frontier, end: ends[0] };
    let from = |known| scan_from(dir.path(), known, u64::MAX).unwrap();
    assert_eq!((from(known.clone()).frontier.root(), from(known.clone()).end), (whole.frontier.root(), whole.end));
    for wrong in [ends[0] - 1, length(5) + 7] {
        assert_eq!(from(Scan { end: wrong, ..known.clone() }).frontier.root(), whole.frontier.root());
    }
    // What lies before it is not read.
    fs::write(
        dir.path().join(ENTRIES),
        [vec![b'x'; ends[0] as usize - 1], b"\n".to_vec(), all[3..5].join(&b'\n'), b"\n".to_vec()].concat(),
    )
    .unwrap();
    assert_eq!(from(known).frontier.root(), whole.frontier.root());
    assert_ne!(scan(dir.path(), u64::MAX).unwrap().frontier.root(), whole.frontier.root());
}
