//! Numbers drawn from a seed: the same on every machine and in every version. Decides the sequence (SplitMix64);
//! what is drawn by it is decided by the demo's kills and the fault harness' plans.

/// A sequence of numbers that its seed decides.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number().checked_rem(bound).unwrap_or(0)
    }

    /// One from a list; `None` of an empty one.
    pub fn one_of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let place = usize::try_from(self.below(list.len() as u64)).unwrap_or(0);
        list.get(place)
    }

    /// Another order of a list.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let with = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            list.swap(last, with);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_numbers_for_ever() {
        let mut draw = Draw::new(7);
        // A change of these changes what every seed ever noted stands for.
        assert_eq!(draw.number(), 0x63cb_e1e4_5932_0dd7);
        let mut list = [1, 2, 3, 4];
        Draw::new(7).shuffle(&mut list);
        let mut again = [1, 2, 3, 4];
        Draw::new(7).shuffle(&mut again);
        assert_eq!(list, again);
        assert_eq!((draw.below(0), draw.one_of::<u8>(&[])), (0, None));
    }
}
