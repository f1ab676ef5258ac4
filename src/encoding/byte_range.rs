//! [`ByteRange`]: the keys between two byte strings.

/// Every byte string from `start` on and before `end`.
///
/// Ordered by start, then by end. Ranges that contain the same keys are equal, but for empty ones, which may differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ByteRange {
    start: Box<[u8]>,
    end: RangeEnd,
}

/// Where a range ends. The variants are in the order of the ends that they stand for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RangeEnd {
    /// Before this key.
    Before(Box<[u8]>),
    /// Nowhere.
    Unbounded,
}

impl ByteRange {
    /// The range of one key.
    pub(crate) fn point(key: &[u8]) -> Self {
        let mut end = Vec::with_capacity(key.len() + 1);
        end.extend_from_slice(key);
        end.push(0);
        Self { start: key.into(), end: RangeEnd::Before(end.into()) }
    }

    /// Every key that begins with `prefix`, itself included.
    #[cfg(test)]
    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        let Some((last, head)) = without_trailing_max(prefix).split_last() else { return Self::starting_at(prefix) };
        let mut end = Vec::with_capacity(head.len() + 1);
        end.extend_from_slice(head);
        end.push(last + 1);
        Self { start: prefix.into(), end: RangeEnd::Before(end.into()) }
    }

    /// Every key from `start` on and before `end`: none unless `start` is less than `end`.
    pub(crate) fn between(start: &[u8], end: &[u8]) -> Self {
        Self { start: start.into(), end: RangeEnd::Before(end.into()) }
    }

    /// Every key from `start` on.
    pub(crate) fn starting_at(start: &[u8]) -> Self {
        Self { start: start.into(), end: RangeEnd::Unbounded }
    }

    /// The least key that may be in the range.
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Where it ends.
    pub(crate) fn end(&self) -> &RangeEnd {
        &self.end
    }

    /// The least key, without copying it.
    pub(crate) fn into_start(self) -> Box<[u8]> {
        self.start
    }

    /// Whether `key` is in the range.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        *self.start <= *key && self.end.is_after(key)
    }

    /// Whether no key is in the range.
    pub(crate) fn is_empty(&self) -> bool {
        !self.end.is_after(&self.start)
    }

    /// Whether exactly one key is in the range, its start.
    pub(crate) fn is_point(&self) -> bool {
        match &self.end {
            RangeEnd::Before(end) => end.split_last() == Some((&0, &*self.start)),
            RangeEnd::Unbounded => false,
        }
    }

    /// Whether it is every key that begins with its start.
    pub(crate) fn is_prefix(&self) -> bool {
        self.end.ends_prefix(&self.start)
    }

    /// Whether all its keys begin with the same `len` bytes as its start, which is not shorter.
    pub(crate) fn is_within_prefix(&self, len: usize) -> bool {
        let Some(prefix) = self.start.get(..len) else { return false };
        match &self.end {
            RangeEnd::Before(end) if end.starts_with(prefix) => true,
            RangeEnd::Before(_) | RangeEnd::Unbounded => self.is_empty() || self.end.ends_prefix(prefix),
        }
    }
}

impl RangeEnd {
    /// Whether a range with this end reaches past `key`.
    pub(crate) fn is_after(&self, key: &[u8]) -> bool {
        match self {
            Self::Before(end) => *key < **end,
            Self::Unbounded => true,
        }
    }

    /// Whether the keys that begin with `prefix` end here.
    fn ends_prefix(&self, prefix: &[u8]) -> bool {
        match (without_trailing_max(prefix).split_last(), self) {
            (Some((last, head)), Self::Before(end)) => end.split_last() == Some((&(last + 1), head)),
            (None, Self::Unbounded) => true,
            (Some(_), Self::Unbounded) | (None, Self::Before(_)) => false,
        }
    }
}

