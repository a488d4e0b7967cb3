//! The rules of the house that a machine can check. All of it stands in `tests/`: nothing here is used.
