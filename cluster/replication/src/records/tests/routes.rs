//! The bytes of what is remembered of a Market's routes.

use super::*;
use tradewind_domain::control::row::{FormerVenue, FormerVenuesRow, Row};

#[test]
fn the_bytes_of_former_venues_never_change() {
    let venues = vec![FormerVenue { venue: "v".parse().unwrap(), left: Revision(5) }];
    let row = Row::FormerVenues(FormerVenuesRow { market: "m".parse().unwrap(), venues });
    golden(Kind::Row, &row, "010619016d010176058397d4df");
}
