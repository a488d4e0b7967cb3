//! Kraken's ids: `OK4GJX-KSTLS-7DZZO5`, capitals and digits, orders with an O in front, executions and amends with
//! a T, entries of the books with an L. Decides how a number becomes an id: with the ledger's beginning mixed in,
//! so that ids of two ledgers are never the same.

use tradewind_domain::time::UnixNanos;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Order,
    Execution,
    Amend,
    Entry,
    Trade,
}

const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// Of the number and of the ledger's beginning.
const PLACES: usize = 8;

/// The id of the how manyth thing of that kind.
pub(crate) fn id(of: Of, number: u64, opened: UnixNanos) -> String {
    // Amends share a letter with executions, and trades with entries: a digit keeps them apart.
    let (letter, number) = match of {
        Of::Order => ('O', number),
        Of::Execution => ('T', number * 2),
        Of::Amend => ('T', number * 2 + 1),
        Of::Entry => ('L', number * 2),
        Of::Trade => ('L', number * 2 + 1),
    };
    let mut text = String::from(letter);
    places(&mut text, opened.0 / 1_000_000);
    places(&mut text, number);
    text.insert(11, '-');
    text.insert(6, '-');
    text
}

fn places(text: &mut String, number: u64) {
    let mut digits = [b'0'; PLACES];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(rest % 36).unwrap_or_default()];
        rest /= 36;
    }
    text.extend(digits.map(char::from));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_have_krakens_shape_and_never_meet() {
        let mut seen = BTreeSet::new();
        let opened = UnixNanos(1_700_000_000_000_000_000);
        for of in [Of::Order, Of::Execution, Of::Amend, Of::Entry, Of::Trade] {
            for number in (0..2_000).chain([1 << 40]) {
                for opened in [opened, UnixNanos(opened.0 + 1_000_000)] {
                    let id = id(of, number, opened);
                    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
                    assert_eq!(lengths, [6, 5, 6], "{id}");
                    assert!(seen.insert(id));
                }
            }
        }
    }
}
