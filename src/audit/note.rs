//! Signed notes and the checkpoints in them, as C2SP writes them (`signed-note`, `tlog-checkpoint`): three lines that name the log, its size
//! and its root, an empty line, and lines with Ed25519 signatures. Pure: keys come in as arguments; where they lie is not known here.

use super::tree::Hash;
use data_encoding::{BASE64, HEXLOWER};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// The signature type of Ed25519 in `signed-note`.
const ED25519_TYPE: u8 = 1;
/// How a signature line begins: an em dash and a space.
const DASH: &str = "\u{2014} ";
/// The longest note that is read, bytes.
const MAX_NOTE: usize = 64 * 1024;

/// Something that is no note, checkpoint or key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// A key that cannot be read.
    #[error("not a key: {0}")]
    Key(&'static str),
    /// Text that is no signed note.
    #[error("not a signed note: {0}")]
    Note(&'static str),
    /// A note that is no checkpoint.
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
    /// No signature by this key.
    #[error("not signed by {0}")]
    NotSigned(String),
    /// A signature by this key that does not verify.
    #[error("the signature by {0} does not verify")]
    Forged(String),
}

/// A name that may stand before a signature: no space, no plus sign, not empty.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn key_hash(name: &str, public: &[u8]) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update(b"\n").chain_update([ED25519_TYPE]).chain_update(public).finalize();
    let mut hash = [0; 4];
    hash.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    hash
}

/// The public half of a log's key: `name+hash+base64`, to be kept where nobody who can change the log can change it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// Reads `name+hash+base64`.
    ///
    /// # Errors
    /// `Key` when a part is missing, or the hash is not that of name and key.
    pub fn parse(text: &str) -> Result<Self, BadNote> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadNote::Key("it must read NAME+HASH+BASE64"));
        };
        let bytes = BASE64.decode(key.as_bytes()).map_err(|_| BadNote::Key("its last part is not base64"))?;
        let public = match bytes.split_first() {
            Some((&ED25519_TYPE, public)) => public.try_into().map_err(|_| BadNote::Key("an Ed25519 key has 32 bytes"))?,
            _ => return Err(BadNote::Key("only Ed25519 keys are known here")),
        };
        let this = Self { name: name.to_owned(), public };
        if !is_name(name) || this.id() != hash {
            return Err(BadNote::Key("its hash is not that of its name and bytes"));
        }
        Ok(this)
    }
    /// The log's name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The four bytes that signature lines name it by, hex.
    pub fn id(&self) -> String {
        HEXLOWER.encode(&key_hash(&self.name, &self.public))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: Vec<u8> = std::iter::once(ED25519_TYPE).chain(self.public).collect();
        write!(f, "{}+{}+{}", self.name, self.id(), BASE64.encode(&key))
    }
}

/// The secret half. Its seed is wiped when it is dropped.
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    verifier: VerifierKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifier.id())
    }
}

impl SigningKey {
    /// Makes a key of a log from 32 random bytes.
    ///
    /// # Errors
    /// `Key` for a name that cannot stand in a note.
    pub fn from_seed(name: &str, seed: Zeroizing<[u8; 32]>) -> Result<Self, BadNote> {
        if !is_name(name) {
            return Err(BadNote::Key("the log's name holds a space or a plus sign"));
        }
        let pair = pair(&seed)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| BadNote::Key("an Ed25519 key has 32 bytes"))?;
        Ok(Self { seed, verifier: VerifierKey { name: name.to_owned(), public } })
    }

    /// Reads the form that Go's `note` package keeps: `PRIVATE+KEY+name+hash+base64`.
    ///
    /// # Errors
    /// `Key`, without a word of the key in it.
    pub fn parse(text: &str) -> Result<Self, BadNote> {
        let rest = text.trim().strip_prefix("PRIVATE+KEY+").ok_or(BadNote::Key("it must read PRIVATE+KEY+NAME+HASH+BASE64"))?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadNote::Key("it must read PRIVATE+KEY+NAME+HASH+BASE64"));
        };
        let bytes = Zeroizing::new(BASE64.decode(key.as_bytes()).map_err(|_| BadNote::Key("its last part is not base64"))?);
        let mut seed = Zeroizing::new([0; 32]);
        match bytes.split_first() {
            Some((&ED25519_TYPE, given)) if given.len() == 32 => seed.copy_from_slice(given),
            _ => return Err(BadNote::Key("only Ed25519 seeds of 32 bytes are known here")),
        }
        let this = Self::from_seed(name, seed)?;
        if this.verifier.id() == hash { Ok(this) } else { Err(BadNote::Key("its hash is not that of its name and bytes")) }
    }

    /// The form that is kept in a file.
    pub fn secret_text(&self) -> Zeroizing<String> {
        let key: Zeroizing<Vec<u8>> = Zeroizing::new(std::iter::once(ED25519_TYPE).chain(self.seed.iter().copied()).collect());
        Zeroizing::new(format!("PRIVATE+KEY+{}+{}+{}\n", self.verifier.name, self.verifier.id(), *Zeroizing::new(BASE64.encode(&key))))
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signed note of a checkpoint. The same checkpoint gives the same bytes.
    ///
    /// # Errors
    /// `Key` when the cryptography refuses the key, which it did not when the key was read.
    pub fn sign(&self, checkpoint: &Checkpoint) -> Result<String, BadNote> {
        let text = checkpoint.text();
        let signature = pair(&self.seed)?.sign(text.as_bytes());
        let mut bytes = key_hash(&self.verifier.name, &self.verifier.public).to_vec();
        bytes.extend_from_slice(signature.as_ref());
        Ok(format!("{text}\n{DASH}{} {}\n", self.verifier.name, BASE64.encode(&bytes)))
    }
}

