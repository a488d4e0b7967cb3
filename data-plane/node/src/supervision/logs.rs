//! The look at services' logs. Decides when a Manager says that there is no room for them: what a service could not write it
//! cannot say, and lives on.

use super::setup::Setup;
use crate::log_file::{self, LogFile};

/// Keeps each within its size, and sees whether anything can be written at all. Waits for the disk.
pub(super) fn look(setup: &Setup, logs: &[LogFile]) {
    for log in logs {
        if let Err(error) = log.bound() {
            tracing::warn!(%error, "a log could not be begun anew");
        }
    }
    let room = log_file::room(&setup.logs_dir());
    let news = setup.figures.log_room(room.as_ref().err().map(ToString::to_string));
    match room {
        Err(error) if news => tracing::error!(%error, "logs cannot be written: words are lost"),
        Ok(()) if news => tracing::info!("logs can be written again"),
        Err(_) | Ok(()) => {}
    }
}