/// The bytes up to the last one that can be counted up: what follows all keys with a prefix is this, counted up.
fn without_trailing_max(prefix: &[u8]) -> &[u8] {
    let len = prefix.iter().rposition(|&byte| byte != u8::MAX).map_or(0, |position| position + 1);
    &prefix[..len]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_point_contains_its_key_and_nothing_next_to_it() {
        let point = ByteRange::point(b"ab");
        assert!(point.contains(b"ab"));
        assert!(!point.contains(b"a") && !point.contains(b"ab\0") && !point.contains(b"ac"));
        assert!(point.is_point() && !point.is_prefix() && !point.is_empty());
    }

    #[test]
    fn a_range_of_one_key_is_a_point_however_it_was_made() {
        assert_eq!(ByteRange::between(b"ab", b"ab\0"), ByteRange::point(b"ab"));
        assert!(!ByteRange::between(b"ab", b"ab\x01").is_point());
        assert!(!ByteRange::between(b"ab", b"ac\0").is_point());
        assert!(!ByteRange::between(b"ab", b"ab").is_point());
        assert!(ByteRange::point(b"").is_point());
    }

    #[test]
    fn the_end_of_a_prefix_skips_bytes_that_cannot_be_counted_up() {
        let prefix = ByteRange::prefix(b"a\xff\xff");
        assert_eq!(prefix, ByteRange::between(b"a\xff\xff", b"b"));
        assert!(prefix.is_prefix() && prefix.contains(b"a\xff\xff\xff") && !prefix.contains(b"b"));
    }

    #[test]
    fn a_prefix_that_cannot_be_counted_up_has_no_end() {
        assert_eq!(ByteRange::prefix(b"\xff\xff"), ByteRange::starting_at(b"\xff\xff"));
        assert_eq!(ByteRange::prefix(b""), ByteRange::starting_at(b""));
        assert!(ByteRange::prefix(b"\xff").is_prefix() && !ByteRange::starting_at(b"a").is_prefix());
    }

    #[test]
    fn a_range_that_ends_where_it_starts_or_before_is_empty() {
        assert!(ByteRange::between(b"b", b"b").is_empty());
        assert!(ByteRange::between(b"b", b"a").is_empty());
        assert!(!ByteRange::between(b"a", b"b").is_empty() && !ByteRange::starting_at(b"").is_empty());
    }

    #[test]
    fn an_unbounded_end_is_after_every_other() {
        assert!(ByteRange::starting_at(b"a") > ByteRange::between(b"a", b"\xff\xff\xff"));
    }

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0, 1, 0xfe, 0xff]), 0..4)
    }

    fn range() -> impl Strategy<Value = ByteRange> {
        prop_oneof![
            key().prop_map(|key| ByteRange::point(&key)),
            key().prop_map(|key| ByteRange::prefix(&key)),
            key().prop_map(|key| ByteRange::starting_at(&key)),
            (key(), key()).prop_map(|(start, end)| ByteRange::between(&start, &end)),
        ]
    }

    /// Every key that can tell two ranges of `range()` apart.
    fn all_keys() -> Vec<Vec<u8>> {
        let mut keys = vec![Vec::new()];
        let mut longest = keys.clone();
        for _ in 0..5 {
            longest =
                longest.iter().flat_map(|key| [0, 1, 2, 0xfe, 0xff].map(|byte| [&**key, &[byte]].concat())).collect();
            keys.extend_from_slice(&longest);
        }
        keys
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_a_range_says_of_itself_is_what_it_contains(range in range(), len in 0usize..4) {
            let keys = all_keys();
            let contained: Vec<_> = keys.iter().filter(|key| range.contains(key)).collect();
            prop_assert_eq!(range.is_empty(), contained.is_empty());
            prop_assert_eq!(range.is_point(), contained == [range.start()]);
            let is_prefix = keys.iter().all(|key| key.starts_with(range.start()) == range.contains(key));
            prop_assert_eq!(range.is_prefix(), is_prefix);
            let is_within = range.start().get(..len).is_some_and(|prefix| contained.iter().all(|key| key.starts_with(prefix)));
            prop_assert_eq!(range.is_within_prefix(len), is_within);
        }
    }
}
