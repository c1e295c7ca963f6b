//! Changing inputs, the same way for the same seed.

use fastrand::Rng;

/// Changes that one input gets at most.
const MAX_CHANGES: usize = 6;
/// Bytes that are inserted, removed or repeated at once.
const MAX_PIECE_BYTES: usize = 64;

/// An input made from a kept one, with pieces of others.
pub fn mutate(rng: &mut Rng, kept: &[Vec<u8>], words: &[&[u8]], max_bytes: usize) -> Vec<u8> {
    let mut input = pick(rng, kept).to_vec();
    for _ in 0..rng.usize(1..=MAX_CHANGES) {
        change(rng, &mut input, kept, words);
        input.truncate(max_bytes);
    }
    input
}

fn pick<'a>(rng: &mut Rng, kept: &'a [Vec<u8>]) -> &'a [u8] {
    match kept.is_empty() {
        true => &[],
        false => &kept[rng.usize(..kept.len())],
    }
}

fn change(rng: &mut Rng, input: &mut Vec<u8>, kept: &[Vec<u8>], words: &[&[u8]]) {
    let at = rng.usize(..=input.len());
    match rng.u8(..10) {
        0 | 1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.u8(..8);
            }
        }
        2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = interesting_byte(rng);
            }
        }
        3 => insert(input, at, &[interesting_byte(rng)]),
        4 => {
            if !words.is_empty() {
                let word = words[rng.usize(..words.len())];
                insert(input, at, piece(rng, word));
            }
        }
        5 => {
            let end = (at + rng.usize(..=MAX_PIECE_BYTES)).min(input.len());
            input.drain(at..end);
        }
        6 => {
            let end = (at + rng.usize(..=MAX_PIECE_BYTES)).min(input.len());
            let repeated = input[at..end].repeat(rng.usize(1..=4));
            insert(input, at, &repeated);
        }
        7 => input.truncate(at),
        8 => {
            let other = pick(rng, kept);
            let from = rng.usize(..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        _ => {
            let random: Vec<u8> = (0..rng.usize(1..=8)).map(|_| rng.u8(..)).collect();
            insert(input, at, &random);
        }
    }
}

/// Mostly all of a word, sometimes its beginning.
fn piece<'a>(rng: &mut Rng, word: &'a [u8]) -> &'a [u8] {
    match rng.u8(..4) {
        0 => &word[..rng.usize(..=word.len())],
        _ => word,
    }
}

fn interesting_byte(rng: &mut Rng) -> u8 {
    match rng.u8(..4) {
        0 => 0,
        1 => 0xff,
        2 => b'\n',
        _ => rng.u8(..),
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_determines_bounded_inputs() {
        let kept = vec![b"foobar\npasspass\n".to_vec(), vec![7; 100]];
        let words: &[&[u8]] = &[b"who\n"];
        let made = |seed| -> Vec<Vec<u8>> {
            let mut rng = Rng::with_seed(seed);
            (0..1_000)
                .map(|_| mutate(&mut rng, &kept, words, 128))
                .collect()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        assert!(made(3).iter().all(|input| input.len() <= 128));
        let mut rng = Rng::with_seed(4);
        for _ in 0..1_000 {
            mutate(&mut rng, &[], &[], 16);
        }
    }
}
