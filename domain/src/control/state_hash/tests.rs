//! Claims about the hash of a state: its form is fixed, rows differ by it, and their order does not matter.

use super::*;
use crate::{
    control::row::{CustomerRow, CustomerSpec, RegisterRow},
    ids::{KeyHash, Revision},
};
use alloc::{string::ToString, vec, vec::Vec};

fn register(name: &str, value: &str) -> Row {
    let register = name.parse().expect("a legal name");
    Row::Register(RegisterRow { register, value: value.to_string() })
}

/// Members of two versions compare hashes: neither the form nor the hash may ever change.
#[test]
fn the_hash_of_a_row_is_the_same_in_every_build() {
    let form = encoding::encode(&register("x", "abc"));
    let golden = [
        8, 0, 0, 0, 0, 0, 0, 0, b'x', 1, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c', 3, 0, 0, 0, 0, 0,
        0, 0,
    ];
    assert_eq!(form, golden);
    let hash = StateHash::of_rows([register("x", "abc")]);
    assert_eq!(hash.to_string(), GOLDEN);
    assert_eq!(GOLDEN.parse(), Ok(hash));
    assert_eq!("12".parse::<StateHash>(), Err(InvalidHash));
}

const GOLDEN: &str = "832add135689a20003340ab849f0ab97";

#[test]
fn order_does_not_matter_and_every_difference_does() {
    let rows = |values: [&str; 3]| -> Vec<Row> {
        ["a", "b", "c"].into_iter().zip(values).map(|(name, value)| register(name, value)).collect()
    };
    let (mut all, hash) = (rows(["1", "2", "3"]), StateHash::of_rows(rows(["1", "2", "3"])));
    all.reverse();
    assert_eq!(StateHash::of_rows(all), hash);
    // Values that are swapped, moved or gone.
    assert_ne!(StateHash::of_rows(rows(["2", "1", "3"])), hash);
    assert_ne!(StateHash::of_rows(rows(["1", "23", ""])), hash);
    assert_ne!(StateHash::of_rows(rows(["1", "2", "3"]).into_iter().skip(1)), hash);
    assert_ne!(
        StateHash::of_rows(vec![register("ab", "c")]),
        StateHash::of_rows([register("a", "bc")])
    );
}

#[test]
fn a_list_of_names_has_another_form_than_the_same_letters_in_other_names() {
    let customer = |keys: &[&str]| {
        let key_hashes = keys.iter().map(|key| KeyHash::of(key)).collect();
        let customer = "acme".parse().expect("a legal name");
        let spec = CustomerSpec { key_hashes };
        Row::Customer(CustomerRow {
            customer,
            spec,
            affinity: None,
            affinity_version: 0,
            revision: Revision(1),
        })
    };
    let forms = [customer(&[]), customer(&["a"]), customer(&["a", "b"])];
    let hashes = forms.map(|row| StateHash::of_rows([row]));
    assert_ne!(hashes[0], hashes[1]);
    assert_ne!(hashes[1], hashes[2]);
}
