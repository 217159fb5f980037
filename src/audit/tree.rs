//! The Merkle tree of RFC 6962: appending needs only the frontier, proofs need the leaves (or every eighth level). Own code, since it is the
//! heart of the log; checked against `ct-merkle` and the RFC's vectors.

use sha2::{Digest, Sha256};

/// A hash of the tree.
pub type Hash = [u8; 32];

/// Hash of two children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Root of the empty tree.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The roots of the perfect subtrees that a tree of `size` leaves consists of, big to small: all that appending needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

/// A stored frontier that does not fit its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored frontier does not fit the size")]
pub struct BadFrontier;

/// A node at a level divisible by eight, to be stored so that proofs read few rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Its tile level: tree level / 8, from 1.
    pub level: u64,
    /// Its place in that level.
    pub n: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Frontier {
    /// Reads the stored form: the roots one after the other.
    ///
    /// # Errors
    /// `BadFrontier` when there are not as many as the size has one-bits.
    pub fn decode(size: u64, bytes: &[u8]) -> Result<Self, BadFrontier> {
        let roots: Vec<Hash> = bytes.chunks(32).map(|c| c.try_into().map_err(|_| BadFrontier)).collect::<Result<_, _>>()?;
        Self::of_roots(size, roots)
    }
    /// The frontier with these roots, big to small.
    ///
    /// # Errors
    /// `BadFrontier` when there are not as many as the size has one-bits.
    pub fn of_roots(size: u64, roots: Vec<Hash>) -> Result<Self, BadFrontier> {
        if roots.len() == size.count_ones() as usize { Ok(Self { size, roots }) } else { Err(BadFrontier) }
    }
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        self.roots.concat()
    }
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }
    /// Appends a leaf; answers with the nodes to store.
    pub fn push(&mut self, leaf: Hash) -> Vec<Node> {
        let mut nodes = Vec::new();
        let (mut hash, mut level, mut n) = (leaf, 0u64, self.size);
        while n & 1 == 1 {
            let Some(left) = self.roots.pop() else { break };
            hash = node_hash(&left, &hash);
            level += 1;
            n >>= 1;
            if level.is_multiple_of(8) {
                nodes.push(Node { level: level / 8, n, hash });
            }
        }
        self.roots.push(hash);
        self.size += 1;
        nodes
    }
    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return empty_root() };
        roots.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// Where a perfect subtree's root can be computed from stored hashes: `count` of them from place `first` on, in tile level `level`
/// (0: the leaves themselves).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The tile level.
    pub level: u64,
    /// The first hash's place in that level.
    pub first: u64,
    /// How many; at most 128.
    pub count: u64,
}

/// The stretches that the roots of a tree of `size` leaves are computed from, big to small: one `root_of` each. A few hundred hashes
/// whatever the size.
pub fn stretches(size: u64) -> Vec<Stretch> {
    let mut all = Vec::new();
    let mut before = 0u64;
    for height in (0..u64::from(u64::BITS)).rev().filter(|height| size >> height & 1 == 1) {
        let level = height / 8;
        all.push(Stretch { level, first: before >> (8 * level), count: 1 << (height % 8) });
        before += 1 << height;
    }
    all
}

/// The largest power of two below `n` (n > 1).
fn split(n: usize) -> usize {
    1 << (usize::BITS - 1 - (n - 1).leading_zeros())
}

/// Root over leaf hashes.
pub fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Root over the bytes of leaves.
pub fn tree_hash<T: AsRef<[u8]>>(leaves: &[T]) -> Hash {
    root_of(&hashes(leaves))
}

fn hashes<T: AsRef<[u8]>>(leaves: &[T]) -> Vec<Hash> {
    leaves.iter().map(|leaf| super::record::leaf_hash(leaf.as_ref())).collect()
}

/// Proof that the leaf at `index` is in the tree over the bytes of these leaves, from the leaf up. Empty when there is no such leaf.
pub fn inclusion<T: AsRef<[u8]>>(leaves: &[T], index: usize) -> Vec<Hash> {
    inclusion_of(&hashes(leaves), index)
}

