//! Names and kinds of files.

use super::*;
use proptest::prelude::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....IEND\xaeB\x60\x82";
const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x04\x00";

#[test]
fn a_name_is_the_last_part_of_what_was_sent() {
    for (sent, name) in [
        ("plan.txt", "plan.txt"),
        ("../../etc/passwd", "passwd"),
        (r"C:\Users\sato\plan v2.pdf", "plan v2.pdf"),
        ("C:plan.txt", "plan.txt"),
        ("  Rückfall – Plan.md ", "Rückfall – Plan.md"),
        (r#"a"b<c>.txt"#, r#"a"b<c>.txt"#),
    ] {
        assert_eq!(name_of(sent).as_deref(), Ok(name), "{sent:?}");
    }
    for sent in ["", "/", "..", "a/..", r"a\", "  ", "a\0.txt", "a\r\nb.txt", "gpj.\u{202e}txt", "a\u{200b}.txt", "a\u{2066}.txt"] {
        assert!(name_of(sent).is_err(), "{sent:?}");
    }
    assert!(name_of(&"x".repeat(NAME)).is_ok());
    assert!(name_of(&"é".repeat(NAME + 1)).is_err());
}

#[test]
fn a_kind_is_what_name_and_bytes_agree_on() {
    for (name, bytes, kind) in [
        ("a.txt", b"plain".as_slice(), FileKind::Text),
        ("a.LOG", "Ü\tline\r\n\u{1b}[0m".as_bytes(), FileKind::Text),
        ("a.md", b"# Plan", FileKind::Text),
        // Harmless: it is only ever given back as a download.
        ("page.txt", b"<!doctype html><script>alert(1)</script>", FileKind::Text),
        ("a.csv", b"a,b\n1,2\n", FileKind::Csv),
        ("a.json", br#"{"a":[1,2]}"#, FileKind::Json),
        ("a.pdf", b"%PDF-1.7\n...\nstartxref\n9\n%%EOF\n", FileKind::Pdf),
        ("a.png", PNG, FileKind::Png),
        ("a.jpg", b"\xff\xd8\xff\xe0....\xff\xd9", FileKind::Jpeg),
        ("a.b.JPEG", b"\xff\xd8\xff\xe1....\xff\xd9", FileKind::Jpeg),
    ] {
        assert_eq!(kind_of(name, bytes), Ok(kind), "{name}");
    }
    for (name, bytes) in [
        ("a.html", b"<p>".as_slice()),
        ("a.svg", b"<svg onload=alert(1)>"),
        ("a.zip", b"PK\x03\x04"),
        ("a.docx", b"PK\x03\x04"),
        ("a.txt.gz", GZIP),
        (".txt", b"plain"),
        ("txt", b"plain"),
        ("a.txt", b""),
        ("a.txt", b"a\0b"),
        ("a.txt", b"\xff\xfea\0"),
        ("a.txt", GZIP),
        ("a.log", b"PK\x03\x04 stored without a zero"),
        ("a.json", b"{"),
        ("a.json", b"{} {}"),
        ("a.png", b"<svg onload=alert(1)>"),
        ("a.png", b"\x89PNG\r\n\x1a\n....IEND\xaeB\x60\x82PK\x05\x06"),
        ("a.jpg", PNG),
        ("a.pdf", b"%PDF-1.7 cut"),
        ("a.pdf", b"MZ %PDF-1.7 %%EOF"),
    ] {
        assert!(kind_of(name, bytes).is_err(), "{name}");
    }
    assert!(kind_of("a.txt", &vec![b'x'; FILE_BYTES]).is_ok());
    assert!(kind_of("a.txt", &vec![b'x'; FILE_BYTES + 1]).unwrap_err().contains("5 MiB"));
}

#[test]
fn a_size_is_said_in_few_digits() {
    assert_eq!([0, 1_023, 1_024, 1_048_575, 1_048_576, 5_242_880].map(size), ["0 B", "1023 B", "1 KiB", "1023 KiB", "1.0 MiB", "5.0 MiB"]);
    assert_eq!(size(1_677_722), "1.5 MiB");
}

proptest! {
    #[test]
    fn no_name_carries_a_separator_or_what_hides(sent in ".{0,200}") {
        if let Ok(name) = name_of(&sent) {
            prop_assert!(!name.contains(['/', '\\', ':']) && !name.chars().any(hides), "{name:?}");
            prop_assert!(!name.is_empty() && name != "." && name != ".." && name.chars().count() <= NAME);
            prop_assert_eq!(name_of(&name), Ok(name));
        }
    }

    #[test]
    fn no_bytes_are_too_much_for_looking(
        ending in "(txt|log|md|csv|json|pdf|png|jpe?g|[a-z]{0,4})", bytes in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        if let Ok(FileKind::Text | FileKind::Csv | FileKind::Json) = kind_of(&format!("a.{ending}"), &bytes) {
            prop_assert!(std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0')));
        }
    }
}
