//! [`MetRows`]: which rows a walk over a multi index has come across.

use std::collections::{HashMap, hash_map::Entry};

/// Ids that share all but their last bits share a word.
const IDS_PER_WORD: u64 = u64::BITS as u64;
/// At most so many words: about 5 MB, which is enough for 8 million rows that were inserted one after the other.
const MOST_WORDS: usize = 1 << 17;

/// The ids of rows that were met, one bit each, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct MetRows {
    words: HashMap<u64, u64>,
}

/// What is known of a row that is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// It was met before.
    Before,
    /// It was not met before, and is noted now.
    First,
    /// There is no room to note it, now or before.
    Unknown,
}

impl MetRows {
    /// Notes that a row was met.
    pub(super) fn meet(&mut self, id: u64) -> Met {
        let is_full = self.words.len() >= MOST_WORDS;
        let bit = 1 << (id % IDS_PER_WORD);
        let word = match self.words.entry(id / IDS_PER_WORD) {
            Entry::Occupied(word) => word.into_mut(),
            // No word is ever added later, so an id that finds a word has always found it.
            Entry::Vacant(_) if is_full => return Met::Unknown,
            Entry::Vacant(word) => word.insert(0),
        };
        let met = if *word & bit == 0 { Met::First } else { Met::Before };
        *word |= bit;
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_met_first_once_and_unknown_where_there_is_no_room_for_it() {
        let mut met = MetRows::default();
        for id in [0, 63, 64, u64::MAX, 1 << 40] {
            assert_eq!((met.meet(id), met.meet(id)), (Met::First, Met::Before), "{id}");
        }
        for word in 0..MOST_WORDS as u64 {
            met.meet(word * IDS_PER_WORD);
        }
        assert_eq!(met.words.len(), MOST_WORDS);
        let without_room = (1 << 50) + 1;
        assert_eq!((met.meet(without_room), met.meet(without_room)), (Met::Unknown, Met::Unknown));
        assert_eq!((met.meet(1), met.meet(1)), (Met::First, Met::Before));
    }
}