/// The same over leaf hashes.
pub fn inclusion_of(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 || index >= leaves.len() {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let mut proof;
    if index < k {
        proof = inclusion_of(left, index);
        proof.push(root_of(right));
    } else {
        proof = inclusion_of(right, index - k);
        proof.push(root_of(left));
    }
    proof
}

/// The proof of every leaf, in their order: each inner hash is computed once.
pub fn inclusions<T: AsRef<[u8]>>(leaves: &[T]) -> Vec<Vec<Hash>> {
    let mut proofs = vec![Vec::new(); leaves.len()];
    prove(&hashes(leaves), &mut proofs);
    proofs
}

/// The root over leaf hashes, with the proof of each grown up to it.
fn prove(leaves: &[Hash], proofs: &mut [Vec<Hash>]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        many => {
            let k = split(many.len());
            let ((left, right), (of_left, of_right)) = (many.split_at(k), proofs.split_at_mut(k.min(proofs.len())));
            let (left, right) = (prove(left, of_left), prove(right, of_right));
            of_left.iter_mut().for_each(|proof| proof.push(right));
            of_right.iter_mut().for_each(|proof| proof.push(left));
            node_hash(&left, &right)
        }
    }
}

/// Checks that a leaf hash is at `index` in the tree of `size` with this root (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut f, mut s, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            hash = node_hash(step, &hash);
            while f & 1 == 0 && f != 0 {
                f >>= 1;
                s >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        f >>= 1;
        s >>= 1;
    }
    s == 0 && hash == *root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn roots_agree_with_the_vectors_of_the_rfc_reference() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let hex = |hash: Hash| data_encoding::HEXLOWER.encode(&hash);
        assert_eq!(hex(tree_hash::<&[u8]>(&[])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(tree_hash(&leaves[..1])), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(hex(tree_hash(&leaves[..2])), "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
        assert_eq!(hex(tree_hash(&leaves)), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn a_frontier_is_found_again_from_stored_hashes() {
        let (mut frontier, mut leaves, mut nodes) = (Frontier::default(), Vec::new(), Vec::new());
        for n in 0..70_000u64 {
            let leaf = super::super::record::leaf_hash(&n.to_be_bytes());
            leaves.push(leaf);
            nodes.extend(frontier.push(leaf));
            if [1, 255, 256, 257, 65_535, 65_536, 65_793, 69_999].contains(&(n + 1)) {
                let stored = |s: Stretch| -> Vec<Hash> {
                    let at = |n: u64| match s.level {
                        0 => leaves[n as usize],
                        level => nodes.iter().find(|node| node.level == level && node.n == n).unwrap().hash,
                    };
                    (s.first..s.first + s.count).map(at).collect()
                };
                let roots = stretches(n + 1).into_iter().map(|s| root_of(&stored(s))).collect();
                assert_eq!(Frontier::of_roots(n + 1, roots), Ok(frontier.clone()));
            }
        }
        assert_eq!(stretches(0), vec![]);
    }

    proptest! {
        #[test]
        fn frontier_recursion_and_ct_merkle_agree(leaves in proptest::collection::vec(any::<Vec<u8>>(), 1..700), pick in any::<prop::sample::Index>()) {
            let mut frontier = Frontier::default();
            let mut oracle = ct_merkle::mem_backed_tree::MemoryBackedTree::<Sha256, Vec<u8>>::new();
            let mut nodes = 0;
            for leaf in &leaves {
                nodes += frontier.push(super::super::record::leaf_hash(leaf)).len();
                oracle.push(leaf.clone());
            }
            let root = tree_hash(&leaves);
            prop_assert_eq!(frontier.root(), root);
            let theirs = oracle.root();
            prop_assert_eq!(theirs.as_bytes().as_slice(), root.as_slice());
            prop_assert_eq!(nodes, leaves.len() / 256);
            let again = Frontier::decode(frontier.size(), &frontier.encode());
            prop_assert_eq!(again, Ok(frontier.clone()));
            let index = pick.index(leaves.len());
            let proof = inclusion(&leaves, index);
            prop_assert_eq!(&inclusions(&leaves)[index], &proof);
            let theirs = oracle.prove_inclusion(index);
            prop_assert_eq!(proof.concat(), theirs.as_bytes().to_vec());
            let leaf = super::super::record::leaf_hash(&leaves[index]);
            let size = leaves.len() as u64;
            prop_assert!(verify_inclusion(&leaf, index as u64, size, &proof, &root));
            prop_assert!(!verify_inclusion(&root, index as u64, size, &proof, &root) || leaf == root);
            prop_assert!(!verify_inclusion(&leaf, index as u64 + 1, size, &proof, &root) || leaves.get(index + 1) == leaves.get(index));
        }
    }
}
