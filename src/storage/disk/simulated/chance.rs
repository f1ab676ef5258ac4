//! Coins that fall the same way for the same seed.

/// The splitmix64 generator: a few lines, no state but a counter, good enough to decide what a power cut leaves.
pub(super) struct Chance(u64);

impl Chance {
    /// A generator for exactly these numbers, in this order.
    pub(super) fn new(seeds: [u64; 3]) -> Self {
        let mut chance = Self(0);
        for seed in seeds {
            chance.0 = chance.next() ^ seed;
        }
        chance
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }
}
