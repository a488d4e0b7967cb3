//! Which known word was probably meant. Decides how far a slip may go: a third of the letters.

/// The nearest of them, if it is near.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|word| (distance(given, word), word));
    let (away, word) = near.min_by_key(|(away, _)| *away)?;
    (away <= given.chars().count().max(3) / 3).then_some(word)
}

/// Letters put in, left out, or taken for others (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = n + 1;
        for (m, held) in other.iter().enumerate() {
            let taken = corner + usize::from(letter != *held);
            corner = row[m + 1];
            row[m + 1] = taken.min(row[m] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_another_word() {
        let known = || ["customers", "accounts", "markets", "risk"].into_iter();
        assert_eq!(nearest("customer", known()), Some("customers"));
        assert_eq!(nearest("acounts", known()), Some("accounts"));
        assert_eq!(nearest("rsk", known()), Some("risk"));
        assert_eq!(nearest("colour", known()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
