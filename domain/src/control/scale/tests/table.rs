//! Claims about the table of ways: what each state of a request takes, and where that leads.

use crate::control::scale::{ProvisionState, ProvisionStep};

#[test]
fn every_state_takes_exactly_the_steps_of_the_table() {
    use ProvisionState::{Asked, Failed, Released, Releasing, Retiring, Starting, There};
    use ProvisionStep::{Arrive, Done, Fail, GiveUp, Keep, Release, Retire, Start};
    let steps = [Start, Arrive, Fail, GiveUp, Retire, Keep, Release, Done];
    let table = [
        (Asked, [Some(Starting), None, Some(Failed), Some(Released), None, None, None, None]),
        (Starting, [Some(Starting), Some(There), Some(Failed), None, None, None, None, None]),
        (
            Failed,
            [Some(Starting), Some(There), Some(Failed), Some(Releasing), None, None, None, None],
        ),
        (There, [None, None, None, None, Some(Retiring), None, Some(Releasing), None]),
        (Retiring, [None, None, None, None, None, Some(There), Some(Releasing), None]),
        (
            Releasing,
            [Some(Releasing), None, Some(Releasing), None, None, None, None, Some(Released)],
        ),
        (Released, [None; 8]),
    ];
    for (state, expected) in table {
        assert_eq!(steps.map(|step| state.after(step)), expected, "{state}");
    }
    assert_eq!(table.map(|(state, _)| state), ProvisionState::ALL);
}