fn pair(seed: &Zeroizing<[u8; 32]>) -> Result<Ed25519KeyPair, BadNote> {
    Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| BadNote::Key("not an Ed25519 seed"))
}

/// What a log was at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The signed text: three lines.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root))
    }

    fn parse(text: &str) -> Result<Self, BadNote> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(BadNote::Checkpoint("it has fewer than three lines"));
        };
        if origin.is_empty() {
            return Err(BadNote::Checkpoint("its first line names no log"));
        }
        let number: u64 = size.parse().map_err(|_| BadNote::Checkpoint("its second line is no size"))?;
        if number.to_string() != size {
            return Err(BadNote::Checkpoint("its second line is no size"));
        }
        let root = BASE64.decode(root.as_bytes()).ok().and_then(|root| root.try_into().ok());
        let root = root.ok_or(BadNote::Checkpoint("its third line is no root"))?;
        Ok(Self { origin: origin.to_owned(), size: number, root })
    }
}

/// A checkpoint with its signatures, read and not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    /// Name, key hash and signature of each line.
    signatures: Vec<(String, [u8; 4], Vec<u8>)>,
    /// What it says.
    pub checkpoint: Checkpoint,
}

impl Note {
    /// Reads a signed checkpoint.
    ///
    /// # Errors
    /// `Note` or `Checkpoint` for the first thing that is wrong.
    pub fn parse(note: &str) -> Result<Self, BadNote> {
        if note.len() > MAX_NOTE {
            return Err(BadNote::Note("it is too long"));
        }
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(BadNote::Note("it holds control characters"));
        }
        let at = note.rfind("\n\n").ok_or(BadNote::Note("no empty line stands before signatures"))?;
        let (text, lines) = note.split_at(at + 1);
        let lines = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let lines = lines.filter(|lines| !lines.is_empty()).ok_or(BadNote::Note("it has no whole signature line"))?;
        let signatures = lines.split('\n').map(signature_line).collect::<Result<_, _>>()?;
        Ok(Self { checkpoint: Checkpoint::parse(text)?, text: text.to_owned(), signatures })
    }

    /// Checks that this key signed it. Signatures by other keys are passed over.
    ///
    /// # Errors
    /// `NotSigned` or `Forged`; `Checkpoint` when the key belongs to another log.
    pub fn verify(&self, key: &VerifierKey) -> Result<&Checkpoint, BadNote> {
        if self.checkpoint.origin != key.name {
            return Err(BadNote::Checkpoint("it is of another log than the key"));
        }
        let hash = key_hash(&key.name, &key.public);
        let mine = self.signatures.iter().find(|(name, id, _)| *name == key.name && *id == hash);
        let (_, _, signature) = mine.ok_or_else(|| BadNote::NotSigned(key.id()))?;
        let verified = UnparsedPublicKey::new(&ED25519, key.public).verify(self.text.as_bytes(), signature);
        verified.map(|()| &self.checkpoint).map_err(|_| BadNote::Forged(key.id()))
    }
}

fn signature_line(line: &str) -> Result<(String, [u8; 4], Vec<u8>), BadNote> {
    let wrong = BadNote::Note("a signature line must read \u{2014} NAME BASE64");
    let (name, base64) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or_else(|| wrong.clone())?;
    let bytes = BASE64.decode(base64.as_bytes()).map_err(|_| wrong.clone())?;
    let Some((hash, signature)) = bytes.split_first_chunk::<4>() else { return Err(wrong) };
    if !is_name(name) || signature.is_empty() {
        return Err(wrong);
    }
    Ok((name.to_owned(), *hash, signature.to_vec()))
}

#[cfg(test)]
mod tests;
