//! Claims about placement.
